/** Our client of WebTunnel with the official server, and beside lyrebird's client. */

import { assertEquals } from "@std/assert";
import type { Address } from "../../address.ts";
import { closeQuietly, relay, type StreamConn, writeAll } from "../../net/mod.ts";
import { certificatePin } from "../../net/tls.ts";
import { dialTransport, launchClient, tunnelClient, tunnelServer } from "../../parent/mod.ts";
import { connectThrough } from "../../run/run.ts";
import { webtunnel } from "../../webtunnel/mod.ts";
import { EchoServer } from "../echo.ts";
import { bytes, ScriptedPeer, takeText } from "../net/scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";
import { SCHEMES, UpstreamProxy } from "../net/upstream_proxy.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { TestBridge } from "../webtunnel/test_bridge.ts";
import { freePort } from "../../testing/free_port.ts";
import { exchange } from "./exchange.ts";
import { peer, peerMissing } from "./peers.ts";

const NEEDS = ["env", "net", "read", "write", "run"] as const;

/** Takes TLS off before the official server, as a web server does. */
class TlsFront implements Disposable {
  readonly port: number;
  readonly #listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: TEST_CERTIFICATE,
    key: TEST_KEY,
  });
  readonly #conns = new Set<StreamConn>();

  constructor(port: number) {
    this.port = this.#listener.addr.port;
    this.#serve(port);
  }

  async #serve(port: number): Promise<void> {
    for await (const conn of this.#listener) {
      const onward = await Deno.connect({ hostname: "127.0.0.1", port });
      this.#conns.add(conn).add(onward);
      relay(conn, onward).catch(() => {});
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.#conns.forEach(closeQuietly);
  }
}

/** The official server before a service. */
async function withServer(
  service: Address,
  use: (server: { port: number; state: string }) => Promise<void>,
): Promise<void> {
  await withDirectory(async (state) => {
    const port = freePort();
    await using _server = await tunnelServer([await peer("webtunnel-server") ?? ""], {
      transport: "webtunnel",
      listen: ["127.0.0.1", port],
      options: [["url", `http://127.0.0.1:${port}/secret`]],
      forward: service,
      stateDirectory: `${state}/server`,
    });
    await use({ port, state });
  });
}

/** A test with the official server. */
function official(name: string, fn: () => Promise<void>): void {
  permitted(NEEDS, name, fn, granted(NEEDS) ? peerMissing("webtunnel-server") : null);
}

/** The command of our program. */
const command = [
  ...[Deno.execPath(), "run", "--no-prompt", "--allow-env=TOR_PT_*", "--allow-net=127.0.0.1"],
  new URL("../../webtunnel/main.ts", import.meta.url).pathname,
];

for (const way of ["plain HTTP", "TLS", "TLS with a pin"] as const) {
  for (const scheme of [null, ...SCHEMES]) {
    const through = scheme === null ? "" : ` through an upstream proxy (${scheme})`;
    official(
      `webtunnel/main.ts carries 64 MiB both ways to the official server by ${way}${through}`,
      async () => {
        using echo = new EchoServer();
        await withServer(echo.address, async ({ port, state }) => {
          using front = new TlsFront(port);
          const authority = `${state}/authority.pem`;
          await Deno.writeTextFile(authority, TEST_AUTHORITY);
          // A name is for the proxy to resolve, and leads to the bridge there.
          const host = scheme === null ? "127.0.0.1" : "pt.example";
          using proxy = new UpstreamProxy(scheme ?? "http", [
            "127.0.0.1",
            way === "plain HTTP" ? port : front.port,
          ]);
          const url = way === "plain HTTP"
            ? `http://${host}:${port}/secret`
            : `https://${host}:${front.port}/secret`;
          await using tunnel = await tunnelClient(command, {
            transport: "webtunnel",
            listen: ["127.0.0.1", 0],
            bridge: ["2001:db8::1", 443],
            args: way === "TLS with a pin"
              ? [["url", url], ["cert", await certificatePin(TEST_CERTIFICATE)]]
              : [["url", url]],
            stateDirectory: `${state}/client`,
            env: { DENO_CERT: authority },
            proxy: scheme === null ? undefined : proxy.info,
          });
          const [hostname, tunnelPort] = tunnel.address;
          using conn = await Deno.connect({ hostname, port: tunnelPort });
          const { sent, received } = await exchange(conn);
          assertEquals(received, sent);
          assertEquals(proxy.requests.length, scheme === null ? 0 : 1);
        });
      },
    );
  }
}

/** Connects to the official server, in this process. */
function connect(port: number, path = "/secret"): Promise<StreamConn> {
  const args: [string, string][] = [["url", `http://127.0.0.1:${port}${path}`]];
  return connectThrough(webtunnel(), ["2001:db8::1", 443], { args });
}

official(
  "webtunnel() gets all of a service behind the official server that speaks first",
  async () => {
    await using service = new ScriptedPeer(async (conn) => {
      await writeAll(conn, bytes("hello"));
      await readToEnd(conn).catch(() => {});
    });
    await withServer([service.host, service.port], async ({ port }) => {
      const conn = await connect(port);
      assertEquals(await takeText(conn, 5), "hello");
      conn.close();
    });
  },
);

official(
  "webtunnel() is granted any path by the official server, which looks at none",
  async () => {
    using echo = new EchoServer();
    await withServer(echo.address, async ({ port }) => {
      for (const path of ["", "/other", "/ä b"]) {
        const conn = await connect(port, path);
        await writeAll(conn, bytes("hello"));
        assertEquals(await takeText(conn, 5), "hello");
        conn.close();
      }
    });
  },
);

official(
  "webtunnel() sends an end to the official server, which ends both ways with it",
  async () => {
    const heard = Promise.withResolvers<string>();
    await using service = new ScriptedPeer(async (conn) => {
      heard.resolve(new TextDecoder().decode(await readToEnd(conn)));
      await writeAll(conn, bytes("too late")).catch(() => {});
    });
    await withServer([service.host, service.port], async ({ port }) => {
      const conn = await connect(port);
      await writeAll(conn, bytes("hello"));
      await conn.closeWrite();
      assertEquals(await readToEnd(conn).catch(() => bytes("")), bytes(""));
      assertEquals(await heard.promise, "hello");
      conn.close();
    });
  },
);

official("webtunnel() gets the end of a service behind the official server", async () => {
  await using service = new ScriptedPeer((conn) => writeAll(conn, bytes("goodbye")));
  await withServer([service.host, service.port], async ({ port }) => {
    const conn = await connect(port);
    assertEquals(await readToEnd(conn), bytes("goodbye"));
    conn.close();
  });
});

/** Bridge lines that both clients understand; PORT is that of a bridge with TLS. */
const LINES: readonly (readonly [string, string][])[] = [
  [["url", "https://127.0.0.1:PORT/secret"]],
  [["url", "https://localhost:PORT"]],
  [["url", "https://localhost:PORT/a%20b/%7e(c)"]],
  [["url", "https://LOCALHOST:PORT/ä b"]],
  [["url", 'https://localhost:PORT/a"(b)%2f']],
  [["url", "https://pt.example/secret"], ["addr", "127.0.0.1:PORT"]],
  [["url", "https://pt.example:8443/secret"], ["addr", "127.0.0.1:PORT"]],
  [["url", "https://no.example/secret"], ["addr", "127.0.0.1:PORT"], ["servername", "pt.example"]],
  [
    ["url", "https://pt.example/secret"],
    ["addr", "127.0.0.1:PORT"],
    ["sni-imitation", "front.example"],
  ],
  [
    ["url", "https://no.example/secret"],
    ["addr", "127.0.0.1:PORT"],
    ["cert-domain", "pt.example"],
  ],
  [
    ["url", "https://no.example/secret"],
    ["addr", "127.0.0.1:PORT"],
    ["servername", "front.example"],
    ["cert-domain", "pt.example"],
  ],
  [
    ["url", "https://pt.example/secret"],
    ["addr", "127.0.0.1:PORT"],
    ["servername", "front.example"],
    ["sni-imitation", "neither.example"],
  ],
  [["url", "https://no.example/secret"], ["addr", "127.0.0.1:PORT"], ["cert", "PIN"]],
  [["url", "https://localhost:PORT/1"], ["url", "https://localhost:PORT/2"]],
];

permitted(
  NEEDS,
  "webtunnel() sends each byte of the request, and the name in TLS, that lyrebird sends",
  () =>
    withDirectory(async (state) => {
      const authority = `${state}/authority.pem`;
      await Deno.writeTextFile(authority, TEST_AUTHORITY);
      const pin = await certificatePin(TEST_CERTIFICATE);
      // lyrebird closes its connections when it ends, which it does first.
      await using bridge = new TestBridge();
      await using lyrebird = await launchClient([await peer("lyrebird") ?? ""], {
        transports: ["webtunnel"],
        stateDirectory: state,
        env: { SSL_CERT_FILE: authority },
      });
      const method = lyrebird.methods["webtunnel"]!;
      const transport = webtunnel({ caCerts: [TEST_AUTHORITY] });
      for (const line of LINES) {
        const args = line.map(([key, value]): [string, string] => [
          key,
          value.replace("PORT", String(bridge.address[1])).replace("PIN", pin),
        ]);
        // By its default, each connection is another one; by `none` it verifies the SNI alone.
        const theirArgs = [...args, ["utls", "hellofirefox_auto"] as const];
        (await dialTransport(method, ["2001:db8::1", 443], theirArgs)).close();
        (await connectThrough(transport, ["2001:db8::1", 443], { args })).close();
        const [theirs, ours] = bridge.requests.splice(0);
        const [theirName, ourName] = bridge.sentNames.splice(0);
        assertEquals([ours, ourName], [theirs, theirName], line.join(" "));
      }
    }),
  granted(NEEDS) ? peerMissing("lyrebird") : null,
);

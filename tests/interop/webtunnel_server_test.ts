/** Our server of WebTunnel with the clients of others and ours, alone and behind nginx. */

import { assertEquals, assertRejects } from "@std/assert";
import { connectThrough } from "../../run/run.ts";
import { writeAll } from "../../net/mod.ts";
import { dialTransport, launchClient, tunnelClient, tunnelServer } from "../../parent/mod.ts";
import { isInstalled } from "../../tor/programs.ts";
import { webtunnel } from "../../webtunnel/mod.ts";
import { EchoServer } from "../echo.ts";
import { bytes, ScriptedPeer, takeText } from "../net/scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";
import { TEST_AUTHORITY } from "../net/test_certificates.ts";
import { SCHEMES, UpstreamProxy } from "../net/upstream_proxy.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { GRANTED, TestBridge } from "../webtunnel/test_bridge.ts";
import { TestServer } from "../webtunnel/test_server.ts";
import { freePort, freePorts } from "../../testing/free_port.ts";
import { exchange } from "./exchange.ts";
import { namespaced, namespaceMissing } from "./namespace.ts";
import { Nginx, nginxMissing, ourRecipe, recipe, site } from "./nginx.ts";
import { peer, peerMissing, type PeerName } from "./peers.ts";
import { bridgeOptions, PROGRAM } from "./webtunnel_programs.ts";

const NEEDS = ["env", "net", "read", "write", "run"] as const;

/** A test with programs of others, ignored with the reason where one cannot be had. */
function withPeers(names: readonly PeerName[], name: string, fn: () => Promise<void>): void {
  const missing = names.map(peerMissing).find((reason) => reason !== null) ?? null;
  permitted(NEEDS, name, fn, granted(NEEDS) ? missing : null);
}

/** The command of a program: ours, or another one's. */
async function commandOf(name: PeerName | "ours"): Promise<readonly string[]> {
  return name === "ours" ? PROGRAM : [await peer(name) ?? ""];
}

/** Sends 64 MiB through a client, to be echoed, and back. */
async function checkCarries(
  client: PeerName | "ours",
  args: Iterable<readonly [string, string]>,
  state: string,
  proxy?: UpstreamProxy,
): Promise<void> {
  const authority = `${state}/authority.pem`;
  await Deno.writeTextFile(authority, TEST_AUTHORITY);
  await using tunnel = await tunnelClient(await commandOf(client), {
    transport: "webtunnel",
    listen: ["127.0.0.1", 0],
    bridge: ["2001:db8::1", 443],
    args: Array.from(args, ([...pair]) => pair),
    stateDirectory: `${state}/client`,
    env: { SSL_CERT_FILE: authority, DENO_CERT: authority },
    proxy: proxy?.info,
  });
  const [hostname, port] = tunnel.address;
  using conn = await Deno.connect({ hostname, port });
  const { sent, received } = await exchange(conn);
  assertEquals(received, sent);
}

for (const client of ["ours", "lyrebird"] as const) {
  for (const way of ["plain HTTP", "TLS"] as const) {
    for (const scheme of client === "ours" ? [null, ...SCHEMES] : [null]) {
      const through = scheme === null ? "" : ` through an upstream proxy (${scheme})`;
      withPeers(
        client === "ours" ? [] : [client],
        `webtunnel/main.ts as a server carries 64 MiB both ways for ${
          client === "ours" ? "our client" : client
        } by ${way}${through}`,
        () =>
          withDirectory(async (state) => {
            using echo = new EchoServer();
            const port = freePort();
            const host = scheme === null ? "127.0.0.1" : "pt.example";
            using proxy = new UpstreamProxy(scheme ?? "http", ["127.0.0.1", port]);
            const isTls = way === "TLS";
            const url = `${isTls ? "https" : "http"}://${host}:${port}/secret`;
            await using server = await tunnelServer(PROGRAM, {
              transport: "webtunnel",
              listen: ["127.0.0.1", port],
              options: isTls ? await bridgeOptions(state, url, "127.0.0.1:1") : [["url", url]],
              forward: echo.address,
              stateDirectory: `${state}/server`,
            });
            await checkCarries(client, server.args, state, scheme === null ? undefined : proxy);
            assertEquals(proxy.requests.length, scheme === null ? 0 : 1);
          }),
      );
    }
  }
}

for (const scheme of ["http", "https"] as const) {
  const name = "webtunnel-client";
  const missing = granted(NEEDS) ? peerMissing(name) ?? namespaceMissing() : null;
  permitted(
    NEEDS,
    `webtunnel/main.ts as a server carries 64 MiB both ways for ${name} by ${scheme}`,
    async () => {
      const program = new URL("webtunnel_namespace.ts", import.meta.url).pathname;
      const { stdout } = await namespaced(
        [Deno.execPath(), "run", "-A", "--quiet", program, await peer(name) ?? "", scheme],
        { stderr: "inherit" },
      ).output();
      const { sent, received } = JSON.parse(new TextDecoder().decode(stdout));
      assertEquals([typeof sent, received], ["string", sent]);
    },
    missing,
  );
}

const nginx = granted(["run"]) ? nginxMissing() : null;

for (const server of ["ours", "webtunnel-server"] as const) {
  for (const client of ["ours", "lyrebird"] as const) {
    const peers = ([server, client] as const).filter((name) => name !== "ours");
    const missing = granted(NEEDS)
      ? peers.map(peerMissing).find((reason) => reason !== null) ?? nginx
      : null;
    permitted(
      NEEDS,
      `WebTunnel carries 64 MiB both ways behind nginx by the official recipe: client ${client}, ` +
        `server ${server}`,
      () =>
        withDirectory(async (state) => {
          using echo = new EchoServer();
          const [front = 0, back = 0] = freePorts(2);
          const url = `https://127.0.0.1:${front}/secret`;
          await using bridge = await tunnelServer(await commandOf(server), {
            transport: "webtunnel",
            listen: ["127.0.0.1", back],
            options: [["url", url]],
            forward: echo.address,
            stateDirectory: `${state}/server`,
          });
          await Deno.mkdir(`${state}/nginx`);
          await using _nginx = await Nginx.start(`${state}/nginx`, front, recipe(front, back));
          await checkCarries(client, bridge.args, state);
        }),
      missing,
    );
  }
}

/** Goes into a server's tunnel through nginx, which says who is there. */
async function checkTold(server: TestServer, front: number): Promise<void> {
  const transport = webtunnel({ caCerts: [TEST_AUTHORITY] });
  const conn = await connectThrough(transport, ["2001:db8::1", 443], {
    args: [["url", "https://pt.example/secret"], ["addr", `127.0.0.1:${front}`]],
  });
  await writeAll(conn, bytes("hello"));
  assertEquals(await takeText(conn, 5), "hello");
  conn.close();
  assertEquals(server.clients, [["127.0.0.1", 60_000]]);
}

permitted(
  NEEDS,
  "webtunnel() is told the client's address by nginx with the official recipe",
  () =>
    withDirectory(async (state) => {
      const front = freePort();
      await using server = await TestServer.start({
        options: { url: "https://pt.example/secret" },
      });
      const [, back] = server.address;
      await using _nginx = await Nginx.start(state, front, recipe(front, back));
      await checkTold(server, front);
    }),
  nginx,
);

permitted(
  NEEDS,
  "nginx shows by the recipe of docs/webtunnel.md that nothing is at the secret path",
  () =>
    withDirectory(async (state) => {
      const front = freePort();
      await using server = await TestServer.start({
        options: { url: "https://pt.example/secret" },
      });
      const [, back] = server.address;
      await using _nginx = await Nginx.start(state, front, await ourRecipe(front, back));
      const methods = ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "JUNK"];
      const asked: string[][] = [
        ...[[], ["--http1.0"], ["--head"], ["-H", "Upgrade: h2c"]],
        ...methods.map((method) => ["--request", method]),
      ];
      for (const words of asked) {
        const [secret, nothing] = await Promise.all(
          ["secret", "nothing"].map((path) => curl(`https://127.0.0.1:${front}/${path}`, ...words)),
        );
        assertEquals(secret, nothing, words.join(" "));
      }
      await checkTold(server, front);
    }),
  granted(NEEDS) ? nginx ?? curlMissing() : null,
);

/** What curl prints of a URL: all of the answers, with their heads. */
async function curl(url: string, ...words: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("curl", {
    args: ["--silent", "--include", "--insecure", "--max-time", "20", ...words, url],
    env: { no_proxy: "*" },
  }).output();
  return new TextDecoder().decode(stdout).replaceAll(/^Date: .*\r$/gm, "Date: \r");
}

/** Why there is no curl here; null when there is. */
function curlMissing(): string | null {
  return isInstalled("curl") ? null : "needs curl: apt-get install curl";
}

const UPGRADE = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket"];

/** How curl asks, and for what. */
const ASKED: readonly (readonly [path: string, ...words: string[]])[] = [
  ...["/", "/secret", "/nothing", "/secret/", "/secret?x", "/away"].flatMap((path) => [
    [path] as const,
    [path, "--http1.0"] as const,
    [path, "--head"] as const,
    [path, "--data", "hello"] as const,
    [path, "--range", "0-3"] as const,
  ]),
  ...["/", "/nothing", "/secret/", "/secret?x"].flatMap((path) => [
    [path, ...UPGRADE] as const,
    [path, "--http1.0", ...UPGRADE] as const,
  ]),
  ["/secret", "--http1.0", ...UPGRADE],
  ["/secret", "-H", "Connection: Upgrade", "-H", "Upgrade: h2c"],
  ["/secret", "-H", "Connection: close", "-H", "Upgrade: websocket"],
  ["/secret", "--request", "POST", ...UPGRADE],
  ["/%73ecret", ...UPGRADE],
];

for (const secure of [false, true]) {
  permitted(
    NEEDS,
    `curl gets of webtunnel() what nginx behind it answers, byte for byte (${
      secure ? "TLS" : "plain HTTP"
    })`,
    () =>
      withDirectory(async (state) => {
        const port = freePort();
        await Deno.mkdir(`${state}/nginx`);
        await using _nginx = await Nginx.start(`${state}/nginx`, port, site(port));
        const fallback = `127.0.0.1:${port}`;
        const options = secure
          ? Object.fromEntries(await bridgeOptions(state, "https://pt.example/secret", fallback))
          : { url: "http://pt.example/secret", fallback };
        await using server = await TestServer.start({ options });
        for (const [path, ...words] of ASKED) {
          const resolve = (port: number) => ["--resolve", `pt.example:${port}:127.0.0.1`, ...words];
          // The Host that nginx sees has the port in it; no answer of these repeats it but a redirect.
          const [, own] = server.address;
          const expected = await curl(`http://pt.example:${port}${path}`, ...resolve(port));
          const got = await curl(
            `${secure ? "https" : "http"}://pt.example:${own}${path}`,
            ...resolve(own),
          );
          assertEquals(got, expected, [path, ...words].join(" "));
          assertEquals(expected.startsWith("HTTP/1.1 "), true, expected);
        }
        assertEquals(server.clients, []);
      }),
    granted(NEEDS) ? nginx ?? curlMissing() : null,
  );
}

withPeers(["lyrebird"], "a service that speaks first is heard by lyrebird's client", async () => {
  await withDirectory(async (stateDirectory) => {
    await using server = await TestServer.start({
      options: { url: "http://pt.example/secret" },
      service: async (conn) => {
        await writeAll(conn, bytes("hello"));
        await readToEnd(conn);
      },
    });
    await using client = await launchClient(await commandOf("lyrebird"), {
      transports: ["webtunnel"],
      stateDirectory,
    });
    const method = client.methods["webtunnel"]!;
    using conn = await dialTransport(method, ["2001:db8::1", 443], [
      ["url", `http://${server.addr}/secret`],
    ]);
    assertEquals(await takeText(conn, 5), "hello");
  });
});

withPeers(
  ["lyrebird"],
  "lyrebird's client passes no end on before both sides have ended: a fact about the peer",
  async () => {
    await withDirectory(async (stateDirectory) => {
      const heard = Promise.withResolvers<string>();
      await using server = await TestServer.start({
        options: { url: "http://pt.example/secret" },
        service: async (conn) => {
          await writeAll(conn, bytes("goodbye"));
          await conn.closeWrite();
          heard.resolve(new TextDecoder().decode(await readToEnd(conn)));
        },
      });
      await using client = await launchClient(await commandOf("lyrebird"), {
        transports: ["webtunnel"],
        stateDirectory,
      });
      const method = client.methods["webtunnel"]!;
      using conn = await dialTransport(method, ["2001:db8::1", 443], [
        ["url", `http://${server.addr}/secret`],
      ]);
      assertEquals(await takeText(conn, 7), "goodbye");
      await writeAll(conn, bytes("hello"));
      await conn.closeWrite();
      assertEquals(await conn.read(new Uint8Array(1)), null);
      assertEquals(await heard.promise, "hello");
    });
  },
);

withPeers(
  ["lyrebird"],
  "what comes along with an answer is lost by lyrebird's client: a fact about the peer",
  async () => {
    await withDirectory(async (stateDirectory) => {
      await using bridge = new TestBridge({
        tls: null,
        answer: `${GRANTED}lost`,
        behind: async (conn) => {
          await takeText(conn, 1); // Otherwise it could come along, too.
          await writeAll(conn, bytes("hello"));
        },
      });
      await using client = await launchClient(await commandOf("lyrebird"), {
        transports: ["webtunnel"],
        stateDirectory,
      });
      const method = client.methods["webtunnel"]!;
      const args: [string, string][] = [["url", `http://${bridge.addr}/secret`]];
      using conn = await dialTransport(method, ["2001:db8::1", 443], args);
      await writeAll(conn, bytes("?"));
      assertEquals(await takeText(conn, 5), "hello");
    });
  },
);

withPeers(
  ["lyrebird"],
  "an IPv6 address in url= is not understood by lyrebird's client: a fact about the peer",
  async () => {
    await withDirectory(async (stateDirectory) => {
      await using server = await TestServer.start({
        options: { url: "http://pt.example/secret" },
        hostname: "::1",
      });
      const args: [string, string][] = [["url", `http://${server.addr}/secret`]];
      await using client = await launchClient(await commandOf("lyrebird"), {
        transports: ["webtunnel"],
        stateDirectory,
      });
      const method = client.methods["webtunnel"]!;
      await assertRejects(() => dialTransport(method, ["2001:db8::1", 443], args));
      const conn = await connectThrough(webtunnel(), ["2001:db8::1", 443], { args });
      await writeAll(conn, bytes("hello"));
      assertEquals(await takeText(conn, 5), "hello");
      conn.close();
    });
  },
);

withPeers(
  ["webtunnel-server"],
  "what comes along with a request is lost by the official server: a fact about the peer",
  async () => {
    await withDirectory(async (state) => {
      const got = Promise.withResolvers<string>();
      await using service = new ScriptedPeer(async (conn) => got.resolve(await takeText(conn, 5)));
      const port = freePort();
      await using _server = await tunnelServer(await commandOf("webtunnel-server"), {
        transport: "webtunnel",
        listen: ["127.0.0.1", port],
        options: [["url", `http://127.0.0.1:${port}/secret`]],
        forward: [service.host, service.port],
        stateDirectory: `${state}/server`,
      });
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      const request = "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
      await writeAll(conn, bytes(`${request}lost`));
      assertEquals(await takeText(conn, GRANTED.length), GRANTED);
      await writeAll(conn, bytes("hello"));
      assertEquals(await got.promise, "hello");
    });
  },
);

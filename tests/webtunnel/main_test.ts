/** The program, started as its head comment says, by something that tor could be. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Address, formatAddress } from "../../address.ts";
import type { ProxyInfo } from "../../config.ts";
import { DialError, replyFor } from "../../net/mod.ts";
import { certificatePin } from "../../net/tls.ts";
import { dialTransport, launchClient, launchServer, listenExtOrPort } from "../../parent/mod.ts";
import { connectThrough } from "../../run/run.ts";
import { webtunnel } from "../../webtunnel/mod.ts";
import { EchoServer } from "../echo.ts";
import { freePort } from "../../testing/free_port.ts";
import { bytes, takeText } from "../net/scripted_peer.ts";
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";
import { SCHEMES, UpstreamProxy } from "../net/upstream_proxy.ts";
import { permitted, withDirectory } from "../permitted.ts";
import { comesAbout, SOON } from "../waiting.ts";
import { program } from "./program.ts";
import { TestBridge } from "./test_bridge.ts";
import { TestSite } from "./test_server.ts";

/** A program of WebTunnel, and what it logs. */
async function withClient(
  place: string,
  use: (
    dial: (...args: [string, string][]) => Promise<Deno.TcpConn>,
    log: string[],
  ) => Promise<void>,
  proxy?: ProxyInfo,
): Promise<void> {
  await withDirectory(async (stateDirectory) => {
    const log: string[] = [];
    const authority = `${stateDirectory}/authority.pem`;
    await Deno.writeTextFile(authority, TEST_AUTHORITY);
    await using client = await launchClient(
      await program("client", { "bridge.example:443": place }),
      {
        transports: ["webtunnel"],
        stateDirectory,
        proxy,
        env: { DENO_CERT: authority },
        onStdout: (line) => void (line.startsWith("LOG ") && log.push(line)),
        onStderr: (line) => log.push(line),
      },
    );
    // What the bridge line has for an address is made up, and nothing is there.
    const target: Address = ["2001:db8::1", 443];
    await use((...args) => dialTransport(client.methods["webtunnel"]!, target, args), log);
  });
}

/** Waits for as many lines as there should be: they come beside the reply, and perhaps later. */
async function logs(log: readonly string[], count: number): Promise<void> {
  await comesAbout(SOON, () => log.length >= count);
  assertEquals(log.length, count, log.join("\n"));
}

const NEEDS = ["net", "read", "write", "run"] as const;

permitted(NEEDS, "webtunnel/main.ts carries with the permissions that it names", async () => {
  await using plain = new TestBridge({ tls: null });
  await using secure = new TestBridge();
  const pin = await certificatePin(TEST_CERTIFICATE);
  const rows: [TestBridge, [string, string][]][] = [
    [plain, [["url", `http://${plain.addr}/secret`]]],
    [plain, [["url", "http://bridge.example/secret"], ["addr", plain.addr], ["ver", "0.0.7"]]],
    [secure, [["url", `https://bridge.example/secret`], ["addr", secure.addr], ["cert", pin]]],
    [secure, [["url", `https://pt.example/secret`], ["addr", secure.addr]]],
    [secure, [
      ["url", `https://pt.example/secret`],
      ["addr", secure.addr],
      ["sni-imitation", "front.example"],
    ]],
  ];
  for (const [bridge, args] of rows) {
    await withClient(bridge.addr, async (dial, log) => {
      const conn = await dial(...args);
      await conn.write(bytes("hello"));
      assertEquals(await takeText(conn, 5), "hello");
      conn.close();
      assertEquals(log, []);
    });
  }
});

for (const scheme of SCHEMES) {
  permitted(
    NEEDS,
    `webtunnel/main.ts may connect to nothing but a proxy, and needs no more (${scheme})`,
    async () => {
      await using bridge = new TestBridge();
      using proxy = new UpstreamProxy(scheme, bridge.address);
      const place = formatAddress([proxy.info.host, proxy.info.port]);
      const pin = await certificatePin(TEST_CERTIFICATE);
      await withClient(place, async (dial) => {
        const conn = await dial(["url", "https://bridge.example/secret"], ["cert", pin]);
        await conn.write(bytes("hello"));
        assertEquals(await takeText(conn, 5), "hello");
        conn.close();
      }, proxy.info);
      assertEquals(proxy.requests.map(({ target }) => target), [["bridge.example", 443]]);
    },
  );
}

permitted(NEEDS, "webtunnel/main.ts goes nowhere else on this machine", async () => {
  using service = new EchoServer();
  await using bridge = new TestBridge({ tls: null });
  const place = formatAddress(service.address);
  await withClient(bridge.addr, async (dial, log) => {
    const { port } = { port: service.address[1] };
    for (
      const args of [
        [["url", `http://${place}/`]],
        [["url", `http://localhost:${port}/`]],
        [["url", `http://[::1]:${port}/`]],
        [["url", `http://[::ffff:127.0.0.1]:${port}/`]],
        [["url", `http://bridge.example/`], ["addr", place]],
      ] satisfies [string, string][][]
    ) {
      assertEquals(replyFor(await dial(...args).catch((error) => error)), 2);
    }
    await logs(log, 5);
    for (const line of log) assertMatch(line, /^LOG SEVERITY=notice .*--allow-net/);
  });
  assertEquals(service.accepted, 0);
});

permitted(NEEDS, "webtunnel/main.ts logs why, without a name or an address", async () => {
  await using site = new TestBridge({ tls: null, answer: "HTTP/1.1 404 Not Found\r\n\r\n" });
  await using bridge = new TestBridge();
  const rows: [TestBridge, [string, string][], reply: number, said: RegExp][] = [
    [site, [["url", `http://${site.addr}/secret/x`]], 2, /answered 404 instead of 101/],
    [
      bridge,
      [["url", "https://bridge.example/"], ["addr", bridge.addr]],
      2,
      /certificate is for another name/,
    ],
    [
      bridge,
      [["url", "https://bridge.example/"], ["addr", bridge.addr], [
        "cert",
        await certificatePin(TEST_CERTIFICATE + TEST_CERTIFICATE),
      ]],
      2,
      /another certificate than cert= says/,
    ],
    [site, [["url", `http://${site.addr}/?secret`]], 1, /url= has a query/],
    [site, [], 1, /there is no url=/],
  ];
  for (const [server, args, reply, said] of rows) {
    await withClient(server.addr, async (dial, log) => {
      const error = await assertRejects(() => dial(...args), DialError);
      assertEquals(replyFor(error), reply);
      await logs(log, 1);
      assertMatch(log[0] ?? "", /^LOG SEVERITY=notice MESSAGE="webtunnel: no connection: /);
      assertMatch(log[0] ?? "", said);
      for (const secret of ["bridge.example", "127.0.0.1", "secret", server.addr.split(":")[1]!]) {
        assertEquals(log[0]?.includes(secret), false, log[0]);
      }
    });
  }
});

permitted(NEEDS, "webtunnel/main.ts logs once that utls has no effect", async () => {
  await using bridge = new TestBridge({ tls: null });
  await withClient(bridge.addr, async (dial, log) => {
    for (const utls of ["hellochrome", "none"]) {
      (await dial(["url", `http://${bridge.addr}/`], ["utls", utls])).close();
    }
    await logs(log, 1);
    assertEquals(log, [
      'LOG SEVERITY=notice MESSAGE="webtunnel: utls= has no effect: no browser\'s TLS is imitated here"',
    ]);
  });
});

/** Where a server binds that is alone: nothing else here may listen or connect there. */
const BIND = "127.0.0.2";

for (const way of ["behind", "alone"] as const) {
  permitted(
    NEEDS,
    `webtunnel/main.ts serves with the permissions that it names (${way})`,
    () =>
      withDirectory(async (directory) => {
        const stateDirectory = `${directory}/pt_state`;
        await Deno.writeTextFile(`${directory}/fingerprint`, `tor ${"AB".repeat(20)}\n`);
        await Deno.mkdir(`${directory}/tls`);
        await Deno.writeTextFile(`${directory}/tls/cert.pem`, TEST_CERTIFICATE);
        await Deno.writeTextFile(`${directory}/tls/key.pem`, TEST_KEY);
        await using site = new TestSite();
        await using orPort = await listenExtOrPort();
        const places = {
          "/var/lib/tor/extended_orport_auth_cookie": orPort.cookieFile,
          "/var/lib/tor/fingerprint": `${directory}/fingerprint`,
          "/var/lib/tor/pt_state": stateDirectory,
        };
        const port = freePort();
        const host = way === "behind" ? "127.0.0.1" : BIND;
        const url = way === "behind" ? "http://pt.example/secret" : "https://pt.example/secret";
        const lines: string[] = [];
        await using server = await launchServer(
          await program(
            way,
            way === "behind" ? places : {
              ...places,
              "0.0.0.0:443": `${BIND}:${port}`,
              "/etc/webtunnel": `${directory}/tls`,
            },
          ),
          {
            transports: {
              webtunnel: {
                bindAddress: [host, port],
                options: way === "behind" ? [["url", url]] : [
                  ["url", url],
                  ["cert", `${directory}/tls/cert.pem`],
                  ["key", `${directory}/tls/key.pem`],
                  ["fallback", site.addr],
                ],
              },
            },
            extOrPort: orPort,
            stateDirectory,
            onStdout: (line) => void (line.startsWith("LOG ") && lines.push(line)),
            onStderr: (line) => lines.push(line),
          },
        );
        const { address, args } = server.methods["webtunnel"]!;
        const line = `Bridge webtunnel ${formatAddress(address)} ${
          "AB".repeat(20)
        } url=${url} ver=0.0.7`;
        assertEquals([...args], [["url", url], ["ver", "0.0.7"]]);
        assertEquals(lines, [
          `LOG SEVERITY=notice MESSAGE="webtunnel: the bridge line is: ${line}"`,
        ]);
        const kept = await Deno.readTextFile(`${stateDirectory}/webtunnel_bridgeline.txt`);
        assertEquals(kept, `${line}\n`);

        const transport = webtunnel({ caCerts: [TEST_AUTHORITY] });
        const conn = await connectThrough(transport, address, {
          args: [...args, ["addr", `${host}:${port}`]],
        });
        await conn.write(bytes("hello"));
        for await (const client of orPort) {
          assertEquals(await takeText(client.conn, 5), "hello");
          // Behind a proxy that has not said who it is, nobody is.
          const said = way === "behind" ? undefined : "127.0.0.1";
          assertEquals(client.clientAddress?.[0], said);
          client.conn.close();
          break;
        }
        conn.close();
      }),
  );
}

permitted(NEEDS, "webtunnel/main.ts says what it needs", async () => {
  const command = await program("client", {});
  const { stdout } = await new Deno.Command(command[0]!, {
    args: [...command.slice(1), "--capabilities"],
  }).output();
  const { name, version, permissions, narrowed } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([name, version], ["webtunnel", "0.1.0"]);
  assertEquals(permissions.server.slice(3), ["--allow-env=WEBTUNNEL_*", "--allow-write"]);
  const write = "--allow-write=STATE";
  assertEquals(narrowed.server, [
    `--allow-net=127.0.0.1 --allow-read=COOKIE_FILE,FINGERPRINT_FILE ${write} (behind a reverse proxy)`,
    `--allow-net=BIND:443,127.0.0.1 --allow-read=CERT,KEY,COOKIE_FILE,FINGERPRINT_FILE ${write} (alone)`,
  ]);
});

permitted(
  NEEDS,
  "webtunnel/main.ts does not start with a web site that it may not reach",
  () =>
    withDirectory(async (stateDirectory) => {
      const error = await assertRejects(
        async () =>
          await launchServer(await program("behind", {}), {
            transports: {
              webtunnel: {
                bindAddress: ["127.0.0.1", 0],
                options: [["url", "http://pt.example/secret"], ["fallback", "localhost:8080"]],
              },
            },
            orport: ["127.0.0.1", 1],
            stateDirectory,
          }),
        Error,
      );
      assertMatch(String(error), /fallback= needs --allow-net=localhost:8080/);
    }),
);

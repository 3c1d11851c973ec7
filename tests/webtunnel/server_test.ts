import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Address } from "../../address.ts";
import { type StreamConn, writeAll } from "../../net/mod.ts";
import { certificatePin, startTls } from "../../net/tls.ts";
import { connectThrough } from "../../run/run.ts";
import { webtunnel } from "../../webtunnel/mod.ts";
import { bytes, dribble, take, takeText } from "../net/scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";
import {
  TEST_AUTHORITY,
  TEST_CERTIFICATE,
  TEST_CHAIN_CERTIFICATE,
  TEST_CHAIN_KEY,
  TEST_KEY,
  TEST_SELF_SIGNED_CERTIFICATE,
  TEST_SELF_SIGNED_KEY,
} from "../net/test_certificates.ts";
import { permitted, withDirectory } from "../permitted.ts";
import { FakeClock, FakeTimers } from "../timers.ts";
import { comesAbout, SOON } from "../waiting.ts";
import { GRANTED } from "./test_bridge.ts";
import { TestServer, type TestServerOptions, TestSite } from "./test_server.ts";

const HTTP = "http://pt.example/secret";
const HTTPS = "https://pt.example/secret";

function upgrade(path = "/secret", ...fields: string[]): string {
  const more = fields.map((field) => `${field}\r\n`).join("");
  return `GET ${path} HTTP/1.1\r\nHost: pt.example\r\nConnection: upgrade\r\n` +
    `Upgrade: websocket\r\n${more}\r\n`;
}

const SELF_SIGNED = [TEST_SELF_SIGNED_CERTIFICATE, TEST_SELF_SIGNED_KEY] as const;

/** The options of a server that speaks TLS, with its files in a directory. */
async function inTls(directory: string, cert = TEST_CERTIFICATE, key = TEST_KEY) {
  await Deno.writeTextFile(`${directory}/cert.pem`, cert);
  await Deno.writeTextFile(`${directory}/key.pem`, key);
  return { url: HTTPS, cert: `${directory}/cert.pem`, key: `${directory}/key.pem` };
}

/** A server that speaks TLS, with a web site behind it, and the directory of its files. */
async function withTlsServer(
  use: (server: TestServer, directory: string) => Promise<void>,
  ...files: readonly [cert?: string, key?: string]
): Promise<void> {
  await withDirectory(async (directory) => {
    await using site = new TestSite();
    const options = { ...await inTls(directory, ...files), fallback: site.addr };
    await using server = await TestServer.start({ options });
    await use(server, directory);
  });
}

async function connect([hostname, port]: Readonly<Address>): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname, port });
}

/** Connects as a visitor does, with TLS. */
async function connectTls({ address }: TestServer): Promise<StreamConn> {
  const options = { hostname: "pt.example", caCerts: [TEST_AUTHORITY] };
  return await startTls(await connect(address), options);
}

/** Connects as a client does. */
function tunnel(server: TestServer, url: string, ...args: [string, string][]): Promise<StreamConn> {
  const transport = webtunnel({ caCerts: [TEST_AUTHORITY] });
  const line: [string, string][] = [["url", url], ["addr", server.addr], ...args];
  return connectThrough(transport, ["2001:db8::1", 443], { args: line });
}

async function checkEchoes(conn: StreamConn): Promise<void> {
  await writeAll(conn, bytes("hello"));
  assertEquals(await takeText(conn, 5), "hello");
}

/** What comes to a server, and what it answers, up to its end. */
async function ask(conn: StreamConn, request: string): Promise<string> {
  await writeAll(conn, bytes(request));
  const answer = new TextDecoder().decode(await readToEnd(conn));
  conn.close();
  return answer;
}

const NEEDS = ["net", "read", "write", "env"] as const;

permitted(NEEDS, "webtunnel() as a server carries for our client, by IPv4 and IPv6", async () => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    await using server = await TestServer.start({ options: { url: HTTP }, hostname });
    const conn = await tunnel(server, HTTP);
    await checkEchoes(conn);
    await conn.closeWrite();
    assertEquals(await conn.read(new Uint8Array(1)), null);
    conn.close();
  }
});

permitted(NEEDS, "webtunnel() as a server carries in TLS, and by a pin", async () => {
  await withTlsServer(async (server) => {
    const pin = await certificatePin(TEST_CERTIFICATE);
    for (const args of [[], [["cert", pin]]] as [string, string][][]) {
      const conn = await tunnel(server, HTTPS, ...args);
      await checkEchoes(conn);
      await conn.closeWrite();
      assertEquals(await conn.read(new Uint8Array(1)), null);
      conn.close();
    }
  });
});

permitted(NEEDS, "webtunnel() as a server carries megabytes both ways in TLS", async () => {
  await withTlsServer(async (server) => {
    const conn = await tunnel(server, HTTPS);
    const sent = crypto.getRandomValues(new Uint8Array(65_536));
    const writing = (async () => {
      for (let round = 0; round < 64; round++) await writeAll(conn, sent);
      await conn.closeWrite();
    })();
    for (let round = 0; round < 64; round++) assertEquals(await take(conn, 65_536), sent);
    assertEquals(await conn.read(new Uint8Array(1)), null);
    await writing;
    conn.close();
  });
});

permitted(NEEDS, "webtunnel() as a server keeps what comes behind a request", async () => {
  await using server = await TestServer.start({ options: { url: HTTP } });
  const conn = await connect(server.address);
  await writeAll(conn, bytes(`${upgrade()}hello`));
  assertEquals(await takeText(conn, GRANTED.length + 5), `${GRANTED}hello`);
  conn.close();
});

permitted(NEEDS, "webtunnel() as a server lets a service speak first, a moment later", async () => {
  await using server = await TestServer.start({
    options: { url: HTTP },
    service: (conn) => writeAll(conn, bytes("hello")),
  });
  const conn = await tunnel(server, HTTP);
  assertEquals(await takeText(conn, 5), "hello");
  conn.close();
});

permitted(NEEDS, "webtunnel() behind a proxy takes each form of the upgrade", async () => {
  await using server = await TestServer.start({ options: { url: HTTP } });
  for (
    const request of [
      upgrade("/other"),
      "GET /x HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
      "GET / HTTP/1.1\r\nCONNECTION:keep-alive, Upgrade\r\nupgrade: h2c, WebSocket\r\n\r\n",
      "GET / HTTP/1.1\nConnection: keep-alive\nConnection: upgrade\nUpgrade: websocket\n\n",
    ]
  ) {
    const conn = await connect(server.address);
    await dribble(conn, bytes(request));
    assertEquals(await takeText(conn, GRANTED.length), GRANTED);
    await checkEchoes(conn);
    conn.close();
  }
});

permitted(NEEDS, "webtunnel() without a web site answers what is no upgrade", async () => {
  await using server = await TestServer.start({ options: { url: HTTP } });
  for (
    const [request, status] of [
      ["GET /secret HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found"],
      [
        "GET /secret HTTP/1.1\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n",
        "404 Not Found",
      ],
      [
        "GET /secret HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "404 Not Found",
      ],
      // Behind a reverse proxy, silence would be a 502 and tell that something is there.
      ["POST /secret HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "404 Not Found"],
      ["SSH-2.0-x\r\n", "404 Not Found"],
      ["\x16\x03\x01", "404 Not Found"],
      ["GET /secret HTTP/1.1\r\nX: \0", "404 Not Found"],
      ["GET /secret HT", "408 Request Timeout"],
    ]
  ) {
    const answer = await ask(await connect(server.address), request!);
    assertEquals(
      answer,
      `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    );
  }
});

permitted(NEEDS, "webtunnel() without a web site has no answer for who has ended", async () => {
  await using server = await TestServer.start({ options: { url: HTTP } });
  const conn = await connect(server.address);
  await conn.closeWrite();
  assertEquals(await readToEnd(conn), new Uint8Array());
});

for (
  const [what, options, fields, expected] of [
    ["the last in X-Forwarded-For", {}, ["X-Forwarded-For: 1.2.3.4, 203.0.113.9"], "203.0.113.9"],
    [
      "the one before two proxies",
      { "trusted-hops": "2" },
      ["X-Forwarded-For: 203.0.113.9, 10.0.0.1"],
      "203.0.113.9",
    ],
    ["its own where no proxy counts", { "trusted-hops": "0" }, ["X-Forwarded-For: 1.2.3.4"], null],
    ["none where a proxy does not say it", {}, [], undefined],
    ["none where a proxy says junk", {}, ["X-Forwarded-For: unknown"], undefined],
  ] as const
) {
  permitted(NEEDS, `webtunnel() as a server tells tor a client's address: ${what}`, async () => {
    await using server = await TestServer.start({ options: { url: HTTP, ...options } });
    const conn = await connect(server.address);
    const { port } = conn.localAddr as Deno.NetAddr;
    await writeAll(conn, bytes(upgrade("/secret", ...fields)));
    await takeText(conn, GRANTED.length);
    conn.close();
    assert(await comesAbout(SOON, () => server.clients.length === 1));
    const own: Address = ["127.0.0.1", port];
    const wanted = expected === null ? own : expected === undefined ? null : [expected, 60_000];
    assertEquals(server.clients, [wanted as Address | null]);
  });
}

/** What visitors send, of which nothing is the one right upgrade. */
const VISITS: Record<string, string> = {
  "the secret path": "GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "the secret path by HTTP/1.0": "GET /secret HTTP/1.0\r\n\r\n",
  "/": "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "a path that is not there": "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "another method": "DELETE /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "a body":
    "POST /secret HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
  "an upgrade of another path": upgrade("/secre", "Connection: close"),
  "an upgrade of a longer path": upgrade("/secret/", "Connection: close"),
  "an upgrade of the path with a query": upgrade("/secret?", "Connection: close"),
  "an upgrade by HTTP/1.0":
    "GET /secret HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
  "an upgrade to something else":
    "GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: h2c\r\n\r\n",
  "two requests at once": "GET / HTTP/1.1\r\nHost: a\r\n\r\n" +
    "GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "an upgrade behind another request": "GET / HTTP/1.1\r\nHost: a\r\n\r\n" +
    upgrade("/secret", "Connection: close"),
  "a wrong request": "GET /secret\r\n\r\n",
  "another protocol": "SSH-2.0-x\r\n\r\n",
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
  "a long head": `GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ${
    "x".repeat(20_000)
  }\r\n\r\n`,
  "binary": "\0\xff\x80\r\n\r\n",
  "nothing": "",
};

for (const [what, request] of Object.entries(VISITS)) {
  for (const secure of [false, true]) {
    permitted(
      NEEDS,
      `webtunnel() shows a visitor the web site, byte for byte: ${what}${secure ? " in TLS" : ""}`,
      async () => {
        await withDirectory(async (directory) => {
          await using site = new TestSite();
          const options = secure ? await inTls(directory) : { url: HTTP };
          await using server = await TestServer.start({
            options: { ...options, fallback: site.addr },
          });
          const send = async (conn: StreamConn, inBytes: boolean) => {
            // A site may have answered and gone before it has everything.
            const all = bytes(request);
            const sizes = inBytes && all.length < 1000 ? 1 : all.length;
            for (let at = 0; at < all.length; at += sizes) {
              await writeAll(conn, all.subarray(at, at + sizes)).catch(() => {});
            }
            await conn.closeWrite().catch(() => {});
            const answer = new TextDecoder().decode(await readToEnd(conn));
            conn.close();
            return answer.replaceAll(/^date: .*\r$/gm, "date: today\r");
          };
          const [host = "", port] = site.addr.split(":");
          const expected = await send(await connect([host, Number(port)]), false);
          for (const inBytes of [false, true]) {
            const conn = secure ? await connectTls(server) : await connect(server.address);
            assertEquals(await send(conn, inBytes), expected);
          }
          assertEquals(server.clients, []);
          assert(await comesAbout(SOON, () => server.open === 0));
        });
      },
    );
  }
}

permitted(NEEDS, "webtunnel() keeps a visitor's connection for more requests", async () => {
  await using site = new TestSite();
  await using server = await TestServer.start({ options: { url: HTTP, fallback: site.addr } });
  const conn = await connect(server.address);
  for (const path of ["/secret", "/secret", "/other"]) {
    await writeAll(conn, bytes(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
    let answer = "";
    while (!answer.endsWith(`GET ${path} \n`)) answer += await takeText(conn, 1);
    assertMatch(answer, /^HTTP\/1\.1 404 Not Found\r\n/);
  }
  conn.close();
});

permitted(NEEDS, "webtunnel() has a web site in its own program", async () => {
  await withDirectory(async (directory) => {
    const site = (request: Request) => new Response(`here is ${new URL(request.url).pathname}`);
    await using server = await TestServer.start({ options: await inTls(directory), site });
    const answer = await ask(
      await connectTls(server),
      "GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assertMatch(answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhere is \/secret$/);
    const conn = await tunnel(server, HTTPS);
    await checkEchoes(conn);
    conn.close();
  });
});

permitted(
  NEEDS,
  "webtunnel() says what its own web site throws, and no more than that",
  async () => {
    await using server = await TestServer.start({
      options: { url: HTTP },
      site: () => Promise.reject(new Error("192.0.2.7 asks for too much")),
    });
    server.log.splice(0);
    const request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const answer = await ask(await connect(server.address), request);
    assertMatch(answer, /^HTTP\/1\.1 500 [^]*\r\n\r\nInternal Server Error$/);
    assertEquals(server.log, [
      "info: webtunnel: the web site failed: Error: [scrubbed] asks for too much",
    ]);
  },
);

permitted(NEEDS, "webtunnel() takes each protocol of a web server that has no HTTP/2", async () => {
  await withTlsServer(async (server) => {
    for (
      const [offered, taken] of [
        [["h2", "http/1.1"], "http/1.1"],
        [["http/1.0"], "http/1.0"],
        [["http/0.9"], "http/0.9"],
        [[], null],
      ] as const
    ) {
      const conn = await startTls(await connect(server.address), {
        hostname: "pt.example",
        caCerts: [TEST_AUTHORITY],
        alpnProtocols: offered,
      });
      assertEquals(conn.alpnProtocol, taken);
      conn.close();
    }
  });
});

permitted(NEEDS, "webtunnel() holds nothing but the connection of an idle tunnel", async () => {
  using timers = new FakeTimers();
  await using server = await TestServer.start({ options: { url: HTTP } });
  const conn = await connect(server.address);
  await writeAll(conn, bytes(upgrade()));
  await takeText(conn, GRANTED.length);
  await timers.fire(250);
  assertEquals(timers.pending, []);
  await checkEchoes(conn);
  conn.close();
});

permitted(NEEDS, "webtunnel() says where its bridge line cannot be kept", async () => {
  await using server = await TestServer.start({ options: { url: HTTP } });
  assertMatch(server.log[0] ?? "", /^notice: webtunnel: the bridge line is: Bridge webtunnel /);
  assertEquals(server.log.slice(1), [
    "warning: webtunnel: the bridge line cannot be kept in a file: NotCapable: none here",
  ]);
});

permitted(NEEDS, "webtunnel() hands who does not finish a request to the web site", async () => {
  using timers = new FakeTimers();
  const { promise: heard, resolve } = Promise.withResolvers<string>();
  const site = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taking = (async () => {
    using conn = await site.accept();
    resolve(await takeText(conn, 12));
    await conn.closeWrite();
    await readToEnd(conn);
  })();
  const fallback = `127.0.0.1:${site.addr.port}`;
  await using server = await TestServer.start({ options: { url: HTTP, fallback } });
  const conn = await connect(server.address);
  await writeAll(conn, bytes("GET /secret "));
  await timers.fire(3_000);
  assertEquals(await heard, "GET /secret ");
  assertEquals(await conn.read(new Uint8Array(1)), null);
  conn.close();
  await taking;
  site.close();
});

permitted(NEEDS, "webtunnel() ends a TLS handshake that does not come to its end", async () => {
  using timers = new FakeTimers();
  await withTlsServer(async (server) => {
    const conn = await connect(server.address);
    await writeAll(conn, Uint8Array.of(22, 3, 1));
    await timers.fire(20_000);
    assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
    conn.close();
  });
});

permitted(NEEDS, "webtunnel() counts no visitor who has gone, and no tunnel", async () => {
  await using site = new TestSite();
  await using server = await TestServer.start({ options: { url: HTTP, fallback: site.addr } });
  const first = await connect(server.address);
  const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  await writeAll(first, bytes(request));
  await takeText(first, 15);
  for (let count = 0; count < 410; count++) {
    const visitor = await connect(server.address);
    await writeAll(visitor, bytes(request));
    await takeText(visitor, 15);
    visitor.close();
    const inTunnel = await connect(server.address);
    await writeAll(inTunnel, bytes(upgrade()));
    await takeText(inTunnel, GRANTED.length);
    inTunnel.close();
  }
  assert(await comesAbout(SOON, () => server.open === 1));
  // Otherwise it would have been the oldest of too many.
  await writeAll(first, bytes(request.replace("/ ", "/still-there ")));
  let answer = "";
  while (!answer.endsWith("GET /still-there \n")) answer += await takeText(first, 1);
  first.close();
});

permitted(NEEDS, "webtunnel() closes the oldest visitor where there are too many", async () => {
  await using site = new TestSite();
  await using server = await TestServer.start({ options: { url: HTTP, fallback: site.addr } });
  const inTunnel = await tunnel(server, HTTP);
  const visitors: Deno.TcpConn[] = [];
  for (let count = 0; count < 400; count++) {
    const visitor = await connect(server.address);
    visitors.push(visitor);
    // One half has not asked yet, the other is with the web site.
    await writeAll(visitor, bytes(count % 2 ? "GET /sec" : "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    if (count % 2 === 0) await take(visitor, 15);
  }
  const late = await connect(server.address);
  await writeAll(late, bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  assertEquals(await takeText(late, 15), "HTTP/1.1 200 OK");
  await readToEnd(visitors[0]!).catch(() => {});
  await checkEchoes(inTunnel);
  for (const conn of [inTunnel, late, ...visitors]) conn.close();
  assert(await comesAbout(SOON, () => server.open === 0));
});

permitted(
  NEEDS,
  "webtunnel() says once that the web site is down, and once that it is up",
  async () => {
    const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr;
    taken.close();
    const fallback = `127.0.0.1:${port}`;
    await using server = await TestServer.start({ options: { url: HTTP, fallback } });
    server.log.splice(0);
    const request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (let count = 0; count < 3; count++) {
      assertEquals(await ask(await connect(server.address), request), "");
    }
    assertEquals(server.log, ["warning: webtunnel: nobody answers at fallback=, the web site"]);
    const site = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, () => new Response());
    assertMatch(await ask(await connect(server.address), request), /200 OK/);
    // One that comes and goes shall not fill the log.
    assertEquals(server.log.length, 1);
    using clock = new FakeClock();
    clock.now += 10_000;
    assertMatch(await ask(await connect(server.address), request), /200 OK/);
    await site.shutdown();
    assertEquals(server.log.slice(1), [
      "notice: webtunnel: the web site of fallback= answers again, after it failed 3 times",
    ]);
  },
);

permitted(NEEDS, "webtunnel() does not blame the web site for a lack of descriptors", async () => {
  await using server = await TestServer.start({
    options: { url: HTTP, fallback: "127.0.0.1:1" },
  });
  server.log.splice(0);
  const visitor = await connect(server.address);
  const { connect: real } = Deno;
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  Object.assign(Deno, {
    connect: () => {
      resolve();
      return Promise.reject(Object.assign(new Error("Too many open files"), { code: "EMFILE" }));
    },
  });
  try {
    await writeAll(visitor, bytes("SSH-2.0-x\r\n"));
    await asked;
    assertEquals(await takeText(visitor, 1).catch(() => null), null);
  } finally {
    Object.assign(Deno, { connect: real });
  }
  visitor.close();
  assertEquals(server.log, []);
});

permitted(NEEDS, "webtunnel() publishes as the official server, and keeps the line", async () => {
  await withDirectory(async (stateDirectory) => {
    const url = "https://bridge.example/Path";
    const options = { url, utls: "none" };
    await using server = await TestServer.start({ options, stateDirectory });
    assertEquals(server.publishedAddress, ["2001:db8:8e21:7be3:c04e:1522:363d:7d4a", 443]);
    assertEquals([...server.published], [["url", url], ["utls", "none"], ["ver", "0.0.7"]]);
    const line = "Bridge webtunnel [2001:db8:8e21:7be3:c04e:1522:363d:7d4a]:443 " +
      `url=${url} utls=none ver=0.0.7`;
    assertEquals(server.log, [`notice: webtunnel: the bridge line is: ${line}`]);
    const file = `${stateDirectory}/webtunnel_bridgeline.txt`;
    assertEquals(await Deno.readTextFile(file), `${line}\n`);
  });
});

permitted(NEEDS, "webtunnel() publishes the pin of a certificate that signs itself", async () => {
  await withTlsServer(async (server) => {
    const pin = server.published.get("cert");
    assertEquals(pin, await certificatePin(TEST_SELF_SIGNED_CERTIFICATE));
    assertEquals([...server.published.keys()], ["cert", "url", "ver"]);
    const conn = await tunnel(server, HTTPS, ["cert", pin!]);
    await checkEchoes(conn);
    conn.close();
  }, ...SELF_SIGNED);
});

permitted(NEEDS, "webtunnel() keeps the certificate whose pin the bridge line has", async () => {
  using clock = new FakeClock();
  await withTlsServer(async (server, directory) => {
    server.log.splice(0);
    await inTls(directory);
    for (let look = 0; look < 3; look++) {
      clock.now += 10_000;
      const conn = await tunnel(server, HTTPS, ["cert", server.published.get("cert")!]);
      await checkEchoes(conn);
      conn.close();
    }
    assertEquals(server.log, [
      "warning: webtunnel: The old certificate stays in use: cert= is not what the bridge line says any more: restart the bridge to publish it",
    ]);
  }, ...SELF_SIGNED);
});

permitted(
  NEEDS,
  "webtunnel() sends a visitor away while the web site does not answer",
  async () => {
    // Nobody accepts there, and its queue is full.
    const site = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
    const waiting: Deno.TcpConn[] = [];
    const options = { url: HTTP, fallback: `127.0.0.1:${site.addr.port}` };
    await using server = await TestServer.start({ options });
    const { connect: real } = Deno;
    const ended: string[] = [];
    Object.assign(Deno, {
      connect: (options: Deno.ConnectOptions & { signal?: AbortSignal }) =>
        options.port !== site.addr.port ? real(options) : new Promise((_resolve, reject) => {
          options.signal?.addEventListener("abort", () => {
            ended.push(options.signal?.reason.message);
            reject(options.signal?.reason);
          });
        }),
    });
    try {
      for (let count = 0; count < 401; count++) {
        const visitor = await connect(server.address);
        waiting.push(visitor);
        await writeAll(visitor, bytes("SSH-2.0-x\r\n"));
      }
      assert(await comesAbout(SOON, () => ended.length === 1));
      assertEquals(ended, ["Others need the place"]);
      assertEquals(await waiting[0]!.read(new Uint8Array(1)).catch(() => null), null);
    } finally {
      Object.assign(Deno, { connect: real });
    }
    for (const visitor of waiting) visitor.close();
    site.close();
  },
);

/** What cannot be started, and why. */
const REFUSED: readonly [
  why: RegExp,
  options: (directory: string) => Promise<TestServerOptions["options"]>,
][] = [
  [/cert= and key= need fallback=/, (directory) => inTls(directory)],
  [
    /url= needs a path that nobody guesses/,
    async (directory) => ({
      ...await inTls(directory),
      url: "https://pt.example",
      fallback: "127.0.0.1:1",
    }),
  ],
  [
    /file of cert= cannot be used: there is no such file/,
    async (directory) => ({
      ...await inTls(directory),
      cert: `${directory}/none`,
      fallback: "127.0.0.1:1",
    }),
  ],
  [
    /file of key= has no private key/,
    async (directory) => ({
      ...await inTls(directory, TEST_CERTIFICATE, "junk"),
      fallback: "127.0.0.1:1",
    }),
  ],
  [
    /file of cert= has no certificate/,
    async (directory) => ({ ...await inTls(directory, "junk"), fallback: "127.0.0.1:1" }),
  ],
  [
    /key of key= is another one/,
    async (directory) => ({
      ...await inTls(directory, TEST_CERTIFICATE, TEST_CHAIN_KEY),
      fallback: "127.0.0.1:1",
    }),
  ],
];

for (const [why, options] of REFUSED) {
  permitted(NEEDS, `webtunnel() does not start where ${why}`, async () => {
    await withDirectory(async (directory) => {
      const { message } = await assertRejects(
        async () => await TestServer.start({ options: await options(directory) }),
        Error,
      );
      assertMatch(message, why);
    });
  });
}

permitted(NEEDS, "webtunnel() takes a renewed certificate, and drops nobody", async () => {
  using clock = new FakeClock();
  await withTlsServer(async (server, directory) => {
    const before = await tunnel(server, HTTPS);
    const pinned = async (cert: string) => {
      const conn = await tunnel(server, HTTPS, ["cert", await certificatePin(cert)]);
      await checkEchoes(conn);
      conn.close();
    };
    server.log.splice(0);
    // Half renewed: the key is still the old one.
    await Deno.writeTextFile(`${directory}/cert.pem`, TEST_CHAIN_CERTIFICATE);
    await pinned(TEST_CERTIFICATE);
    clock.now += 10_000;
    await pinned(TEST_CERTIFICATE);
    assertEquals(server.log, []);
    for (let look = 0; look < 3; look++) {
      clock.now += 10_000;
      await pinned(TEST_CERTIFICATE);
    }
    assertEquals(server.log, [
      "warning: webtunnel: The old certificate stays in use: The key of key= is another one than that of the certificate of cert=",
    ]);
    await Deno.writeTextFile(`${directory}/key.pem`, TEST_CHAIN_KEY);
    clock.now += 10_000;
    await pinned(TEST_CHAIN_CERTIFICATE);
    assertEquals(server.log.slice(1), [
      "notice: webtunnel: The renewed certificate of cert= is in use",
    ]);
    await checkEchoes(before);
    before.close();
  });
});

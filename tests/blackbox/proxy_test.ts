import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import type { Address } from "../../address.ts";
import { DialError, writeAll } from "../../net/mod.ts";
import { SocksReplyError } from "../../net/proxy.ts";
import { EchoServer } from "../echo.ts";
import { UpstreamProxy } from "../net/upstream_proxy.ts";
import { permitted } from "../permitted.ts";
import { RawChild, runToEnd } from "../raw_child.ts";
import { CLIENT, dialThrough, dummy, randomBytes, sendAll, SERVER } from "./dummies.ts";

const VOLUME = 64 * 1024 * 1024;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The hash of everything up to the end. */
async function receivedHash(conn: Deno.Conn): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(512 * 1024);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    hash.update(buffer.subarray(0, count));
  }
  return hash.digest("hex");
}

/** The client that has been started with an upstream proxy, up to its DONE line. */
async function startClient(proxy: string): Promise<RawChild> {
  const client = new RawChild(dummy("client"), { ...CLIENT, PROXY: proxy });
  const said = await client.until("CMETHODS DONE");
  assertMatch(said, /^VERSION 1\nPROXY DONE\nCMETHOD dummy socks5 [\d.:]+\nCMETHODS DONE\n$/);
  return client;
}

/** The upstream proxies: the user information of the URI, and what the proxy is told by it. */
const PROXIES = [
  ["http", "me:p%40ss@", "me", "p@ss"],
  ["socks4a", "me@", "me", ""],
  ["socks5", "me:p@ss:w@", "me", "p@ss:w"],
] as const;

permitted(
  ["net", "read", "run"],
  "dummy_client.ts carries 64 MiB both ways whole through each kind of upstream proxy",
  async (t) => {
    const bytes = randomBytes(VOLUME);
    const hash = sha256(bytes);
    using echo = new EchoServer();
    const [host, port] = echo.address;
    await using server = new RawChild(dummy("server"), { ...SERVER, ORPORT: `${host}:${port}` });
    await server.until("SMETHODS DONE");
    const bridge: Address = ["127.0.0.1", server.port("dummy")];
    for (const [scheme, userInfo, user, password] of PROXIES) {
      await t.step(scheme, async () => {
        using proxy = new UpstreamProxy(scheme, bridge);
        await using client = await startClient(
          `${scheme}://${userInfo}127.0.0.1:${proxy.info.port}`,
        );
        // The name is the proxy's business: here it cannot be resolved.
        using conn = await dialThrough(client.port("dummy"), ["bridge.invalid", 443]);
        const [received] = await Promise.all([receivedHash(conn), sendAll(conn, bytes)]);
        assertEquals(received, hash);
        assertEquals(proxy.requests, [{ target: ["bridge.invalid", 443], user, password }]);
      });
    }
  },
);

/** What a proxy does that does not connect. */
const DEAD: readonly [scheme: string, what: string, answer: number[] | string, reply: number][] = [
  ["http", "closes", [], 1],
  ["http", "refuses", "HTTP/1.1 403 Forbidden\r\n\r\n", 2],
  ["http", "is none", "SSH-2.0-OpenSSH\r\n\r\n", 1],
  ["socks4a", "closes", [], 1],
  ["socks4a", "refuses", [0, 91, 0, 0, 0, 0, 0, 0], 1],
  ["socks4a", "is none", [5, 0, 0, 0, 0, 0, 0, 0], 1],
  ["socks5", "closes", [], 1],
  ["socks5", "refuses", [5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0], 2],
  ["socks5", "is unreachable", [5, 0, 5, 4, 0, 1, 0, 0, 0, 0, 0, 0], 4],
  ["socks5", "wants a password", [5, 255], 2],
  ["socks5", "is none", "HTTP/1.1 400 Bad Request\r\n\r\n", 1],
];

/** A proxy that reads something, gives one answer to every connection, and closes. */
class DeadProxy implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

  constructor(answer: Uint8Array) {
    this.#serve(answer);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async #serve(answer: Uint8Array): Promise<void> {
    for await (const conn of this.#listener) {
      this.#answer(conn, answer).finally(() => conn.close());
    }
  }

  async #answer(conn: Deno.TcpConn, answer: Uint8Array): Promise<void> {
    await conn.read(new Uint8Array(1024));
    await writeAll(conn, answer);
    await conn.closeWrite();
    // Bytes that are left unread would turn the end into a reset.
    while (await conn.read(new Uint8Array(1024)) !== null);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

/** A target that tells at its end whether somebody has connected. */
class Target implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly address: Address = ["127.0.0.1", this.#listener.addr.port];

  async [Symbol.asyncDispose](): Promise<void> {
    const [hostname, port] = this.address;
    using ours = await Deno.connect({ hostname, port });
    // What came before is accepted before.
    using first = await this.#listener.accept();
    this.#listener.close();
    assertEquals(first.remoteAddr, ours.localAddr, "somebody has gone around the proxy");
  }
}

async function checkRejects(client: RawChild, target: Address, reply: number): Promise<void> {
  const dialled = dialThrough(client.port("dummy"), target);
  const { cause } = await assertRejects(() => dialled, DialError);
  assert(cause instanceof SocksReplyError);
  assertEquals(cause.code, reply);
}

permitted(
  ["net", "read", "run"],
  "dummy_client.ts rejects when the upstream proxy does not connect, and never goes around it",
  async () => {
    await using target = new Target();
    for (const [scheme, what, answer, reply] of DEAD) {
      const bytes = typeof answer === "string"
        ? new TextEncoder().encode(answer)
        : Uint8Array.from(answer);
      using proxy = new DeadProxy(bytes);
      await using client = await startClient(`${scheme}://127.0.0.1:${proxy.port}`);
      await checkRejects(client, target.address, reply).catch((cause) => {
        throw new Error(`${scheme} proxy that ${what}`, { cause });
      });
    }
  },
);

permitted(
  ["net", "read", "run"],
  "dummy_client.ts rejects when nobody listens where the upstream proxy should be",
  async () => {
    await using target = new Target();
    const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    gone.close();
    for (const [scheme] of PROXIES) {
      await using client = await startClient(`${scheme}://127.0.0.1:${gone.addr.port}`);
      await checkRejects(client, target.address, 5);
      await checkRejects(client, ["bridge.invalid", 443], 5);
    }
  },
);

permitted(
  ["read", "run"],
  "dummy_client.ts answers a malformed TOR_PT_PROXY with PROXY-ERROR, and ends",
  async () => {
    const values = [
      "127.0.0.1:1080",
      "socks5:127.0.0.1:1080",
      "socks5://",
      "socks5://127.0.0.1",
      "socks5://127.0.0.1:0",
      "socks5://127.0.0.1:65536",
      "socks5://127.0.0.1:01080",
      "socks5://127.1:1080",
      "socks5://::1:1080",
      "socks5://proxy.example:1080",
      "socks5://127.0.0.1:1080/",
      "socks5://127.0.0.1:1080?x",
      "socks5://127.0.0.1:1080#x",
      "socks5://hush@127.0.0.1:1080",
      "socks5://:hush@127.0.0.1:1080",
      "socks5://hush:@127.0.0.1:1080",
      `socks5://${"u".repeat(256)}:hush@127.0.0.1:1080`,
      "socks4a://me:hush@127.0.0.1:1080",
      "socks4://127.0.0.1:1080",
      "https://127.0.0.1:8080",
      "http://127.0.0.1",
      "ftp://127.0.0.1:21",
    ];
    for (let i = 0; i < values.length; i += 4) {
      await Promise.all(
        values.slice(i, i + 4).map(async (PROXY) => {
          const outcome = await runToEnd(dummy("client"), { ...CLIENT, PROXY });
          assertNotEquals(outcome.code, 0, PROXY);
          assertMatch(outcome.stdout, /^VERSION 1\nPROXY-ERROR TOR_PT_PROXY [ -~]+\n$/, PROXY);
          assertEquals(outcome.stdout.match(/hush|127|proxy\.example/), null, PROXY);
        }),
      );
    }
  },
);

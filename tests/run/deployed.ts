/**
 * A program as operators deploy it: behind NAT, behind a web server, with a web site of its own for
 * visitors, with flags. The 60 s that a site has are 10 ms here, and at its end it waits for whatever
 * has not ended.
 */

import { log } from "../../messages.ts";
import { mapBytes, prefixed, readHead, type StreamConn, writeAll } from "../../net/mod.ts";
import { type PublishResult, run, type ServerContext, type Transport } from "../../run/run.ts";

const LAST_MOMENT = 500;

const { timeout } = AbortSignal;
AbortSignal.timeout = (milliseconds) =>
  milliseconds === LAST_MOMENT ? new AbortController().signal : timeout(milliseconds);

const MINUTE = 10;

const setTimer = setTimeout;
/** Whether what is being called is a site. */
let inSite = false;
globalThis.setTimeout = Object.assign(
  (callback: () => void, milliseconds?: number) =>
    setTimer(callback, inSite && milliseconds === 60_000 ? MINUTE : milliseconds),
  setTimer,
);

/** A site whose 60 s are short; other waits, such as that for tor, have theirs. */
function hurried(site: NonNullable<Transport["server"]>): typeof site {
  return (conn, context) => {
    inSite = true;
    queueMicrotask(() => inSite = false);
    return site(conn, context);
  };
}

const text = new TextDecoder();
const utf8 = new TextEncoder();

const pass = (conn: StreamConn) => conn;

/** What each of these publishes; all of them hand on what comes. */
const PUBLISHED: Readonly<Record<string, PublishResult>> = {
  nat: { args: [["cert", "a+b/c"], ["iat", "1"]], address: ["203.0.113.7", 443] },
  nat_six: { args: [["cert", "a+b/c"]], address: ["2001:db8::7", 443] },
  nat_address: { address: ["203.0.113.8", 8443] },
  nat_args: { args: [["cert", "a+b/c"]] },
  nat_nothing: {},
  fitting: { args: [["cert", "a".repeat(505)]] },
  too_long: { args: [["cert", "a".repeat(506)]] },
  nat_name: { args: [["cert", "a+b/c"]], address: ["bridge.example", 443] },
  nat_port_zero: { address: ["203.0.113.7", 0] },
};

/** What a web server puts into the heads of its requests. */
function header(head: string, name: string): string | undefined {
  return RegExp(`^${name}: (.*)\r$`, "im").exec(head)?.[1];
}

async function readText(conn: StreamConn): Promise<{ head: string; stream: StreamConn }> {
  const { head, rest } = await readHead(conn, 16_384);
  return { head: text.decode(head), stream: prefixed(conn, rest) };
}

/** A transport behind a web server, which says who is there. */
async function behindWebServer(conn: StreamConn) {
  const { head, stream } = await readText(conn);
  const host = header(head, "X-Forwarded-For");
  const port = Number(header(head, "X-Forwarded-Port") ?? 60_000);
  return { conn: stream, clientAddress: host === undefined ? null : [host, port] as const };
}

/** As long as a site's function may take. */
function minute(): Promise<void> {
  return new Promise((resolve) => setTimer(resolve, MINUTE));
}

/** A web site that takes two minutes for a page. */
async function serveSite(conn: StreamConn): Promise<void> {
  let request = await readText(conn);
  for (;;) {
    for (const half of ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "home"]) {
      await minute();
      await writeAll(conn, utf8.encode(half));
    }
    if (header(request.head, "Connection") === "close") return;
    request = await readText(request.stream);
  }
}

/** What handles its connections itself, by what `server()` does about it. */
const SITES: Readonly<Record<string, NonNullable<Transport["server"]>>> = {
  async site_awaited(conn, { waitUntil }) {
    const work = serveSite(conn);
    waitUntil(work);
    await work;
    return null;
  },
  site_in_the_background(conn, { waitUntil }) {
    waitUntil(serveSite(conn));
    return null;
  },
  async site_after_a_while(conn, { waitUntil }) {
    await Promise.resolve();
    waitUntil(serveSite(conn));
    await minute();
    await minute();
    return null;
  },
  site_with_more(conn, { waitUntil }) {
    const more = async () => {
      await minute();
      await writeAll(conn, utf8.encode(", and more"));
    };
    waitUntil(serveSite(conn).then(() => waitUntil(more())));
    return null;
  },
  site_that_rejects(conn, { waitUntil }) {
    waitUntil(serveSite(conn));
    waitUntil(Promise.reject(new Error("a visitor's trouble")));
    waitUntil(minute().then(() => Promise.reject(new Error("a visitor's trouble"))));
    return null;
  },
  async site_that_does_not_ask(conn) {
    await serveSite(conn);
    return null;
  },
  drain: () => null,
  drain_later: async () => await null,
};

/** Echoes for as long as it may, and says when that is over. */
function stay(conn: StreamConn, { waitUntil, signal }: ServerContext): null {
  signal.addEventListener("abort", () => log("notice", "the signal of stays has aborted"));
  waitUntil((async () => {
    const buffer = new Uint8Array(64);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      await writeAll(conn, buffer.slice(0, count));
    }
  })());
  waitUntil(new Promise(() => {}));
  return null;
}

const invert = (bytes: Uint8Array) => bytes.forEach((byte, i) => bytes[i] = ~byte);

/** A wrapped connection that shows what it wraps, under a name that a result of `server()` has. */
class Inverted implements StreamConn {
  readonly conn: StreamConn;
  readonly #inverted: StreamConn;

  constructor(conn: StreamConn) {
    this.conn = conn;
    this.#inverted = mapBytes(conn, { read: invert, write: invert });
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#inverted.read(p);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#inverted.write(p);
  }

  closeWrite(): Promise<void> {
    return this.#inverted.closeWrite();
  }

  close(): void {
    this.#inverted.close();
  }
}

/** Publishes and logs what its flags are set to. */
const flagged: Transport = {
  publish: ({ flags }) =>
    Object.entries(flags).map(([name, value]) => [name, JSON.stringify(value)]),
  server(conn, { flags }) {
    log("notice", `server ${JSON.stringify(flags)}`);
    return conn;
  },
  client({ dial, flags }) {
    log("notice", `client ${JSON.stringify(flags)}`);
    return dial();
  },
};

const published = Object.entries(PUBLISHED).map(([name, result]): [string, Transport] => [name, {
  publish: () => result,
  server: pass,
}]);
const sites = Object.entries(SITES).map(([name, server]): [string, Transport] => [name, {
  server: hurried(server),
}]);

await run({
  sound: { server: pass },
  ...Object.fromEntries([...published, ...sites]),
  proxied: { server: behindWebServer },
  inverted: { server: (conn) => new Inverted(conn) },
  stays: { server: stay },
  flagged,
}, {
  name: "deployed",
  flags: {
    level: { type: "string", short: "l", default: "some", description: "how much is said" },
    origin: { type: "string", multiple: true, description: "a site to stand in for" },
    loud: { type: "boolean", short: "L", description: "says it all" },
    polite: { type: "boolean", default: true },
  },
});

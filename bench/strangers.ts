/** Those who connect to a port that is not for them. */

import { acceptAll, closeQuietly, handleEach, writeAll } from "@ptlib/ptlib/net";
import { connectResettable } from "../testing/mod.ts";

/** How many connections that wait or do not read are held open at a time. */
const HELD = 200;
/** The longest piece of garbage, in bytes. */
const GARBAGE = 4096;

/** The first byte that asks tor to send for ever. */
const FLOOD = 0x46;
/** The first byte that asks tor to send back what comes. */
const ECHO = 0x45;

/** Opens a connection that the transport carries to tor, as an honest user does. */
export type OpenHonestly = (signal?: AbortSignal) => Promise<Deno.Conn>;

/** What the strangers have open; disposing of it closes all. */
class Strangers implements Disposable {
  readonly #open = new Set<Deno.Conn>();
  readonly #held: Deno.Conn[] = [];

  /** Keeps a connection until it is released. */
  take<C extends Deno.Conn>(conn: C): C {
    this.#open.add(conn);
    return conn;
  }

  /** Keeps a connection until as many others have come. */
  hold(conn: Deno.Conn): void {
    this.#held.push(this.take(conn));
    if (this.#held.length > HELD) this.release(this.#held.shift()!);
  }

  release(conn: Deno.Conn): void {
    this.#open.delete(conn);
    closeQuietly(conn);
  }

  [Symbol.dispose](): void {
    this.#open.forEach((conn) => this.release(conn));
  }
}

function garbage(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(1 + Math.floor(Math.random() * GARBAGE));
  crypto.getRandomValues(bytes);
  if (bytes[0] === FLOOD) bytes[0] = 0; // Whoever reads to the end would never come there.
  return bytes;
}

/**
 * Sends strangers to a port, some at a time, who talk garbage, reset, wait, or read nothing, each as
 * likely as the others; then closes what they have open.
 *
 * @param count How many.
 * @param atOnce How many at a time.
 * @param signal Ends it early.
 * @returns How many have come.
 */
export async function sendStrangers(
  port: number,
  openHonestly: OpenHonestly,
  { count, atOnce, signal }: { count: number; atOnce: number; signal: AbortSignal },
): Promise<number> {
  using strangers = new Strangers();
  const leave = () => strangers[Symbol.dispose]();
  signal.addEventListener("abort", leave, { once: true });
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port, signal });
  const deeds = [
    async () => {
      const conn = strangers.take(await connect());
      await writeAll(conn, garbage());
      await conn.closeWrite();
      await drain(conn);
      strangers.release(conn);
    },
    async () => {
      using conn = await connectResettable(port);
      conn.reset();
    },
    async () => {
      using conn = await connectResettable(port);
      await conn.write(garbage());
      conn.reset();
    },
    async () => {
      const conn = await connect();
      strangers.hold(conn);
      // Half of them have begun to talk SOCKS.
      if (Math.random() < 0.5) await conn.write(Uint8Array.of(5, 1));
    },
    async () => {
      const conn = await openHonestly(signal);
      strangers.hold(conn);
      await writeAll(conn, Uint8Array.of(FLOOD));
    },
  ];
  let come = 0;
  const stranger = async () => {
    while (!signal.aborted && come < count) {
      come++;
      const deed = deeds[Math.floor(Math.random() * deeds.length)]!;
      await deed().catch(() => {}); // A stranger may be turned away.
    }
  };
  await Promise.all(Array.from({ length: atOnce }, stranger));
  signal.removeEventListener("abort", leave);
  return come;
}

/**
 * tor's ORPort, which does as the first byte asks, and otherwise only reads.
 *
 * @param listener Closed by the caller; that ends it.
 */
export async function serveOrport(listener: Deno.TcpListener): Promise<void> {
  await handleEach(acceptAll(listener), async (conn) => {
    using _conn = conn;
    await serve(conn);
  });
}

/** Reads on to the end. */
async function drain(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(GARBAGE);
  while (await conn.read(buffer) !== null);
}

async function serve(conn: Deno.Conn): Promise<void> {
  const first = new Uint8Array(1);
  if (await conn.read(first) === null) return;
  if (first[0] === ECHO) return await conn.readable.pipeTo(conn.writable);
  const flood = new Uint8Array(64 * 1024);
  while (first[0] === FLOOD) await writeAll(conn, flood);
  await drain(conn);
}

/** How long a new connection takes until a byte has come back through it, in milliseconds. */
export async function timeToByte(openHonestly: OpenHonestly): Promise<number> {
  const start = performance.now();
  using conn = await openHonestly();
  await writeAll(conn, Uint8Array.of(ECHO, 1));
  if (await conn.read(new Uint8Array(1)) === null) throw new Error("The connection has ended");
  return performance.now() - start;
}

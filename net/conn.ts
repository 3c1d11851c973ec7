/**
 * The connection everything in `net/` is made of: how its bytes are read and written whole, how
 * it is closed, how every wait on it ends, and how it is opened.
 *
 * @module
 */

import type { Address } from "../address.ts";
import "../config.ts"; // It says that this needs Deno.
import { unlessAborted, withDeadline } from "./deadline.ts";
import { keepAlive } from "./keep_alive.ts";

/**
 * A two-way stream of bytes that can be half-closed: the part of `Deno.Conn` that a transport
 * needs. A `Deno.TcpConn` and a `Deno.TlsConn` are ones as they stand; a transport wraps one and
 * returns another, so that wrapping composes.
 *
 * @example
 * ```ts
 * import type { StreamConn } from "@ptlib/ptlib/net";
 *
 * // Sends every letter as a capital.
 * function shout(conn: StreamConn): StreamConn {
 *   const capital = (byte: number) => byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
 *   return {
 *     read: (into) => conn.read(into),
 *     write: (bytes) => conn.write(bytes.map(capital)),
 *     closeWrite: () => conn.closeWrite(),
 *     close: () => conn.close(),
 *   };
 * }
 * ```
 */
export interface StreamConn {
  /** Reads at least one byte into `p`; `null` at the end of the stream. */
  read(p: Uint8Array): Promise<number | null>;
  /** Writes at least one byte of `p`, perhaps not all; resolves to how many. */
  write(p: Uint8Array): Promise<number>;
  /** Ends the stream that is written, and leaves the other one open. */
  closeWrite(): Promise<void>;
  /** Ends both streams at once; what waits in `read` or `write` is interrupted. */
  close(): void;
}

/** Checks what a connection has read: one that never waits would keep everything else waiting. */
export function checkCount(count: number): number {
  if (count > 0) return count;
  throw new TypeError("read() of a connection gave no byte and no end");
}

/** The same for how many bytes a connection has written. */
export function checkTaken(count: number): number {
  if (count > 0) return count;
  throw new TypeError("write() of a connection took no byte");
}

/**
 * Reads until `into` is full, and not a byte further.
 *
 * @param conn The connection to read from.
 * @param into What to fill.
 * @returns `into`.
 * @throws {Deno.errors.UnexpectedEof} When the stream ends first.
 * @throws {TypeError} When `conn.read` gives neither a byte nor an end.
 *
 * @example
 * ```ts
 * import { readFull, writeAll } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * using server = await listener.accept();
 * await writeAll(client, Uint8Array.of(5, 1, 0));
 * const [version, count] = await readFull(server, new Uint8Array(2));
 * if (version !== 5 || count !== 1) throw new Error();
 * ```
 */
export async function readFull<T extends Uint8Array>(
  conn: Pick<StreamConn, "read">,
  into: T,
): Promise<T> {
  for (let filled = 0; filled < into.length;) {
    const count = await conn.read(into.subarray(filled));
    if (count === null) {
      throw new Deno.errors.UnexpectedEof("The peer closed the connection in mid-message");
    }
    filled += checkCount(count);
  }
  return into;
}

/**
 * Reads until `into` is full, or nothing where the stream has come to its end: it tells an end
 * between two messages from one in the middle.
 *
 * @param conn The connection to read from.
 * @param into What to fill.
 * @returns `into`; `null` when the stream ends before its first byte.
 * @throws {Deno.errors.UnexpectedEof} When the stream ends after the first byte, too early.
 * @throws {TypeError} When `conn.read` gives neither a byte nor an end.
 *
 * @example
 * ```ts
 * import { readFullOrEnd } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * using server = await listener.accept();
 * await client.closeWrite();
 * if (await readFullOrEnd(server, new Uint8Array(2)) !== null) throw new Error();
 * ```
 */
export async function readFullOrEnd<T extends Uint8Array>(
  conn: Pick<StreamConn, "read">,
  into: T,
): Promise<T | null> {
  if (into.length === 0) return into;
  const count = await conn.read(into);
  if (count === null) return null;
  await readFull(conn, into.subarray(checkCount(count)));
  return into;
}

/** Joins bytes. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * Writes all of `bytes`.
 *
 * @param conn The connection to write to.
 * @param bytes What to write.
 * @returns A promise that resolves when the connection has taken them.
 * @throws {Error} What `conn.write` throws, such as `Deno.errors.BrokenPipe`.
 * @throws {TypeError} When `conn.write` takes nothing.
 *
 * @example
 * ```ts
 * import { writeAll } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * using server = await listener.accept();
 * await writeAll(client, new TextEncoder().encode("hello"));
 * if (await server.read(new Uint8Array(16)) !== 5) throw new Error();
 * ```
 */
export async function writeAll(
  conn: Pick<StreamConn, "write">,
  bytes: Uint8Array,
): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    rest = rest.subarray(checkTaken(await conn.write(rest)));
  }
}

/** Hands out the chunks of a stream in the pieces that a reader of {@linkcode StreamConn} wants. */
export class ChunkReader {
  readonly #next: () => Promise<Uint8Array | null>;
  #rest: Uint8Array = new Uint8Array(0);

  /**
   * Reads nothing yet.
   *
   * @param next Reads a chunk; `null` at the end of the stream.
   */
  constructor(next: () => Promise<Uint8Array | null>) {
    this.#next = next;
  }

  /**
   * Reads as `StreamConn.read` does.
   *
   * @param p What to read into.
   * @returns How many bytes were read; `null` at the end of the stream.
   */
  async read(p: Uint8Array): Promise<number | null> {
    while (this.#rest.length === 0) {
      const chunk = await this.#next();
      if (chunk === null) return null;
      this.#rest = chunk;
    }
    const count = Math.min(p.length, this.#rest.length);
    p.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }
}

/**
 * Puts bytes back in front of a connection, such as those that were read too far.
 *
 * @param conn The connection.
 * @param bytes The bytes that the next reads return first.
 * @returns The connection itself where there are no bytes, otherwise a wrapped one.
 *
 * @example
 * ```ts
 * import { prefixed, readFull } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * using server = await listener.accept();
 * await client.write(Uint8Array.of(3));
 * const [a, b, c] = await readFull(prefixed(server, Uint8Array.of(1, 2)), new Uint8Array(3));
 * if (a !== 1 || b !== 2 || c !== 3) throw new Error();
 * ```
 */
export function prefixed(conn: StreamConn, bytes: Uint8Array): StreamConn {
  if (bytes.length === 0) return conn;
  let rest = bytes;
  return {
    read(p) {
      if (rest.length === 0) return conn.read(p);
      const count = Math.min(p.length, rest.length);
      p.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return Promise.resolve(count);
    },
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    close: () => closeQuietly(conn),
  };
}

/**
 * Closes a connection that may have been closed before: a second `close()` of Deno's throws. It
 * never throws, so that whatever else is to be closed gets its turn. What is `Disposable` is
 * disposed of instead.
 *
 * @param conn The connection.
 *
 * @example
 * ```ts
 * import { closeQuietly } from "@ptlib/ptlib/net";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * closeQuietly(listener);
 * closeQuietly(listener);
 * ```
 */
export function closeQuietly(conn: Pick<StreamConn, "close"> & Partial<Disposable>): void {
  try {
    // Deno's own are disposed of without an error where they are closed; to catch it takes 30 µs.
    const { [Symbol.dispose]: dispose } = conn;
    if (dispose === undefined) conn.close();
    else dispose.call(conn);
  } catch {
    // There is nothing left to be done for it.
  }
}

/** How long a connection whose end was said waits for its peer's, in milliseconds. */
const LONGEST_LINGER = 1_000;
const MOST_LINGERED = 64 * 1024;

/** Reads to the end of a stream, or so far that it need not be read any further. */
export async function drain(conn: Pick<StreamConn, "read">): Promise<void> {
  const scrap = new Uint8Array(2048);
  for (let length = 0; length < MOST_LINGERED;) {
    const count = await conn.read(scrap);
    if (count === null) return;
    length += checkCount(count);
  }
}

/**
 * Closes a connection whose written stream has ended, when its peer has ended the other one too, or
 * after a second: to close over bytes that nobody has read resets the connection, and the peer could
 * lose the end of what it was sent. Such bytes are TLS's, or what a transport puts behind its end.
 */
export async function closeInPeace(conn: Pick<StreamConn, "read" | "close">): Promise<void> {
  const what = "The end of a connection";
  await withDeadline(
    LONGEST_LINGER,
    what,
    undefined,
    (signal) => unlessAborted(drain(conn), signal),
  ).catch(() => {});
  closeQuietly(conn);
}

/**
 * Runs a function that does a handshake on a connection. If it throws, or the signal aborts, the
 * connection is closed.
 *
 * @param conn The connection; it stays open when the steps succeed.
 * @param signal Ends the handshake.
 * @param steps Reads and writes on the connection.
 * @returns What the steps return.
 * @throws {unknown} The signal's reason when it aborted, otherwise what the steps throw.
 *
 * @example
 * ```ts
 * import { Deadline, handshake, readFull } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const silent = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * using deadline = new Deadline(10, "the greeting");
 * let reason: unknown;
 * try {
 *   await handshake(silent, deadline.signal, () => readFull(silent, new Uint8Array(1)));
 * } catch (error) {
 *   reason = error;
 * }
 * if (!(reason instanceof DOMException && reason.name === "TimeoutError")) throw reason;
 * ```
 */
export async function handshake<T>(
  conn: Pick<StreamConn, "close">,
  signal: AbortSignal,
  steps: () => Promise<T>,
): Promise<T> {
  const close = () => closeQuietly(conn);
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    const result = await steps();
    signal.throwIfAborted();
    return result;
  } catch (error) {
    close();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/**
 * Opens a TCP connection from a source address of the system's choice.
 *
 * @param target An IP address without brackets or a name, whose addresses are raced (RFC 8305),
 * and a port.
 * @param signal Ends the attempt.
 * @returns The connection, with `TCP_NODELAY` set.
 * @throws {Error} What `Deno.connect` throws.
 */
export async function connectTcp(
  [hostname, port]: Readonly<Address>,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port, signal });
  try {
    signal.throwIfAborted(); // That may have come at the moment of success.
    conn.setNoDelay();
    keepAlive(conn);
  } catch (error) {
    conn.close(); // The peer has reset it already.
    throw error;
  }
  return conn;
}

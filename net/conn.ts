/**
 * The connection everything in `net/` is made of, and how its bytes are read and written whole.
 *
 * @module
 */

import type { Address } from "../address.ts";

/**
 * A two-way stream of bytes that can be half-closed: the part of `Deno.Conn` that a transport
 * needs. A `Deno.TcpConn` and a `Deno.TlsConn` are ones as they stand; a transport wraps one and
 * returns another, so that wrapping composes.
 *
 * @example
 * ```ts
 * import type { StreamConn } from "@ptlib/ptlib/net";
 *
 * function shout(conn: StreamConn): StreamConn {
 *   return {
 *     read: (into) => conn.read(into),
 *     write: (bytes) => conn.write(bytes.map((byte) => byte | 0x20)),
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
    // A connection that never waits would keep everything else waiting.
    if (!(count > 0)) throw new TypeError("read() of a connection gave no byte and no end");
    filled += count;
  }
  return into;
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
    const count = await conn.write(rest);
    if (!(count > 0)) throw new TypeError("write() of a connection took no byte");
    rest = rest.subarray(count);
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
    conn.setNoDelay();
  } catch (error) {
    conn.close(); // The peer has reset it already.
    throw error;
  }
  return conn;
}

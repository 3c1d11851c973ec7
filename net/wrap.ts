/**
 * From what a transport does with bytes to a connection that does it.
 *
 * @module
 */

import { type StreamConn, writeAll } from "./conn.ts";
import { closeQuietly } from "./deadline.ts";

/**
 * What becomes of the bytes of a connection, each in place.
 *
 * @example
 * ```ts
 * import type { ByteMaps } from "@ptlib/ptlib/net";
 *
 * const invert = (bytes: Uint8Array) => bytes.forEach((byte, i) => bytes[i] = ~byte);
 * const inverted: ByteMaps = { read: invert, write: invert };
 * ```
 */
export interface ByteMaps {
  /** Changes bytes that have come in, in order, each once. */
  read(bytes: Uint8Array): void;
  /** Changes bytes that are going out, in order, each once. */
  write(bytes: Uint8Array): void;
}

/**
 * Wraps a connection so that its bytes pass through two functions.
 *
 * Nothing is copied: what is written is changed in the caller's buffer.
 *
 * @param conn The connection to wrap.
 * @param maps What becomes of the bytes; they can keep a state, such as a cipher's.
 * @returns The wrapped connection. Its `write` takes all bytes at once.
 *
 * @example
 * ```ts
 * import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
 *
 * function invert(conn: StreamConn): StreamConn {
 *   const map = (bytes: Uint8Array) => bytes.forEach((byte, i) => bytes[i] = ~byte);
 *   return mapBytes(conn, { read: map, write: map });
 * }
 * ```
 */
export function mapBytes(conn: StreamConn, maps: ByteMaps): StreamConn {
  return {
    async read(p) {
      const count = await conn.read(p);
      if (count !== null) maps.read(p.subarray(0, count));
      return count;
    },
    async write(p) {
      maps.write(p);
      // A part written would be handed in again, and changed twice.
      await writeAll(conn, p);
      return p.length;
    },
    closeWrite: () => conn.closeWrite(),
    close: () => closeQuietly(conn),
  };
}

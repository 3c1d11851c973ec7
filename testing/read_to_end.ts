/**
 * Reading a stream to its end.
 *
 * @module
 */

import { checkCount, type StreamConn } from "../net/conn.ts";

const CHUNK = 64 * 1024;

/**
 * Reads to the end of the stream.
 *
 * @param conn The connection to read from.
 * @returns Everything that came.
 * @throws {Error} What `conn.read` throws, such as `Deno.errors.ConnectionReset`.
 * @throws {TypeError} When `conn.read` gives neither a byte nor an end.
 *
 * @example
 * ```ts
 * import { memoryPair, readToEnd } from "@ptlib/ptlib/testing";
 *
 * using pair = memoryPair();
 * await pair.client.write(new TextEncoder().encode("hello"));
 * await pair.client.closeWrite();
 * const bytes = await readToEnd(pair.server);
 * if (new TextDecoder().decode(bytes) !== "hello") throw new Error();
 * ```
 */
export async function readToEnd(conn: Pick<StreamConn, "read">): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const into = new Uint8Array(CHUNK);
  for (let count; (count = await conn.read(into)) !== null;) {
    chunks.push(into.slice(0, checkCount(count)));
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/**
 * The two ends of one direction: random bytes go in, and what comes out is counted and hashed.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type StreamConn, writeAll } from "@ptlib/ptlib/net";

const CHUNK = 64 * 1024;

/** What went into one direction. */
export interface Sent {
  /** Of the bytes as they were sent. */
  sha256: string;
  /** Of the same bytes rotated: what has to be seen between client and server. */
  rotatedSha256: string;
}

/** What came out of one direction. */
export interface Received {
  bytes: number;
  sha256: string;
}

/** Rotates letters by 13 places. Not the transport's own code, so that a fault of it shows. */
export function rotated(bytes: Uint8Array): Uint8Array {
  const rotate = (byte: number, a: number) => a + (byte - a + 13) % 26;
  return bytes.map((byte) => {
    if (byte >= 65 && byte <= 90) return rotate(byte, 65);
    if (byte >= 97 && byte <= 122) return rotate(byte, 97);
    return byte;
  });
}

/** Sends a greeting, and random bytes behind it up to `size` bytes; then ends the stream. */
export async function send(conn: StreamConn, greeting: string, size: number): Promise<Sent> {
  const [plain, rot13] = [createHash("sha256"), createHash("sha256")];
  const chunk = new Uint8Array(CHUNK);
  for (let left = size; left > 0;) {
    crypto.getRandomValues(chunk);
    if (left === size) new TextEncoder().encodeInto(greeting, chunk);
    const bytes = chunk.subarray(0, left);
    plain.update(bytes);
    rot13.update(rotated(bytes));
    await writeAll(conn, bytes);
    left -= bytes.length;
  }
  await conn.closeWrite();
  return { sha256: plain.digest("hex"), rotatedSha256: rot13.digest("hex") };
}

/** Reads until the end of the stream, and tells how many bytes each read gave. */
export async function receive(
  conn: StreamConn,
  onRead: (bytes: number) => void,
): Promise<Received> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(4 * CHUNK);
  let bytes = 0;
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) return { bytes, sha256: hash.digest("hex") };
    hash.update(buffer.subarray(0, count));
    bytes += count;
    onRead(count);
  }
}

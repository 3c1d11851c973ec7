/** What the tests of tunnels send through them. */

import { createHash, randomBytes } from "node:crypto";
import { writeAll } from "../../net/mod.ts";

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;

/** What went in and what came back, by SHA-256. */
export interface Exchanged {
  sent: string;
  received: string;
}

/** Sends `SIZE` bytes, no two MiB alike, and returns their hash. */
async function send(conn: Deno.TcpConn): Promise<string> {
  const hash = createHash("sha256");
  const block = randomBytes(MIB);
  for (let index = 0; index < SIZE / MIB; index++) {
    block.writeUInt32LE(index);
    hash.update(block);
    await writeAll(conn, block);
  }
  return hash.digest("hex");
}

/** Receives `SIZE` bytes and returns their hash. */
async function receive(conn: Deno.TcpConn): Promise<string> {
  const hash = createHash("sha256");
  const into = new Uint8Array(256 * 1024);
  for (let count = 0; count < SIZE;) {
    const length = await conn.read(into);
    if (length === null) throw new Error(`the stream ended after ${count} bytes`);
    hash.update(into.subarray(0, length));
    count += length;
  }
  return hash.digest("hex");
}

/** Sends 64 MiB to a service that echoes, and receives them at the same time. */
export async function exchange(conn: Deno.TcpConn): Promise<Exchanged> {
  const [sent, received] = await Promise.all([send(conn), receive(conn)]);
  return { sent, received };
}

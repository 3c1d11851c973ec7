/**
 * The server's answer to who asked for the tunnel.
 *
 * @module
 */

import { closeQuietly, type StreamConn, writeAll } from "../net/conn.ts";

/** What the official server answers, byte for byte. */
const GRANTED = new TextEncoder().encode(
  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
);

/**
 * For how many milliseconds nothing follows the answer where the client does not speak first. Both
 * official clients lose what comes along with it.
 */
const ALONE = 250;

/**
 * Grants the tunnel. What is written to it waits until the client has spoken, which shows that it has
 * read the answer, or for a moment.
 *
 * @param conn The connection behind the request.
 * @returns The tunnel.
 * @throws {Error} What the connection throws.
 */
export async function grant(conn: StreamConn): Promise<StreamConn> {
  await writeAll(conn, GRANTED);
  const { promise: alone, resolve } = Promise.withResolvers<void>();
  let waits = true;
  const goOn = () => {
    waits = false;
    clearTimeout(timer);
    resolve();
  };
  const timer = setTimeout(goOn, ALONE);
  const firstRead = async (p: Uint8Array) => {
    try {
      return await conn.read(p);
    } finally {
      goOn();
    }
  };
  const afterwards = async <T>(work: () => Promise<T>) => {
    await alone;
    return await work();
  };
  return {
    read: (p) => waits ? firstRead(p) : conn.read(p),
    write: (p) => waits ? afterwards(() => conn.write(p)) : conn.write(p),
    closeWrite: () => waits ? afterwards(() => conn.closeWrite()) : conn.closeWrite(),
    close() {
      goOn();
      closeQuietly(conn);
    },
  };
}

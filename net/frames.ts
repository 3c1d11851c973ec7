/**
 * Whole messages over a stream of bytes, each behind its length.
 *
 * @module
 */

import {
  ChunkReader,
  closeQuietly,
  readFull,
  readFullOrEnd,
  type StreamConn,
  writeAll,
} from "./conn.ts";

/** What the two bytes of a length can say. */
const MOST = 0xffff;

/**
 * A connection of whole messages. A transport that seals or pads them wraps one and returns
 * another, as it does with a {@linkcode StreamConn}.
 *
 * @example
 * ```ts
 * import type { FrameConn } from "@ptlib/ptlib/net";
 *
 * // Two bytes of each message say how many of the others are padding.
 * function unpadded(conn: FrameConn): Pick<FrameConn, "read"> {
 *   return {
 *     async read() {
 *       const message = await conn.read();
 *       if (message === null) return null;
 *       const padding = new DataView(message.buffer, message.byteOffset).getUint16(0);
 *       return message.subarray(2, message.length - padding);
 *     },
 *   };
 * }
 * ```
 */
export interface FrameConn {
  /** How many bytes a message may have. */
  readonly limit: number;
  /** Reads the next message; `null` at the end of the stream. An empty message is one, too. */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Writes a message. Wait for it before you write the next one. */
  write(message: Uint8Array): Promise<void>;
  /** Ends the stream that is written, and leaves the other one open. */
  closeWrite(): Promise<void>;
  /** Ends both streams at once. */
  close(): void;
}

/**
 * Sends and receives whole messages over a connection: each message is preceded by its length, two
 * bytes in network byte order.
 *
 * `read` rejects with `Deno.errors.UnexpectedEof` when the stream ends inside a message, and with
 * `Deno.errors.InvalidData` for a length above the limit. `write` throws a `TypeError` for a
 * message above it, and nothing is written.
 *
 * @param conn The connection. From now on nobody else reads or writes it.
 * @param options `limit` is how many bytes a message may have, at most 65,535, which is the
 * default. It bounds what is held in memory, whatever the peer says.
 * @returns The connection of whole messages.
 * @throws {TypeError} When the limit is not a whole number from 1 to 65,535.
 *
 * @example
 * ```ts
 * import { frames } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using dialled = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * const [client, server] = [frames(dialled), frames(await listener.accept(), { limit: 1024 })];
 * await client.write(new TextEncoder().encode("hello"));
 * await client.closeWrite();
 * if ((await server.read())?.length !== 5) throw new Error();
 * if (await server.read() !== null) throw new Error();
 * server.close();
 * ```
 */
export function frames(
  conn: StreamConn,
  options: { limit?: number | undefined } = {},
): FrameConn {
  const { limit = MOST } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST) {
    throw new TypeError(`The limit of frames is a whole number from 1 to ${MOST}`);
  }
  return {
    limit,
    async read() {
      const header = await readFullOrEnd(conn, new Uint8Array(2));
      if (header === null) return null;
      const length = new DataView(header.buffer).getUint16(0);
      if (length > limit) {
        throw new Deno.errors.InvalidData(`A frame has ${length} bytes, and ${limit} is the limit`);
      }
      return await readFull(conn, new Uint8Array(length));
    },
    async write(message) {
      if (message.length > limit) {
        throw new TypeError(`The message has ${message.length} bytes, and ${limit} is the limit`);
      }
      const frame = new Uint8Array(2 + message.length);
      new DataView(frame.buffer).setUint16(0, message.length);
      frame.set(message, 2);
      await writeAll(conn, frame);
    },
    closeWrite: () => conn.closeWrite(),
    close: () => closeQuietly(conn),
  };
}

/**
 * Turns a connection of messages back into a byte stream: what is written is cut into messages of
 * at most `limit` bytes, and the messages that arrive are joined.
 *
 * @param conn The connection of messages, such as one that encrypts those of
 * {@linkcode frames}. From now on nobody else may read or write it.
 * @returns The connection that carries the user's bytes.
 *
 * @example
 * ```ts
 * import { frames, fromFrames, type StreamConn } from "@ptlib/ptlib/net";
 *
 * const framed = (conn: StreamConn) => fromFrames(frames(conn, { limit: 16_384 }));
 * ```
 */
export function fromFrames(conn: FrameConn): StreamConn {
  const reader = new ChunkReader(() => conn.read());
  return {
    read: (p) => reader.read(p),
    async write(p) {
      // A message of no bytes may mean something to whoever is below.
      if (p.length === 0) return 0;
      const message = p.subarray(0, conn.limit);
      await conn.write(message);
      return message.length;
    },
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  };
}

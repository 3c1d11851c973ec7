/**
 * From what a transport does with bytes to a connection that does it.
 *
 * @module
 */

import { ChunkReader, closeQuietly, type StreamConn, writeAll } from "./conn.ts";
import { unlessAborted } from "./deadline.ts";

/**
 * What becomes of bytes, in place: a table of 256 bytes, one for each value that a byte can have, or
 * a function. A table is read when it is first used, and must not change then. A function gets the
 * bytes of a connection in order, each once, and can keep a state, such as a cipher's.
 *
 * @example
 * ```ts
 * import type { ByteMap } from "@ptlib/ptlib/net";
 *
 * const inverted: ByteMap = Uint8Array.from({ length: 256 }, (_, byte) => ~byte);
 *
 * function counting(): ByteMap {
 *   let counter = 0;
 *   return (bytes) => {
 *     for (let i = 0; i < bytes.length; i++) bytes[i]! ^= counter++;
 *   };
 * }
 * ```
 */
export type ByteMap = Uint8Array | ((bytes: Uint8Array) => void);

/**
 * What becomes of the bytes of a connection.
 *
 * @example
 * ```ts
 * import type { ByteMaps } from "@ptlib/ptlib/net";
 *
 * const inverted = Uint8Array.from({ length: 256 }, (_, byte) => ~byte);
 * const maps: ByteMaps = { read: inverted, write: inverted };
 * ```
 */
export interface ByteMaps {
  /** Changes what has come in. */
  readonly read: ByteMap;
  /** Changes what is going out. */
  readonly write: ByteMap;
}

/** How many bytes a table changes one by one before it is made into one for pairs. */
const MANY = 256 * 1024;

/** How many bytes are changed one by one in any case. */
const FEW = 64;

/** A table at work. Two bytes at a time are three times as fast, by a table that takes 128 KiB. */
class Table {
  readonly #bytes: Uint8Array;
  #pairs: Uint16Array | undefined;
  #changed = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Uint8Array.from(bytes);
  }

  change(bytes: Uint8Array): void {
    this.#changed += bytes.length;
    if (this.#changed < MANY || bytes.length < FEW) return this.#changeEach(bytes);
    // What is in front of the first four bytes that can be read as one number.
    const front = -bytes.byteOffset & 3;
    const fours = (bytes.length - front) >> 2;
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + front, fours);
    const pairs = this.#pairs ??= this.#makePairs();
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      words[i] = pairs[word & 0xffff]! | pairs[word >>> 16]! << 16;
    }
    this.#changeEach(bytes.subarray(0, front));
    this.#changeEach(bytes.subarray(front + 4 * fours));
  }

  #changeEach(bytes: Uint8Array): void {
    const table = this.#bytes;
    for (let i = 0; i < bytes.length; i++) bytes[i] = table[bytes[i]!]!;
  }

  #makePairs(): Uint16Array {
    const table = this.#bytes;
    return Uint16Array.from(
      { length: 65_536 },
      (_, pair) => table[pair & 0xff]! | table[pair >> 8]! << 8,
    );
  }
}

/** One for all connections that have the same. */
const tables = new WeakMap<Uint8Array, Table>();

function tableOf(bytes: Uint8Array): Table {
  let table = tables.get(bytes);
  if (table === undefined) tables.set(bytes, table = new Table(bytes));
  return table;
}

/** One of the maps as a function. */
function mapped(maps: ByteMaps, way: keyof ByteMaps): (bytes: Uint8Array) => void {
  const { [way]: map } = maps;
  if (typeof map === "function") return map.bind(maps);
  if (map.length !== 256) {
    throw new TypeError(`A table of bytes has 256 of them, but that for ${way} has ${map.length}`);
  }
  const table = tableOf(map);
  return (bytes) => table.change(bytes);
}

/**
 * Wraps a connection so that its bytes pass through two tables or functions.
 *
 * Nothing is copied: what is written is changed in the caller's buffer.
 *
 * @param conn The connection to wrap.
 * @param maps What becomes of the bytes.
 * @returns The wrapped connection. Its `write` returns after all bytes are written.
 * @throws {TypeError} When a table has not 256 bytes.
 *
 * @example
 * ```ts
 * import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
 *
 * const inverted = Uint8Array.from({ length: 256 }, (_, byte) => ~byte);
 * const invert = (conn: StreamConn) => mapBytes(conn, { read: inverted, write: inverted });
 * ```
 */
export function mapBytes(conn: StreamConn, maps: ByteMaps): StreamConn {
  const [read, write] = [mapped(maps, "read"), mapped(maps, "write")];
  return {
    async read(p) {
      const count = await conn.read(p);
      if (count !== null) read(p.subarray(0, count));
      return count;
    },
    async write(p) {
      write(p);
      // A part written would be handed in again, and changed twice.
      await writeAll(conn, p);
      return p.length;
    },
    closeWrite: () => conn.closeWrite(),
    close: () => closeQuietly(conn),
  };
}

const CHUNK = 16 * 1024;

/**
 * Bytes in at one end, other bytes out at the other: a `TransformStream`, or a platform's own,
 * such as `CompressionStream`.
 *
 * @example
 * ```ts
 * import type { ByteTransform } from "@ptlib/ptlib/net";
 *
 * const unchanged: ByteTransform = new TransformStream<Uint8Array, Uint8Array>();
 * const compressed: ByteTransform = new CompressionStream("deflate-raw");
 * ```
 */
export interface ByteTransform {
  /** What comes out. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What goes in. */
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * What the bytes of a connection pass through, one transform for each direction.
 *
 * @example
 * ```ts
 * import type { ByteTransforms } from "@ptlib/ptlib/net";
 *
 * const deflated = (): ByteTransforms => ({
 *   read: new DecompressionStream("deflate-raw"),
 *   write: new CompressionStream("deflate-raw"),
 * });
 * ```
 */
export interface ByteTransforms {
  /** Takes what has come in. Its `flush` runs at the end of the stream. */
  readonly read: ByteTransform;
  /** Gives what goes out. Its `flush` runs before the connection is half-closed. */
  readonly write: ByteTransform;
}

function checkBytes(chunk: unknown): asserts chunk is Uint8Array {
  if (!(chunk instanceof Uint8Array)) throw new TypeError("A transform gave what is no Uint8Array");
}

/** The bytes of a connection; nothing is read before somebody wants it. */
function incoming(conn: StreamConn): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const chunk = new Uint8Array(CHUNK);
      const count = await conn.read(chunk);
      if (count === null) controller.close();
      else controller.enqueue(chunk.subarray(0, count));
    },
  }, { highWaterMark: 0 });
}

/** A sink whose end half-closes the connection. */
function outgoing(conn: StreamConn): WritableStream<Uint8Array> {
  return new WritableStream({
    async write(chunk: unknown) {
      checkBytes(chunk);
      await writeAll(conn, chunk);
    },
    close: () => conn.closeWrite(),
  });
}

class PipedConn implements StreamConn {
  readonly #conn: StreamConn;
  readonly #ended = new AbortController();
  readonly #incoming: ChunkReader;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #sent: Promise<void>;

  constructor(conn: StreamConn, { read, write }: ByteTransforms) {
    const { signal } = this.#ended;
    this.#conn = conn;
    const reader = read.readable.getReader();
    this.#incoming = new ChunkReader(async () => {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return null;
      checkBytes(value);
      return value;
    });
    this.#writer = write.writable.getWriter();
    this.#sent = write.readable.pipeTo(outgoing(conn), { signal });
    // Errors travel through the transforms to who reads and writes at their other ends.
    this.#sent.catch(() => {});
    incoming(conn).pipeTo(read.writable, { signal }).catch(() => {});
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#incoming.read(p);
  }

  async write(p: Uint8Array): Promise<number> {
    // A copy, because a transform may keep it longer than the caller leaves it alone.
    await unlessAborted(this.#writer.write(Uint8Array.from(p)), this.#ended.signal);
    return p.length;
  }

  async closeWrite(): Promise<void> {
    // What goes wrong here ends the pipe, too, and that tells the cause.
    this.#writer.close().catch(() => {});
    await unlessAborted(this.#sent, this.#ended.signal);
  }

  close(): void {
    this.#ended.abort(new Deno.errors.Interrupted("The connection was closed"));
    closeQuietly(this.#conn);
  }
}

/**
 * Wraps a connection so that its bytes pass through two streams, as `ReadableStream.pipeThrough`
 * does for one.
 *
 * No more is read than is wanted, and `write` waits until the transform has taken the bytes. The
 * end of one direction flushes its transform and leaves the other direction open. An error of a
 * transform is thrown by `read` or `write`; then you must close the connection.
 *
 * If the number of bytes does not change, {@linkcode mapBytes} is simpler and some ten times as fast.
 *
 * @param conn The connection to wrap.
 * @param transforms What its bytes pass through; used for this connection only.
 * @returns The wrapped connection.
 *
 * @example
 * ```ts
 * import { pipeThrough, type StreamConn } from "@ptlib/ptlib/net";
 *
 * function rotated(conn: StreamConn, places: number): StreamConn {
 *   const rotate = (by: number) =>
 *     new TransformStream<Uint8Array, Uint8Array>({
 *       transform: (bytes, out) => out.enqueue(bytes.map((byte) => byte + by)),
 *     });
 *   return pipeThrough(conn, { read: rotate(-places), write: rotate(places) });
 * }
 * ```
 */
export function pipeThrough(conn: StreamConn, transforms: ByteTransforms): StreamConn {
  return new PipedConn(conn, transforms);
}

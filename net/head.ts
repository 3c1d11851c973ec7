/**
 * Heads: what stands before a blank line, as in HTTP.
 *
 * @module
 */

import { checkCount, type StreamConn } from "./conn.ts";

/**
 * A head, and what came along with it.
 *
 * @example
 * ```ts
 * import type { Head } from "@ptlib/ptlib/net";
 *
 * const requestLine = ({ head }: Head) => new TextDecoder().decode(head).split("\r\n", 1)[0];
 * ```
 */
export interface Head {
  /** The head with the blank line at its end. */
  head: Uint8Array<ArrayBuffer>;
  /** What has been read after it: the first bytes of the stream. */
  rest: Uint8Array<ArrayBuffer>;
}

/**
 * What was read is not a head: it is too long, or the stream ended before the blank line.
 *
 * @example
 * ```ts
 * import { HeadError, prefixed, readHead, type StreamConn } from "@ptlib/ptlib/net";
 *
 * // Hands on what speaks another protocol, from its first byte on.
 * async function orElse(conn: StreamConn, other: (conn: StreamConn) => void): Promise<void> {
 *   try {
 *     await readHead(conn, 8192);
 *   } catch (error) {
 *     if (!(error instanceof HeadError)) throw error;
 *     other(prefixed(conn, error.bytes));
 *   }
 * }
 * ```
 */
export class HeadError extends Error {
  /** The name of the class. */
  override readonly name: string = "HeadError";
  /** What is wrong with it. */
  readonly reason: "too-long" | "ended";
  /** Everything that has been read. */
  readonly bytes: Uint8Array<ArrayBuffer>;

  /**
   * Creates the error.
   *
   * @param reason What is wrong.
   * @param bytes What has been read.
   * @param limit How many bytes a head may have.
   */
  constructor(reason: "too-long" | "ended", bytes: Uint8Array<ArrayBuffer>, limit: number) {
    super(
      reason === "ended"
        ? "The connection ended before the blank line at the end of the head"
        : `The head is longer than ${limit} bytes`,
    );
    this.reason = reason;
    this.bytes = bytes;
  }
}

const LF = 10;
const CR = 13;

/** Finds the end of a head in what comes piece by piece. */
export class BlankLine {
  #lineLength = 0;
  #last = 0;

  /** The index after the blank line that ends in `piece`, or -1. */
  end(piece: Uint8Array): number {
    for (let index = 0; index < piece.length; index++) {
      const byte = piece[index] ?? 0;
      if (byte === LF) {
        if (this.#lineLength === 0 || this.#lineLength === 1 && this.#last === CR) return index + 1;
        this.#lineLength = 0;
      } else {
        this.#lineLength++;
      }
      this.#last = byte;
    }
    return -1;
  }
}

/** How many bytes there is room for at first, and how many are read at once. */
const PIECE = 2048;

/** More room for bytes: twice as much, and no more than the limit. */
export function enlarged(bytes: Uint8Array, limit: number): Uint8Array<ArrayBuffer> {
  const room = new Uint8Array(Math.min(2 * bytes.length, limit));
  room.set(bytes);
  return room;
}

/** Reads a head in pieces of at most `most` bytes; with 1 nothing after it is read. */
export async function readHeadBy(
  conn: Pick<StreamConn, "read">,
  limit: number,
  most: number,
): Promise<Head> {
  const blankLine = new BlankLine();
  // One buffer: a peer that sends single bytes would have as many buffers kept as it sends bytes.
  let bytes = new Uint8Array(Math.min(PIECE, limit));
  for (let length = 0; length < limit;) {
    if (length === bytes.length) bytes = enlarged(bytes, limit);
    const piece = bytes.subarray(length, length + most);
    const count = await conn.read(piece);
    if (count === null) throw new HeadError("ended", bytes.slice(0, length), limit);
    const end = blankLine.end(piece.subarray(0, checkCount(count)));
    if (end !== -1) {
      const whole = length + end;
      return { head: bytes.slice(0, whole), rest: bytes.slice(whole, length + count) };
    }
    length += count;
  }
  throw new HeadError("too-long", bytes, limit);
}

/**
 * Reads a head: everything up to the first blank line, whose line ends are CR LF or LF (RFC 9112
 * section 2.2). It may also read bytes that follow the head: they are in `rest`, and
 * {@linkcode prefixed} puts them back.
 *
 * It has no time limit: use {@linkcode handshake} with a {@linkcode Deadline}.
 *
 * @param conn The connection to read from.
 * @param limit How many bytes the head may have, the blank line included.
 * @returns The head, and what has been read after it.
 * @throws {HeadError} When the head is longer than that or does not end; it has what was read.
 * @throws {Error} What `conn.read` throws.
 *
 * @example
 * ```ts
 * import { prefixed, readHead, writeAll } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * using server = await listener.accept();
 * await writeAll(client, new TextEncoder().encode("GET / HTTP/1.1\r\n\r\nhello"));
 * const { head, rest } = await readHead(server, 8192);
 * if (head.length !== 18) throw new Error();
 * const stream = prefixed(server, rest);
 * if (await stream.read(new Uint8Array(1)) !== 1) throw new Error();
 * ```
 */
export function readHead(conn: Pick<StreamConn, "read">, limit: number): Promise<Head> {
  return readHeadBy(conn, limit, PIECE);
}

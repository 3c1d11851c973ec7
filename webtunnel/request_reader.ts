/**
 * Reading a request that may be none: whatever was read can be given back, as if nobody had looked.
 *
 * @module
 */

import { checkCount, closeQuietly, prefixed, type StreamConn } from "../net/conn.ts";
import { unlessAborted } from "../net/deadline.ts";
import { BlankLine, enlarged } from "../net/head.ts";

/** How many bytes there is room for at first, and how long a head may be. */
const FIRST_ROOM = 2 * 1024;
const LONGEST_HEAD = 16 * 1024;

/** With what each request begins that can ask for the tunnel, whatever its path is. */
const BEGINNING = new TextEncoder().encode("GET /");

/** How long its first line may be: no client can be told of a longer path. */
const LONGEST_LINE = 600;

const [TAB, LF, CR, SPACE] = [9, 10, 13, 32];

/** Whether it can be a part of a head; web sites answer at once where it cannot. */
function isText(piece: Uint8Array): boolean {
  return piece.every((byte) => byte >= SPACE || byte === TAB || byte === LF || byte === CR);
}

/** Whether the first line can be one that asks for the tunnel, whatever its path is. */
function canAsk(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, BEGINNING.length);
  if (!BEGINNING.subarray(0, length).every((byte, index) => byte === bytes[index])) return false;
  const end = bytes.indexOf(LF);
  if (end === -1) return bytes.length <= LONGEST_LINE;
  const line = new TextDecoder("latin1").decode(bytes.subarray(0, end));
  return line.length <= LONGEST_LINE && /^GET \S+ HTTP\/1\.[01]\r?$/.test(line);
}

/** A request's head, and the connection behind it. */
export interface RequestHead {
  head: Uint8Array;
  /** The connection from the first byte behind the head on. */
  behind: StreamConn;
}

/**
 * Why there is no head of a request that can ask for the tunnel: something else came, or not all of
 * it in time, or before the end.
 */
export type NoRequest = "other" | "late" | "ended";

/** Reads the head of a connection's first request. */
export class RequestReader {
  readonly #conn: StreamConn;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_ROOM);
  #length = 0;
  /** A read that nobody waits for any more; its bytes come into `#bytes`. */
  #reading: Promise<number | null> | undefined;

  /** Nobody else may read the connection meanwhile. */
  constructor(conn: StreamConn) {
    this.#conn = conn;
  }

  /**
   * Reads a head.
   *
   * @param signal Ends the wait for it, and leaves the connection open.
   * @returns The head, or why there is none of a request that can ask for the tunnel, which is found
   * out without a look at its path.
   * @throws {Error} What the connection throws.
   */
  async read(signal: AbortSignal): Promise<RequestHead | NoRequest> {
    const blankLine = new BlankLine();
    for (;;) {
      if (this.#length === LONGEST_HEAD) return "other";
      if (this.#length === this.#bytes.length) this.#bytes = enlarged(this.#bytes, LONGEST_HEAD);
      const start = this.#length;
      this.#reading = this.#conn.read(this.#bytes.subarray(start));
      try {
        await unlessAborted(this.#reading, signal);
      } catch (error) {
        if (signal.aborted) return "late";
        throw error;
      }
      if (!await this.#take()) return "ended";
      const piece = this.#bytes.subarray(start, this.#length);
      // Behind that many bytes the first line is known.
      if (start <= LONGEST_LINE && !canAsk(this.#bytes.subarray(0, this.#length))) return "other";
      const end = blankLine.end(piece);
      if (!isText(end === -1 ? piece : piece.subarray(0, end))) return "other";
      if (end !== -1) return this.#split(start + end);
    }
  }

  /** Takes what a read has brought; false at the end of the stream. */
  async #take(): Promise<boolean> {
    const count = await this.#reading!;
    this.#reading = undefined;
    if (count === null) return false;
    this.#length += checkCount(count);
    return true;
  }

  #split(end: number): RequestHead {
    const early = this.#bytes.slice(end, this.#length);
    return { head: this.#bytes.subarray(0, end), behind: prefixed(this.#conn, early) };
  }

  /** The connection from its first byte on, as if nothing had been read. */
  get whole(): StreamConn {
    const conn = this.#conn;
    let given = 0;
    return {
      read: async (p) => {
        while (given === this.#length) {
          if (this.#reading === undefined) return await conn.read(p);
          if (!await this.#take()) return null;
        }
        const count = Math.min(p.length, this.#length - given);
        p.set(this.#bytes.subarray(given, given += count));
        return count;
      },
      write: (p) => conn.write(p),
      closeWrite: () => conn.closeWrite(),
      close: () => closeQuietly(conn),
    };
  }
}

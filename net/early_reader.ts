/**
 * Reading ahead on a user's connection: the messages of a handshake as they come, and, until it is
 * answered, whether the user is still there.
 *
 * @module
 */

import type { StreamConn } from "./conn.ts";

/** How many bytes are read at once. */
const PIECE = 1024;

/** How many bytes of a user's are read before the request is answered. */
const MOST_EARLY = 16 * 1024;

/** Reads what there is, and gives back what nobody has asked for. */
export class EarlyReader implements Pick<StreamConn, "read" | "write"> {
  readonly #conn: Deno.TcpConn;
  readonly #read: (p: Uint8Array) => Promise<number | null>;
  readonly #early: Uint8Array[] = [];
  /** How many bytes that is. */
  #length = 0;
  /** The watch for the user's end, and what it reads with. */
  #gone: AbortController | undefined;
  #reading: Promise<void> | undefined;
  #watching = false;
  #ended = false;
  #error: unknown;

  /** Nobody else may read the connection until it is released. */
  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.#read = conn.read.bind(conn);
  }

  /** Reads for the handshake; what is behind it stays. */
  async read(p: Uint8Array): Promise<number | null> {
    const more = this.#early.length > 0 || await this.#readPiece();
    return more ? this.#take(p) : null;
  }

  write(p: Uint8Array): Promise<number> {
    return this.#conn.write(p);
  }

  /** Reads on; false at the end of the stream. */
  async #readPiece(): Promise<boolean> {
    const bytes = new Uint8Array(PIECE);
    const count = await this.#read(bytes);
    if (count === null) return false;
    this.#length += count;
    this.#early.push(bytes.subarray(0, count));
    return true;
  }

  #take(p: Uint8Array): number {
    const first = this.#early[0]!;
    const count = Math.min(p.length, first.length);
    p.set(first.subarray(0, count));
    this.#length -= count;
    if (count === first.length) this.#early.shift();
    else this.#early[0] = first.subarray(count);
    return count;
  }

  /**
   * Watches, from now on and until the connection is released, whether the user goes away. Nobody else
   * can tell that, so it reads.
   *
   * @returns Aborts when the connection breaks, or ends before a byte was sent on it.
   */
  watch(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController();
      this.#watching = true;
      this.#reading = this.#readEarly();
    }
    return this.#gone.signal;
  }

  async #readEarly(): Promise<void> {
    try {
      while (this.#watching && this.#length < MOST_EARLY) {
        if (await this.#readPiece()) continue;
        this.#ended = true;
        // One that has spoken may only have ended its own stream.
        if (this.#length === 0) {
          this.#giveUp(new Deno.errors.ConnectionAborted("The user has gone"));
        }
        return;
      }
    } catch (error) {
      this.#error = error;
      this.#giveUp(error);
    }
  }

  #giveUp(reason: unknown): void {
    if (this.#watching) this.#gone?.abort(reason);
  }

  /** Lets the connection be read by anybody, from the first byte on that nobody has asked for. */
  release(): void {
    this.#watching = false;
    if (this.#reading === undefined && this.#early.length === 0) return;
    this.#conn.read = (p) => this.#replay(p);
  }

  async #replay(p: Uint8Array): Promise<number | null> {
    if (this.#early.length === 0) await this.#reading;
    if (this.#early.length > 0) return this.#take(p);
    if (this.#error !== undefined) throw this.#error;
    if (this.#ended) return null;
    this.#conn.read = this.#read;
    return await this.#read(p);
  }
}

/**
 * Reading ahead on a user's connection: the messages of a handshake as they come, and, until it is
 * answered, whether the user is still there.
 *
 * @module
 */

import { closeQuietly, type StreamConn } from "./conn.ts";

/** How many bytes are read at once. */
const PIECE = 1024;

/** How many bytes of a user's are read before the request is answered. */
const MOST_EARLY = 16 * 1024;

/** Reads what there is, and gives back what nobody has asked for. */
export class EarlyReader implements StreamConn {
  readonly #conn: Deno.TcpConn;
  readonly #read: (p: Uint8Array) => Promise<number | null>;
  readonly #early: Uint8Array[] = [];
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
    if (this.#early.length === 0 && await this.#readPiece() === null) return null;
    return this.#take(p);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#conn.write(p);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    closeQuietly(this.#conn);
  }

  async #readPiece(): Promise<number | null> {
    const bytes = new Uint8Array(PIECE);
    const count = await this.#read(bytes);
    if (count !== null) this.#early.push(bytes.subarray(0, count));
    return count;
  }

  #take(p: Uint8Array): number {
    const first = this.#early[0]!;
    const count = Math.min(p.length, first.length);
    p.set(count === first.length ? first : first.subarray(0, count));
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
      let length = this.#early.reduce((sum, { length }) => sum + length, 0);
      while (this.#watching && length < MOST_EARLY) {
        const count = await this.#readPiece();
        if (count === null) {
          this.#ended = true;
          // One that has spoken may only have ended its own stream.
          if (length === 0) this.#giveUp(new Deno.errors.ConnectionAborted("The user has gone"));
          return;
        }
        length += count;
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

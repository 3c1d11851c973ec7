/**
 * Reading ahead on a user's connection: the messages of a handshake as they come, and, until it is
 * answered, whether the user is still there.
 *
 * @module
 */

import { checkCount, type StreamConn } from "./conn.ts";

/** How many bytes there is room for at first: the longest message of a handshake, in two parts. */
const FIRST_ROOM = 512;

/** How many bytes of a user's are read before the request is answered. */
const MOST_EARLY = 16 * 1024;

const NOTHING = new Uint8Array(0);

/** Reads what there is, and gives back what nobody has asked for. */
export class EarlyReader implements Pick<StreamConn, "write"> {
  readonly #conn: Deno.TcpConn;
  readonly #read: (p: Uint8Array) => Promise<number | null>;
  /** What was read and not asked for stands in it from start to end. */
  #bytes: Uint8Array = new Uint8Array(FIRST_ROOM);
  #start = 0;
  #end = 0;
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

  write(p: Uint8Array): Promise<number> {
    return this.#conn.write(p);
  }

  get #length(): number {
    return this.#end - this.#start;
  }

  /**
   * Takes bytes of the handshake, and no further.
   *
   * @throws {Deno.errors.UnexpectedEof} When the stream ends first.
   */
  take(count: number): Uint8Array | Promise<Uint8Array> {
    // Most messages have come whole, and to wait costs more than to take.
    return this.#length < count ? this.#waitAndTake(count) : this.#taken(count);
  }

  async #waitAndTake(count: number): Promise<Uint8Array> {
    while (this.#length < count) {
      if (!await this.#readOn()) {
        throw new Deno.errors.UnexpectedEof("The peer closed the connection in mid-message");
      }
    }
    return this.#taken(count);
  }

  #taken(count: number): Uint8Array {
    return this.#bytes.slice(this.#start, this.#start += count);
  }

  /** Reads on; false at the end of the stream. */
  async #readOn(): Promise<boolean> {
    this.#makeRoom();
    const count = await this.#read(this.#bytes.subarray(this.#end));
    if (count === null) return false;
    this.#end += checkCount(count);
    return true;
  }

  #makeRoom(): void {
    if (this.#length === 0) this.#start = this.#end = 0;
    if (this.#end < this.#bytes.length) return;
    const room = new Uint8Array(this.#start > 0 ? this.#bytes.length : 2 * this.#bytes.length);
    room.set(this.#bytes.subarray(this.#start));
    this.#bytes = room;
    this.#end -= this.#start;
    this.#start = 0;
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
        if (await this.#readOn()) continue;
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
    // What ended with it is over now, and shall not be kept by a read that waits.
    if (this.#gone?.signal.aborted === false) this.#gone = new AbortController();
    if (this.#reading === undefined && this.#length === 0) {
      this.#bytes = NOTHING; // Whoever keeps the request does not need it.
      return;
    }
    this.#conn.read = (p) => this.#replay(p);
  }

  async #replay(p: Uint8Array): Promise<number | null> {
    if (this.#length === 0) await this.#reading;
    if (this.#length > 0) {
      const count = Math.min(p.length, this.#length);
      p.set(this.#taken(count));
      return count;
    }
    if (this.#error !== undefined) throw this.#error;
    if (this.#ended) return null;
    this.#conn.read = this.#read;
    this.#bytes = NOTHING;
    return await this.#read(p);
  }
}

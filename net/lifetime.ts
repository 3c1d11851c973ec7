/**
 * What belongs to one carried connection, and ends with it.
 *
 * @module
 */

import { closeQuietly, Deadline, type StreamConn, unlessAborted } from "./conn.ts";

/**
 * Lets a transport do something for a time.
 *
 * @throws {DOMException} A `TimeoutError` when it takes longer than `milliseconds`.
 */
export async function inTime<T>(
  milliseconds: number,
  what: string,
  signal: AbortSignal,
  work: () => T | Promise<T>,
): Promise<T> {
  using deadline = new Deadline(milliseconds, what, signal);
  const done = (async () => await work())();
  return await unlessAborted(done, deadline.signal);
}

function checkConn(conn: StreamConn): StreamConn {
  const methods = ["read", "write", "closeWrite", "close"] as const;
  if (methods.every((method) => typeof conn?.[method] === "function")) return conn;
  throw new TypeError("The transport did not return a connection with read, write and close");
}

/** One for all lives: the stack that each would take down costs more than all else in a life. */
let ended: DOMException | undefined;

/** The connections and the signal of one carried connection; disposing of it ends them all. */
export class Lifetime implements Disposable {
  readonly #controller = new AbortController();
  readonly #owned = new Set<Pick<StreamConn, "close">>();
  readonly #outer: AbortSignal;
  readonly #follow = () => this.#controller.abort(this.#outer.reason);

  /** Starts a life that ends with `outer` at the latest. */
  constructor(outer: AbortSignal) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#follow);
    if (outer.aborted) this.#follow();
  }

  /** Aborts at the end of this life. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Takes over a connection: it is closed at the end of this life, or now when that has come. */
  own<T extends Pick<StreamConn, "close">>(conn: T): T {
    if (this.signal.aborted) closeQuietly(conn);
    this.#owned.add(conn);
    return conn;
  }

  /**
   * Lets a transport wrap or open a connection. Where that takes longer than `milliseconds`,
   * this life ends, and what it comes to later is closed.
   */
  async carry(
    milliseconds: number,
    transport: () => StreamConn | Promise<StreamConn>,
  ): Promise<StreamConn> {
    try {
      const carrier = transport();
      // A server that only wraps is done, and needs no timer.
      if (!(carrier instanceof Promise)) return this.own(checkConn(carrier));
      return await inTime(
        milliseconds,
        "The transport's handshake",
        this.signal,
        async () => this.own(checkConn(await carrier)),
      );
    } catch (error) {
      this.#controller.abort(error);
      throw error;
    }
  }

  /** Ends everything. */
  [Symbol.dispose](): void {
    this.#outer.removeEventListener("abort", this.#follow);
    this.#controller.abort(ended ??= new DOMException("The connection has ended", "AbortError"));
    this.#owned.forEach(closeQuietly);
  }
}

/**
 * What belongs to one carried connection, and ends with it.
 *
 * @module
 */

import {
  closeQuietly,
  type StreamConn,
  timeoutError,
  unlessAborted,
  withDeadline,
} from "../net/conn.ts";

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
  const done = (async () => await work())();
  return await withDeadline(milliseconds, what, signal, (late) => unlessAborted(done, late));
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
  readonly #owned = new Set<Pick<StreamConn, "close">>();
  readonly #outer: AbortSignal;
  readonly #follow = () => this.#end(this.#outer.reason);
  #over = false;
  #reason: unknown;
  /** Made when somebody asks for the signal: most transports do not. */
  #controller: AbortController | undefined;
  #interrupt: ((reason: unknown) => void) | undefined;

  /** Starts a life that ends with `outer` at the latest. */
  constructor(outer: AbortSignal) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#follow);
    if (outer.aborted) this.#follow();
  }

  #end(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#interrupt?.(reason);
  }

  /** Aborts at the end of this life. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#over) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Takes over a connection: it is closed at the end of this life, or now when that has come. */
  own<T extends Pick<StreamConn, "close">>(conn: T): T {
    if (this.#over) closeQuietly(conn);
    this.#owned.add(conn);
    return conn;
  }

  /** Waits for a connection, or for the end of this life, which comes after `milliseconds`. */
  async #wait(milliseconds: number, carrier: Promise<StreamConn>): Promise<StreamConn> {
    const { promise: interrupted, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#end(timeoutError("The transport's handshake", milliseconds));
    }, milliseconds);
    this.#interrupt = reject;
    if (this.#over) reject(this.#reason);
    try {
      const owned = carrier.then((conn) => this.own(checkConn(conn)));
      return await Promise.race([owned, interrupted]);
    } finally {
      clearTimeout(timer);
      this.#interrupt = undefined;
    }
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
      return await this.#wait(milliseconds, carrier);
    } catch (error) {
      this.#end(error);
      throw error;
    }
  }

  /** Ends everything. */
  [Symbol.dispose](): void {
    this.#outer.removeEventListener("abort", this.#follow);
    this.#end(ended ??= new DOMException("The connection has ended", "AbortError"));
    this.#owned.forEach(closeQuietly);
  }
}

/**
 * What belongs to one carried connection, and ends with it.
 *
 * @module
 */

import { closeInPeace, closeQuietly, type StreamConn } from "../net/conn.ts";
import {
  LONGEST_TIMER,
  timeoutError,
  unlessAborted,
  whenAborted,
  withDeadline,
} from "../net/deadline.ts";

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

/** Checks what a transport says is a connection. */
export function checkConn(conn: StreamConn): StreamConn {
  const methods = ["read", "write", "closeWrite", "close"] as const;
  if (methods.every((method) => typeof conn?.[method] === "function")) return conn;
  throw new TypeError("The transport did not return a connection with read, write and close");
}

/** How many connections a life has before it looks which of them are closed. */
const MANY = 8;

/** One for all lives: the stack that each would take down costs more than all else in a life. */
let ended: DOMException | undefined;

/** The connections and the signal of one carried connection; disposing of it ends them all. */
export class Lifetime implements Disposable {
  readonly #owned: Pick<StreamConn, "read" | "close">[] = [];
  readonly #release: () => void;
  #over = false;
  #reason: unknown;
  /** Made when somebody asks for the signal: most transports do not. */
  #controller: AbortController | undefined;
  #interrupt: ((reason: unknown) => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Starts the time of what is carried anew; undefined where nothing is limited. */
  #startTimer: (() => void) | undefined;
  /** Made when somebody says `waitUntil()`. */
  #awaited: Set<Promise<unknown>> | undefined;

  /** Starts a life that ends with `outer` at the latest. */
  constructor(outer: AbortSignal) {
    this.#release = whenAborted(outer, () => this.#end(outer.reason));
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
  own<T extends Pick<StreamConn, "read" | "close">>(conn: T): T {
    if (this.#over) closeQuietly(conn);
    if (this.#owned.includes(conn)) return conn;
    // Most transports dial once. One that dials for ever shall not have all of them kept.
    if (this.#owned.length >= MANY) this.#forgetWhenClosed(conn);
    this.#owned.push(conn);
    return conn;
  }

  #disown(conn: Pick<StreamConn, "read" | "close">): void {
    const index = this.#owned.indexOf(conn);
    if (index >= 0) this.#owned.splice(index, 1);
  }

  #forgetWhenClosed(conn: Pick<StreamConn, "read" | "close"> & Partial<Disposable>): void {
    const { close, [Symbol.dispose]: dispose } = conn;
    conn.close = () => {
      this.#disown(conn);
      close.call(conn);
    };
    if (dispose === undefined) return;
    conn[Symbol.dispose] = () => {
      this.#disown(conn);
      dispose.call(conn);
    };
  }

  /** Has this life go on until a promise is settled, whatever time that takes. */
  waitUntil(promise: Promise<unknown>): void {
    clearTimeout(this.#timer);
    const awaited = this.#awaited ??= new Set();
    const settled = Promise.resolve(promise).catch(() => {}).then(() => {
      awaited.delete(settled);
      if (awaited.size === 0) this.#startTimer?.();
    });
    awaited.add(settled);
  }

  /** Waits for what was given to `waitUntil()`, or for the end of this life. */
  async untilSettled(): Promise<void> {
    // What is awaited may ask for more.
    while (this.#awaited?.size && !this.#over) {
      await this.#unlessOver(Promise.all(this.#awaited)).catch(() => {});
    }
  }

  async #unlessOver<T>(promise: Promise<T>): Promise<T> {
    try {
      return await new Promise((resolve, reject) => {
        this.#interrupt = reject;
        if (this.#over) reject(this.#reason);
        promise.then(resolve, reject);
      });
    } finally {
      this.#interrupt = undefined;
    }
  }

  /**
   * Lets a transport wrap or open a connection. Where that takes longer than `milliseconds`,
   * this life ends.
   *
   * @param milliseconds How long it may take, unless it says `waitUntil()`.
   * @param transport What is to be done.
   * @param take Takes over what it comes to, also when that is too late.
   */
  async carry<T, U>(
    milliseconds: number,
    transport: () => T | Promise<T>,
    take: (result: T) => U,
  ): Promise<U> {
    try {
      const result = transport();
      // A server that only wraps is done, and needs no timer.
      if (!(result instanceof Promise)) return take(result);
      this.#startTimer = () => {
        this.#timer = setTimeout(() => {
          this.#end(timeoutError("The transport's handshake", milliseconds));
        }, Math.min(milliseconds, LONGEST_TIMER));
      };
      if (!this.#awaited?.size) this.#startTimer();
      return await this.#unlessOver(result.then(take));
    } catch (error) {
      this.#end(error);
      throw error;
    } finally {
      clearTimeout(this.#timer);
      this.#startTimer = undefined;
    }
  }

  /** Ends this life also when another signal aborts. */
  endWith(signal: AbortSignal): void {
    whenAborted(signal, () => this.#end(signal.reason));
  }

  /** Goes on when the outer signal aborts: from now on only disposing of it ends this life. */
  release(): void {
    this.#release();
  }

  /**
   * Ends this life after a normal end, in which some connections have been closed. The others end in
   * peace: what a transport has wrapped may still have to be read.
   */
  async finish(closed: readonly StreamConn[]): Promise<void> {
    const left = this.#owned.splice(0).filter((conn) => !closed.includes(conn as StreamConn));
    this[Symbol.dispose]();
    if (left.length > 0) await Promise.all(left.map(closeInPeace));
  }

  /** Ends everything. */
  [Symbol.dispose](): void {
    this.release();
    this.#end(ended ??= new DOMException("The connection has ended", "AbortError"));
    this.#owned.splice(0).forEach(closeQuietly);
  }
}

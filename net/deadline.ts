/**
 * How every wait of a handshake ends: by a deadline, a signal, or the peer.
 *
 * @module
 */

import type { StreamConn } from "./conn.ts";

/**
 * A signal that aborts after a time, or as soon as another one does. Disposing of it ends its
 * timer.
 *
 * @example
 * ```ts
 * import { Deadline } from "@ptlib/ptlib/net";
 *
 * using deadline = new Deadline(5_000, "the connection to the bridge");
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using _conn = await Deno.connect({
 *   hostname: "127.0.0.1",
 *   port: listener.addr.port,
 *   signal: deadline.signal,
 * });
 * ```
 */
export class Deadline implements Disposable {
  /** Aborts with a `TimeoutError`, or with the reason of the outer signal. */
  readonly signal: AbortSignal;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #release: () => void;

  /**
   * Starts the clock.
   *
   * @param milliseconds How long it may take.
   * @param what What takes the time, for the error's message.
   * @param outer A signal that ends it earlier.
   */
  constructor(milliseconds: number, what: string, outer?: AbortSignal | undefined) {
    const controller = new AbortController();
    const follow = () => controller.abort(outer?.reason);
    this.signal = controller.signal;
    this.#timer = setTimeout(() => {
      const seconds = milliseconds / 1000;
      controller.abort(new DOMException(`${what} took longer than ${seconds} s`, "TimeoutError"));
    }, milliseconds);
    this.#release = () => outer?.removeEventListener("abort", follow);
    if (outer?.aborted) follow();
    else outer?.addEventListener("abort", follow, { once: true });
  }

  /** Ends the timer; the signal will not abort any more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#release();
  }
}

/**
 * Takes the steps of a handshake on a connection. Where they fail, or the signal aborts, the
 * connection is closed: a half-done handshake is of no use to anybody.
 *
 * @param conn The connection; it stays open when the steps succeed.
 * @param signal Ends the handshake.
 * @param steps Reads and writes on the connection.
 * @returns What the steps return.
 * @throws {unknown} The signal's reason when it aborted, otherwise what the steps throw.
 *
 * @example
 * ```ts
 * import { Deadline, handshake, readFull } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const silent = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
 * using deadline = new Deadline(10, "the greeting");
 * let reason: unknown;
 * try {
 *   await handshake(silent, deadline.signal, () => readFull(silent, new Uint8Array(1)));
 * } catch (error) {
 *   reason = error;
 * }
 * if (!(reason instanceof DOMException && reason.name === "TimeoutError")) throw reason;
 * ```
 */
export async function handshake<T>(
  conn: Pick<StreamConn, "close">,
  signal: AbortSignal,
  steps: () => Promise<T>,
): Promise<T> {
  const close = () => closeQuietly(conn);
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    const result = await steps();
    signal.throwIfAborted();
    return result;
  } catch (error) {
    close();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/**
 * Closes a connection that may have been closed before: a second `close()` of Deno's throws. It
 * never throws, so that whatever else is to be closed gets its turn. What is `Disposable` is
 * disposed of instead.
 *
 * @param conn The connection.
 *
 * @example
 * ```ts
 * import { closeQuietly } from "@ptlib/ptlib/net";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * closeQuietly(listener);
 * closeQuietly(listener);
 * ```
 */
export function closeQuietly(conn: Pick<StreamConn, "close"> & Partial<Disposable>): void {
  try {
    // Deno's own are disposed of without an error where they are closed; to catch it takes 30 µs.
    const { [Symbol.dispose]: dispose } = conn;
    if (dispose === undefined) conn.close();
    else dispose.call(conn);
  } catch {
    // There is nothing left to be done for it.
  }
}

/**
 * Waits for a promise or for a signal, whichever comes first. The promise goes on for itself.
 *
 * @param promise What is waited for.
 * @param signal Ends the wait.
 * @returns What the promise resolves to.
 * @throws {unknown} The signal's reason when it aborts first, otherwise what the promise rejects
 * with.
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

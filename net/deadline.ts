/**
 * How every wait ends: after a time, or with a signal.
 *
 * @module
 */

/** All who wait for the same signal. */
class Waiting {
  readonly #signal: AbortSignal;
  readonly #calls = new Set<() => void>();
  readonly #callAll = () => this.#calls.forEach((call) => call());

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#callAll);
  }

  add(call: () => void): void {
    this.#calls.add(call);
  }

  delete(call: () => void): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0) return;
    this.#signal.removeEventListener("abort", this.#callAll);
    waiting.delete(this.#signal);
  }
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls a function when a signal aborts, or at once where it has. A signal looks through all its
 * listeners whenever one comes or goes, which is too much where thousands of connections end with
 * the same one: here they share one.
 *
 * @param signal The signal.
 * @param call What to call. It must not throw.
 * @returns Ends the wait.
 */
export function whenAborted(signal: AbortSignal, call: () => void): () => void {
  if (signal.aborted) {
    call();
    return () => {};
  }
  let all = waiting.get(signal);
  if (all === undefined) waiting.set(signal, all = new Waiting(signal));
  all.add(call);
  return () => all.delete(call);
}

/** `setTimeout` takes anything longer for 1 ms. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** What a wait ends with that has taken its whole time. */
export function timeoutError(what: string, milliseconds: number): DOMException {
  return new DOMException(`${what} took longer than ${milliseconds / 1000} s`, "TimeoutError");
}

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
  readonly #release: (() => void) | undefined;

  /**
   * Starts the clock.
   *
   * @param milliseconds How long it may take; `Infinity` for as long as a timer runs, 24 days.
   * @param what What takes the time, for the error's message.
   * @param outer A signal that ends it earlier.
   */
  constructor(milliseconds: number, what: string, outer?: AbortSignal | undefined) {
    const controller = new AbortController();
    this.signal = controller.signal;
    this.#timer = setTimeout(() => {
      controller.abort(timeoutError(what, milliseconds));
    }, Math.min(milliseconds, LONGEST_TIMER));
    this.#release = outer && whenAborted(outer, () => controller.abort(outer.reason));
  }

  /** Ends the timer; the signal will not abort any more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#release?.();
  }
}

/**
 * Does something under a {@linkcode Deadline}.
 *
 * @param milliseconds How long it may take; `Infinity` leaves it to the signal.
 * @param what What takes the time, for the error's message.
 * @param outer A signal that ends it earlier.
 * @param work What to do; its signal is the deadline's.
 * @returns What the work returns.
 */
export async function withDeadline<T>(
  milliseconds: number,
  what: string,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (milliseconds === Infinity && outer !== undefined) return await work(outer);
  // `using` would be a syntax error in Node 22, which has to get far enough to say that this needs
  // Deno.
  const deadline = new Deadline(milliseconds, what, outer);
  try {
    return await work(deadline.signal);
  } finally {
    deadline[Symbol.dispose]();
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
  const release = whenAborted(signal, () => reject(signal.reason));
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    release();
  }
}

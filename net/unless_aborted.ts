/**
 * Waiting for what has no signal of its own.
 *
 * @module
 */

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

/**
 * Waiting with an end.
 *
 * A good program answers at once, so a deadline is only waited out by one that fails the check:
 * generous ones cost nothing and never fail a good program on a slow machine.
 *
 * @module
 */

/** The result of a promise, or null when it has none yet after a time. */
export async function settled<T>(promise: Promise<T>, milliseconds: number): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), milliseconds);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

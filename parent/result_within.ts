/**
 * Waiting for a program with an end.
 *
 * A good program answers at once, so a deadline is only waited out by one that is broken: generous
 * ones cost nothing, and take no good program on a slow machine for a broken one.
 *
 * @module
 */

/** The result of a promise, or null when it has none yet after a time. */
export async function resultWithin<T>(
  promise: Promise<T>,
  milliseconds: number,
): Promise<T | null> {
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

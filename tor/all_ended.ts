/**
 * Waits for several things that must not go on behind a failure.
 *
 * @module
 */

/**
 * As `Promise.all`, but where one fails it waits for the others, too: what they write and start can
 * be removed then.
 *
 * @param promises What is waited for.
 * @returns What they resolve to.
 * @throws {unknown} What the first of them rejects with.
 */
export async function allEnded<T extends readonly unknown[] | []>(
  promises: T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

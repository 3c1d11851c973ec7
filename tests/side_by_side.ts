/** Doing the same to many things, some at a time. */

/** Uses each item, so many at once, until none is left or the signal aborts. */
export async function sideBySide<T>(
  items: Iterable<T>,
  atOnce: number,
  use: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const waiting = Iterator.from(items);
  const one = async () => {
    while (!signal?.aborted) {
      const { done, value } = waiting.next();
      if (done) return;
      await use(value);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

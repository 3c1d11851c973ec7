/** Numbers that look random and come again with the same seed. */

/** A generator of numbers from 0 to below 1: mulberry32. */
export function random(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 0;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let word = Math.imul(state ^ state >>> 15, 1 | state);
    word = word + Math.imul(word ^ word >>> 7, 61 | word) ^ word;
    return ((word ^ word >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Something of a table, each as often as its weight says. */
export function choose<T>(next: () => number, table: readonly (readonly [weight: number, T])[]): T {
  const total = table.reduce((sum, [weight]) => sum + weight, 0);
  let left = next() * total;
  for (const [weight, value] of table) if ((left -= weight) < 0) return value;
  return table.at(-1)![1];
}

/** A number between two others, small ones as often as large ones. */
export function between(next: () => number, low: number, high: number): number {
  return Math.floor(low * (high / low) ** next());
}

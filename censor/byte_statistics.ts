/**
 * Figures about bytes: set bits, printable ones, entropy, all of them or place by place.
 *
 * @module
 */

/** Tells whether a byte is printable ASCII, the space among it. */
export function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte <= 0x7e;
}

/** The number of bits that are 1. */
export function setBits(bytes: Uint8Array): number {
  let count = 0;
  for (let rest of bytes) {
    for (; rest > 0; rest &= rest - 1) count++;
  }
  return count;
}

/** The share of bytes that are printable ASCII; 0 of none. */
export function printableShare(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : bytes.filter(isPrintable).length / bytes.length;
}

/** The length of the longest row of printable ASCII. */
export function longestPrintableRun(bytes: Uint8Array): number {
  let [longest, run] = [0, 0];
  for (const byte of bytes) {
    run = isPrintable(byte) ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

/** How often each value occurs, of those that do. */
function frequencies(bytes: Iterable<number>): number[] {
  const counts = new Map<number, number>();
  for (const byte of bytes) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  return [...counts.values()];
}

/**
 * Estimates the entropy of the source of some bytes. A sample has less than its source; the
 * correction for that is Miller's and Madow's.
 *
 * @param bytes The sample.
 * @returns Bits per byte, 0 to 8.
 *
 * @example
 * ```ts
 * import { entropy } from "@ptlib/ptlib/censor";
 *
 * if (entropy(new Uint8Array(100)) !== 0) throw new Error();
 * ```
 */
export function entropy(bytes: Iterable<number>): number {
  const counts = frequencies(bytes);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  const seen = counts.reduce((sum, count) => sum - count / total * Math.log2(count / total), 0);
  return Math.min(8, seen + (counts.length - 1) / (2 * total * Math.LN2));
}

/**
 * What the bytes at one place of many messages are like.
 *
 * @example
 * ```ts
 * import type { Place } from "@ptlib/ptlib/censor";
 *
 * const isConstant = (place: Place) => place.values === 1;
 * ```
 */
export interface Place {
  /** How many bytes stand before it. */
  readonly position: number;
  /** How many different values it has. */
  readonly values: number;
  /** The value that is there most often. */
  readonly commonest: number;
  /** The entropy of the sample, in bits, without a correction. */
  readonly entropy: number;
  /** The share of messages with printable ASCII there. */
  readonly printable: number;
}

function placeAt(messages: readonly Uint8Array[], position: number): Place {
  const column = Uint8Array.from(messages.flatMap((message) => message[position] ?? []));
  const counts = new Map<number, number>();
  for (const byte of column) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  const [commonest = 0] = [...counts].reduce((best, next) => next[1] > best[1] ? next : best);
  const shares = [...counts.values()].map((count) => count / column.length);
  return {
    position,
    values: counts.size,
    commonest,
    entropy: shares.reduce((sum, share) => sum - share * Math.log2(share), 0),
    printable: printableShare(column),
  };
}

/** So many messages may be too short for a place, as those of a scanner in a capture are. */
const MOST_SHORT = 0.1;

/**
 * Looks at the same places of many messages.
 *
 * @param messages The messages.
 * @param most How many places at most.
 * @returns The places that nine of ten messages have, from the start.
 *
 * @example
 * ```ts
 * import { byPosition } from "@ptlib/ptlib/censor";
 *
 * const [first, second] = byPosition([Uint8Array.of(1, 2), Uint8Array.of(1, 3)], 16);
 * if (first?.values !== 1 || second?.entropy !== 1) throw new Error();
 * ```
 */
export function byPosition(messages: readonly Uint8Array[], most: number): Place[] {
  if (messages.length === 0) return [];
  const lengths = messages.map(({ length }) => length).sort((one, other) => one - other);
  const length = Math.min(most, lengths[Math.floor(MOST_SHORT * lengths.length)]!);
  return Array.from({ length }, (_, position) => placeAt(messages, position));
}

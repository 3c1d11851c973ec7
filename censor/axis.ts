/**
 * What stands at the axes of pictures: round numbers, and where times have their places.
 *
 * @module
 */

/** The next number that is 1, 2 or 5 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5].map((factor) => factor * power).find((round) => round >= value) ?? 10 * power;
}

/** Up to three round numbers to `most`. */
export function countTicks(most: number): number[] {
  const step = Math.max(1, roundUp(most / 3));
  return Array.from({ length: Math.floor(most / step) }, (_, index) => (index + 1) * step);
}

/** Shorter times than this, in milliseconds, stand close to each other. */
const SHORT = 0.1;

/**
 * Where a time stands on an axis from 0 to `end`: the start is 0 and the end 1. It is a logarithm,
 * and still has a place for 0, so that a millisecond and five seconds can both be read.
 */
export function placeOfTime(time: number, end: number): number {
  return Math.log1p(time / SHORT) / Math.log1p(end / SHORT);
}

/** The round numbers on such an axis; powers of ten are among them. Before them it has 0. */
export function timeTicks(end: number): number[] {
  const ticks: number[] = [];
  for (let time = SHORT; time <= end; time = roundUp(1.1 * time)) ticks.push(time);
  return ticks;
}

/** Whether a number is a power of ten, as far as numbers are exact. */
export function isDecade(value: number): boolean {
  return Number.isInteger(Math.log10(value));
}

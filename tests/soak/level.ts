/** Whether a figure stays where it is. */

import { median } from "../../bench/statistics.ts";

/** A figure at a time in seconds. */
export type Point = readonly [seconds: number, value: number];

/** How much a figure may grow: by a part of itself or by so much, whichever is more. */
export interface Tolerance {
  part: number;
  amount: number;
}

/** What a figure did. */
export interface Level {
  /** Its median in the fifth of the time after the first tenth, and in the last fifth. */
  early: number;
  late: number;
  /** By how much it grew per hour in the second half, by the line that fits best. */
  slope: number;
  /** Whether it grew by more than it may. */
  grew: boolean;
}

const WARM_UP = 1 / 10;
const FIFTH = 1 / 5;

function within(points: readonly Point[], from: number, to: number): Point[] {
  return points.filter(([seconds]) => seconds >= from && seconds <= to);
}

function medianOf(points: readonly Point[]): number {
  return median(points.map(([, value]) => value));
}

/** The slope of the line that fits best (least squares), per second. */
export function slopeOf(points: readonly Point[]): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [x, y] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const above = points.reduce((sum, [px, py]) => sum + (px - x) * (py - y), 0);
  const below = points.reduce((sum, [px]) => sum + (px - x) ** 2, 0);
  return below === 0 ? 0 : above / below;
}

/**
 * Judges a figure.
 *
 * @param points From the moment on when everything was running, in order.
 */
export function judge(points: readonly Point[], { part, amount }: Tolerance): Level {
  const [start, end] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 0];
  const at = (share: number) => start + share * (end - start);
  const early = medianOf(within(points, at(WARM_UP), at(WARM_UP + FIFTH)));
  const late = medianOf(within(points, at(1 - FIFTH), end));
  return {
    early,
    late,
    slope: slopeOf(within(points, at(0.5), end)) * 3600,
    grew: late - early > Math.max(part * early, amount),
  };
}

/** The figure's lowest values: each the least within so many seconds, which are over. */
export function floors(points: readonly Point[], width: number): Point[] {
  const start = points[0]?.[0] ?? 0;
  const end = points.at(-1)?.[0] ?? 0;
  const windows = Map.groupBy(points, ([seconds]) => Math.floor((seconds - start) / width));
  return [...windows].flatMap(([window, points]) => {
    const over = start + (window + 1) * width;
    return over > end ? [] : [[over, Math.min(...points.map(([, value]) => value))] as const];
  });
}

/** What must hold of a soak, and whether it does. */

import { floors, judge, type Level, type Point, type Tolerance } from "./level.ts";
import type { Moment, Rest, Rests, Soaked } from "./soak.ts";
import type { Sample } from "./samples.ts";

const MIB = 1024 * 1024;

/** The two programs that are judged. */
export const HALVES = ["client", "server"] as const;
export type Half = typeof HALVES[number];

/** A figure that has to stay level while connections churn. */
interface Figure {
  name: string;
  value(of: Sample[Half]): number;
  /** Whether garbage is in it: then only its lowest values count. */
  garbage: boolean;
  tolerance: Tolerance;
  inWords(value: number): string;
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

const count = (value: number) => value.toFixed(0);

/** The figures. */
export const FIGURES: readonly Figure[] = [
  {
    name: "memory (RSS)",
    value: ({ resident }) => resident,
    garbage: true,
    tolerance: { part: 0.15, amount: 16 * MIB },
    inWords: mebibytes,
  },
  {
    name: "heap and buffers",
    value: ({ heap, external }) => heap + external,
    garbage: true,
    tolerance: { part: 0.15, amount: 8 * MIB },
    inWords: mebibytes,
  },
  {
    name: "descriptors",
    value: ({ descriptors }) => descriptors,
    garbage: false,
    tolerance: { part: 0.01, amount: 100 },
    inWords: count,
  },
  {
    name: "timers",
    value: ({ timers }) => timers,
    garbage: false,
    tolerance: { part: 0.15, amount: 100 },
    inWords: count,
  },
  {
    name: "listeners",
    value: ({ listeners }) => listeners,
    garbage: true,
    tolerance: { part: 0.1, amount: 500 },
    inWords: count,
  },
];

/** Within so many seconds all garbage is collected once, with thousands of connections held. */
const COLLECTED = 180;
/** As many values it takes to say whether they grow, where only the lowest count or all. */
const FEWEST = { floors: 5, all: 30 } as const;
/** So many seconds pass until as many connections end as begin: none lives longer. */
const RAMP = 15;

/** What a figure of a half did while connections churned. */
export interface Judged extends Level {
  half: Half;
  figure: Figure;
  /** Whether the time was too short to tell. At rest the figure is judged in any case. */
  unknown: boolean;
}

function judgeFigure({ samples, churn: [from, to] }: Soaked, half: Half, figure: Figure): Judged {
  const points: Point[] = samples
    .filter(({ seconds }) => seconds >= from && seconds <= to)
    .map((sample) => [sample.seconds, figure.value(sample[half])]);
  const steady = points.filter(([seconds]) => seconds >= from + RAMP);
  const judged = figure.garbage ? floors(steady, COLLECTED) : steady;
  const unknown = judged.length < (figure.garbage ? FEWEST.floors : FEWEST.all);
  const level = judge(unknown ? points : judged, figure.tolerance);
  return { half, figure, ...level, unknown, grew: level.grew && !unknown };
}

/** Judges every figure of client and server. */
export function judgeAll(soaked: Soaked): Judged[] {
  return HALVES.flatMap((half) => FIGURES.map((figure) => judgeFigure(soaked, half, figure)));
}

/** What may be left over at rest, beyond what was there before. */
const LEFT_OVER = {
  descriptors: 4,
  timers: 4,
  listeners: 16,
  heap: 4 * MIB,
  external: 8 * MIB,
};

type Left = keyof typeof LEFT_OVER;

function leftOver(before: Rests, after: Rests, when: string): string[] {
  const figures = Object.keys(LEFT_OVER) as Left[];
  return HALVES.flatMap((half) =>
    figures.flatMap((figure) => {
      const [was, is] = [before[half][figure], after[half][figure]];
      if (is - was <= LEFT_OVER[figure]) return [];
      return [`${when} the ${half} has ${inWords(figure, is)}, and had ${inWords(figure, was)}`];
    })
  );
}

function inWords(figure: Left, value: number): string {
  if (figure === "heap") return `a heap of ${mebibytes(value)}`;
  return figure === "external" ? `buffers of ${mebibytes(value)}` : `${value} ${figure}`;
}

/** Everything that is wrong, a sentence each. */
export function findFaults(soaked: Soaked, judged: readonly Judged[]): string[] {
  const { faults, faultCount, rests } = soaked;
  const more = faultCount - faults.length;
  const grown = judged.filter(({ grew }) => grew).map(({ half, figure, early, late }) =>
    `the ${half}'s ${figure.name} grew from ${figure.inWords(early)} to ${figure.inWords(late)}`
  );
  return [
    ...faults,
    ...more > 0 ? [`and ${more} more like these`] : [],
    ...grown,
    ...leftOver(rests.held, rests.churned, "after the churning"),
    ...leftOver(rests.start, rests.end, "at the end"),
  ];
}

/** The moments of rest, in the order of time. */
export const MOMENTS: readonly (readonly [Moment, string])[] = [
  ["start", "before"],
  ["held", "with those held"],
  ["churned", "after the churning"],
  ["end", "at the end"],
];

/** A figure at rest, in words. */
export function restInWords(rest: Rest): string[] {
  return [
    ...[rest.resident, rest.heap, rest.external].map(mebibytes),
    ...[rest.descriptors, rest.timers, rest.listeners].map(count),
  ];
}

/** The figures that people look for first. The picture and the table of costs show them. */

import { GOPTLIB, MINIMAL, OUR_ROT13, OURS } from "./contestants.ts";
import type { Results } from "./results.ts";

/** A figure of a part, what it is called where its part is not seen, and which way is better. */
interface Place {
  part: string;
  figure: string;
  label: string;
  unit?: string;
  better: "more" | "less";
}

const rate = { unit: "MiB/s", better: "more" } as const;
const time = { unit: "ms", better: "less" } as const;

const FIRST: readonly Place[] = [
  { part: "rot13", figure: "up on 1, MiB/s", label: "rot13, 1 connection up", ...rate },
  { part: "rot13", figure: "down on 1, MiB/s", label: "rot13, 1 connection down", ...rate },
  { part: "rot13", figure: "up on 8, MiB/s", label: "rot13, 8 connections up", ...rate },
  { part: "rot13", figure: "down on 8, MiB/s", label: "rot13, 8 connections down", ...rate },
  { part: "throughput", figure: "up on 1, MiB/s", label: "plain, 1 connection up", ...rate },
  { part: "throughput", figure: "down on 1, MiB/s", label: "plain, 1 connection down", ...rate },
  { part: "throughput", figure: "up on 8, MiB/s", label: "plain, 8 connections up", ...rate },
  { part: "throughput", figure: "down on 8, MiB/s", label: "plain, 8 connections down", ...rate },
  { part: "throughput", figure: "up on 64, MiB/s", label: "plain, 64 connections up", ...rate },
  { part: "throughput", figure: "down on 64, MiB/s", label: "plain, 64 connections down", ...rate },
  {
    part: "connections",
    figure: "connections a second",
    label: "connections a second",
    better: "more",
  },
  {
    part: "connections",
    figure: "processor time of a connection, ms",
    label: "processor time of a connection",
    ...time,
  },
  {
    part: "connections",
    figure: "processor time of a connection, Extended ORPort, ms",
    label: "the same, Extended ORPort",
    ...time,
  },
  {
    part: "latency",
    figure: "512 bytes there and back on one processor, median ms",
    label: "512 bytes there and back, one processor",
    ...time,
  },
  {
    part: "fairness",
    figure: "512 bytes there and back, median ms",
    label: "512 bytes there and back, beside bulk",
    ...time,
  },
  {
    part: "fairness",
    figure: "a new connection, median ms",
    label: "a new connection beside bulk",
    ...time,
  },
  {
    part: "memory",
    figure: "an idle connection among 1000, KiB",
    label: "memory of one of 1,000 idle connections",
    unit: "KiB",
    better: "less",
  },
  {
    part: "memory",
    figure: "an idle connection among 9000, KiB",
    label: "memory of one of 9,000 idle connections",
    unit: "KiB",
    better: "less",
  },
];

/** A figure of the programs that are compared; the minimal one may have none. */
export interface Figure {
  label: string;
  unit: string | undefined;
  better: "more" | "less";
  ours: readonly number[];
  minimal: readonly number[] | undefined;
  theirs: readonly number[];
}

/** Those that were measured of ours and of goptlib, as often as there is a table that has them. */
export function firstFigures(results: Results): Figure[] {
  return FIRST.flatMap(({ part, figure, label, unit, better }) =>
    (results[part]?.tables ?? []).flatMap((table): Figure[] => {
      if ("head" in table) return [];
      const valuesOf = (name: string) => table.values[table.contestants.indexOf(name)]?.[figure];
      const ours = valuesOf(OURS.name) ?? valuesOf(OUR_ROT13.name);
      const [minimal, theirs] = [valuesOf(MINIMAL.name), valuesOf(GOPTLIB)];
      if (ours === undefined || theirs === undefined) return [];
      return [{ label, unit, better, ours, minimal, theirs }];
    })
  );
}

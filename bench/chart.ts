/** A picture of the figures that people look for first. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { document, svgFile } from "../tests/svg.ts";
import { GOPTLIB, MINIMAL, OUR_ROT13, OURS } from "./contestants.ts";
import type { Measured, Results } from "./results.ts";
import { medianRatio } from "./statistics.ts";

/** What is shown: a figure of a part, what the picture calls it, and which way is better. */
const FIGURES: readonly [part: string, figure: string, label: string, better: "more" | "less"][] = [
  ["rot13", "up on 1, MiB/s", "rot13, 1 connection up", "more"],
  ["rot13", "down on 1, MiB/s", "rot13, 1 connection down", "more"],
  ["rot13", "up on 8, MiB/s", "rot13, 8 connections up", "more"],
  ["throughput", "up on 1, MiB/s", "plain, 1 connection up", "more"],
  ["throughput", "down on 1, MiB/s", "plain, 1 connection down", "more"],
  ["throughput", "up on 8, MiB/s", "plain, 8 connections up", "more"],
  ["throughput", "down on 64, MiB/s", "plain, 64 connections down", "more"],
  ["connections", "connections a second", "connections a second", "more"],
  [
    "connections",
    "processor time of a connection, ms",
    "processor time of a connection",
    "less",
  ],
  [
    "latency",
    "512 bytes there and back on one processor, median ms",
    "latency, one processor",
    "less",
  ],
  ["fairness", "512 bytes there and back, median ms", "latency beside bulk", "less"],
  ["fairness", "a new connection, median ms", "new connection beside bulk", "less"],
  ["memory", "an idle connection among 1000, KiB", "memory, 1,000 idle connections", "less"],
];

const COLOURS = { ptlib: "#1f6feb", [MINIMAL.name]: "#888888" };

/** How much better than goptlib a contestant was at something. */
interface Point {
  label: string;
  who: string;
  better: number;
}

function pointsOf(table: Measured, figure: string, label: string, better: "more" | "less") {
  const { contestants, values } = table;
  const valuesOf = (name: string) => values[contestants.indexOf(name)]?.[figure];
  const theirs = valuesOf(GOPTLIB);
  if (theirs === undefined) return [];
  const ratio = (ours: number[]) =>
    better === "more" ? medianRatio(ours, theirs) : medianRatio(theirs, ours);
  const shown = [[OURS.name, "ptlib"], [OUR_ROT13.name, "ptlib"], [MINIMAL.name, MINIMAL.name]];
  return shown.flatMap(([name, who]): Point[] => {
    const ours = valuesOf(name!);
    return ours === undefined ? [] : [{ label, who: who!, better: ratio(ours) }];
  });
}

/** Draws it as SVG. */
export function chart(results: Results): string {
  const points = FIGURES.flatMap(([part, figure, label, better]) =>
    (results[part]?.tables ?? []).flatMap((table) =>
      "values" in table ? pointsOf(table, figure, label, better) : []
    )
  );
  const [width, height] = [760, 60 + 24 * FIGURES.length];
  const drawing = Plot.plot({
    document,
    width,
    height,
    marginLeft: 220,
    marginRight: 30,
    marginTop: 30,
    x: {
      type: "log",
      grid: true,
      label: "times as good as goptlib →",
      ticks: [0.5, 0.7, 1, 1.4, 2, 3],
    },
    y: { domain: FIGURES.map(([, , label]) => label), label: null },
    color: { domain: Object.keys(COLOURS), range: Object.values(COLOURS) },
    marks: [
      ...Object.entries(COLOURS).map(([who, fill], index) =>
        Plot.text([`● ${who}`], {
          frameAnchor: "top-left",
          dx: 8 + 60 * index,
          dy: -16,
          textAnchor: "start",
          fill,
        })
      ),
      Plot.ruleX([1], { stroke: "#444" }),
      Plot.dot(points, { x: "better", y: "label", stroke: "who", fill: "who", r: 4 }),
    ],
  });
  return svgFile(width, height, [drawing as never]);
}

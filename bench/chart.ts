/** A picture of the figures that people look for first. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { document, svgFile } from "../tests/svg.ts";
import { MINIMAL } from "./contestants.ts";
import { type Figure, firstFigures } from "./figures.ts";
import type { Results } from "./results.ts";
import { medianRatio } from "./statistics.ts";

const COLOURS = { ptlib: "#1f6feb", [MINIMAL.name]: "#888888" };

/** How much better than goptlib a contestant was at something. */
interface Point {
  label: string;
  who: string;
  better: number;
}

function pointsOf({ label, better, ours, minimal, theirs }: Figure): Point[] {
  const times = (values: readonly number[]) =>
    better === "more" ? medianRatio(values, theirs) : medianRatio(theirs, values);
  return [
    { label, who: "ptlib", better: times(ours) },
    ...minimal === undefined ? [] : [{ label, who: MINIMAL.name, better: times(minimal) }],
  ];
}

/** Draws it as SVG. */
export function chart(results: Results): string {
  const figures = firstFigures(results);
  const [width, height] = [760, 60 + 24 * figures.length];
  const drawing = Plot.plot({
    document,
    width,
    height,
    marginLeft: 270,
    marginRight: 30,
    marginTop: 30,
    x: {
      type: "log",
      grid: true,
      label: "times as good as goptlib →",
      ticks: [0.5, 0.7, 1, 1.4, 2, 3],
    },
    y: { domain: figures.map(({ label }) => label), label: null },
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
      Plot.dot(figures.flatMap(pointsOf), {
        x: "better",
        y: "label",
        stroke: "who",
        fill: "who",
        r: 4,
      }),
    ],
  });
  return svgFile(width, height, [drawing as never]);
}

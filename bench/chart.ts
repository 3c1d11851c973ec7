/** A picture of the figures that people look for first. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { document, type Drawing, svgFile } from "../tests/svg.ts";
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
  const points = figures.flatMap(pointsOf);
  const all = points.map(({ better }) => better);
  const [least, most] = [Math.min(0.5, ...all) / 1.1, Math.max(2, ...all) * 1.1];
  const [width, height] = [760, 70 + 24 * figures.length];
  const drawing: Drawing = Plot.plot({
    document,
    width,
    height,
    marginLeft: 270,
    marginRight: 30,
    marginTop: 30,
    marginBottom: 40,
    style: { color: "#222" },
    x: {
      type: "log",
      grid: true,
      label: "times as good as goptlib →",
      domain: [least, most],
      ticks: [0.1, 0.2, 0.5, 0.7, 1, 1.4, 2, 3, 5].filter((tick) => least < tick && tick < most),
      tickFormat: String, // The library would write 500m for a half.
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
      Plot.dot(points, {
        x: "better",
        y: "label",
        stroke: "who",
        fill: "who",
        r: 4,
      }),
    ],
  });
  return svgFile(width, height, [drawing]);
}

/** Pictures of figures, without a browser. */

import type * as Plot from "npm:@observablehq/plot@0.6.17";
import { parseHTML } from "npm:linkedom@0.18.12";

/** What `Plot.plot()` draws in. */
export const { document } = parseHTML("<!doctype html><html></html>") as unknown as {
  document: NonNullable<Plot.PlotOptions["document"]>;
};

/** What of an SVG element is used here. */
export interface Drawing {
  outerHTML: string;
  setAttribute(name: string, value: string): void;
}

/** Coordinates need no more than one digit behind the point. */
function shorten(svg: string): string {
  return svg.replaceAll(/\d+\.\d{2,}/g, (number) => Number(number).toFixed(1));
}

/** A file with drawings on white, which is readable wherever it is shown. */
export function svgFile(width: number, height: number, drawings: readonly Drawing[]): string {
  const size = `width="${width}" height="${height}"`;
  const parts = drawings.map(({ outerHTML }) => outerHTML).join("");
  return shorten(
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="system-ui, sans-serif">` +
      `<rect width="100%" height="100%" fill="white"/>${parts}</svg>\n`,
  );
}

/** The files that show what was measured: all are written from the figures that are kept. */

import { chart } from "./chart.ts";
import { format } from "./format.ts";
import { writeCostTable } from "./cost_table.ts";
import { type Results, writePage } from "./results.ts";

const MARKDOWN = new URL("RESULTS.md", import.meta.url);
const PICTURE = new URL("results.svg", import.meta.url);

/** Writes `RESULTS.md`, `results.svg` and the table of costs. */
export async function writePages(results: Results): Promise<void> {
  await Deno.writeTextFile(MARKDOWN, writePage(results));
  await format(MARKDOWN);
  await Deno.writeTextFile(PICTURE, chart(results));
  await format(PICTURE);
  await writeCostTable(results);
}

/** The table of docs/what-it-costs.md: some of what RESULTS.md says, and nothing else. */

import { writeTable } from "../tests/table_in_file.ts";
import { type Figure, firstFigures } from "./figures.ts";
import { type Results, writtenMedian } from "./results.ts";
import { medianRatio, table } from "./statistics.ts";

const HEAD = ["", "ptlib, `run()`", "goptlib", "a minimal Deno program", "`run()` / goptlib"];

function row({ label, unit, ours, minimal, theirs }: Figure): string[] {
  return [
    unit === undefined ? label : `${label}, ${unit}`,
    writtenMedian(ours),
    writtenMedian(theirs),
    minimal === undefined ? "" : writtenMedian(minimal),
    medianRatio(ours, theirs).toFixed(2),
  ];
}

/** The table in Markdown. */
export function costTable(results: Results): string {
  return table(HEAD, firstFigures(results).map(row));
}

/** Puts it into the document. */
export async function writeCostTable(results: Results): Promise<void> {
  await writeTable(
    new URL("../docs/what-it-costs.md", import.meta.url),
    "cost",
    costTable(results),
  );
}

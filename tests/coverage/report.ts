/** Writes coverage as Markdown. */

import { table as markdown } from "../../bench/statistics.ts";
import { type FileCoverage, percentage, type Share, sum } from "./lcov.ts";

function cells(share: Share): string[] {
  return [`${share.of}`, `${share.covered}`, percentage(share).toFixed(1)];
}

function row(name: string, files: readonly FileCoverage[]): string[] {
  const lines = sum(files.map(({ lines }) => lines));
  const branches = sum(files.map(({ branches }) => branches));
  return [name, ...cells(lines), ...cells(branches)];
}

/** The table: a row for each room, from the bottom to the top, and one for all of them. */
export function table(rooms: ReadonlyMap<string, readonly FileCoverage[]>): string {
  return markdown(["room", "lines", "covered", "%", "branches", "covered", "%"], [
    ...[...rooms].map(([room, files]) => row(room, files)),
    row("all", [...rooms.values()].flat()),
  ]);
}

/** Numbers as ranges, such as "1, 3-5". */
export function ranges(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b);
  const found: [first: number, last: number][] = [];
  for (const number of sorted) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(", ");
}

/** The lines that no test runs, and the lines with a branch that no test takes. */
export function missing(files: readonly FileCoverage[]): string {
  const sorted = files.toSorted((a, b) => a.file < b.file ? -1 : 1);
  return sorted.flatMap(({ file, missingLines, missingBranches }) => {
    if (missingLines.length + missingBranches.length === 0) return [];
    return [
      `- ${file}: lines ${ranges(missingLines) || "none"}; ` +
      `a branch of lines ${ranges(missingBranches) || "none"}`,
    ];
  }).join("\n");
}

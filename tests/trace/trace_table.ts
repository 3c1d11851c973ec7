/** What was seen of all programs, in Markdown, and its page. */

import { table } from "../../bench/statistics.ts";
import { writeTable } from "../table_in_file.ts";
import { faultsOf, type Row } from "./session.ts";

const PAGE = new URL("../../RELIABILITY.md", import.meta.url);

function counts(rows: readonly Row[]): string[] {
  const sum = (count: (row: Row) => number) => rows.reduce((all, row) => all + count(row), 0);
  return [
    sum(({ target }) => target === null ? 0 : 1),
    sum(({ seen }) => seen.toProxy),
    sum(({ seen }) => seen.elsewhere.length),
    sum(({ seen }) => seen.resolved.length),
    sum((row) => faultsOf(row).length === 0 ? 0 : 1),
  ].map(String);
}

/** A line for each program, and one for all. */
export function traceTable(rows: readonly Row[]): string {
  const programs = Map.groupBy(rows, ({ program }) => program);
  return table(["program", "users", "to the proxy", "elsewhere", "looked up", "wrong"], [
    ...Array.from(programs, ([name, its]) => [`\`${name}\``, ...counts(its)]),
    ["all", ...counts(rows)],
  ]);
}

/** Puts a table into its page. */
export async function writeTraceTable(text: string): Promise<void> {
  await writeTable(PAGE, "trace", text);
}

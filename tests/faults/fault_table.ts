/** The table of all faults, in Markdown, and its page. */

import { writeTable } from "../table_in_file.ts";
import { type FaultGroup, nameOf, type Outcome } from "./fault.ts";

const PAGE = new URL("../../docs/faults.md", import.meta.url);

const OK = { ok: "ok", failed: "**NO**", missing: "–" } as const;

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/**
 * One table, with the faults that have an outcome, in their order. What has come to the same in
 * several places stands in one row.
 */
export function faultTable(
  groups: readonly FaultGroup[],
  outcomes: ReadonlyMap<string, Outcome>,
): string {
  const all = groups.flatMap((group) =>
    group.faults.flatMap((fault) => {
      const outcome = outcomes.get(nameOf(group, fault));
      if (outcome === undefined) return [];
      const { happened, result } = outcome;
      const what = `${group.name}: ${fault.what}`;
      return [{ what, where: fault.where, rest: [fault.must, happened, OK[result]] }];
    })
  );
  const rows = Map.groupBy(all, ({ what, rest }) => JSON.stringify([what, rest]));
  const lines = Array.from(rows.values(), (same) => {
    const [{ what, rest }] = same as [typeof same[number]];
    return row([what, same.map(({ where }) => where).join(", "), ...rest]);
  });
  const head = ["fault", "where", "what must happen", "what happened", "ok?"];
  return [row(head), row(["---", "---", "---", "---", "---"]), ...lines].join("\n");
}

/** Puts a table into its page. */
export async function writeFaultTable(table: string): Promise<void> {
  await writeTable(PAGE, "faults", table);
}

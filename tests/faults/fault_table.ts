/** The table of all faults, in Markdown, and its place in RELIABILITY.md. */

import { type FaultGroup, nameOf, type Outcome } from "./fault.ts";

const RELIABILITY = new URL("../../RELIABILITY.md", import.meta.url);
/** The table stands between these lines. */
const [START, END] = ["<!-- faults -->\n", "<!-- /faults -->\n"];

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

/** Puts a table into RELIABILITY.md. */
export async function writeFaultTable(table: string): Promise<void> {
  const text = await Deno.readTextFile(RELIABILITY);
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start === -1 || end < start) throw new Error(`RELIABILITY.md has no ${START}${END}`);
  const [before, after] = [text.slice(0, start + START.length), text.slice(end)];
  // Cells of one row have very different lengths: filled up they would be hard to read.
  const plain = `<!-- deno-fmt-ignore-start -->\n\n${table}\n\n<!-- deno-fmt-ignore-end -->`;
  await Deno.writeTextFile(RELIABILITY, `${before}\n${plain}\n\n${after}`);
}

/**
 * The table of probes: what was sent, what came back, and how and when the connection ended.
 *
 * @module
 */

import { escaped } from "./drawing.ts";
import { readableBytes } from "./readable_bytes.ts";
import type { ProbeOutcome } from "./send_probe.ts";

const HEADS = ["Probe", "Times", "Bytes sent", "Bytes answered", "End", "After"];

const ENDINGS = { fin: "FIN", rst: "RST", open: "left open", refused: "refused" } as const;

function endOf({ ending, then }: ProbeOutcome): string {
  return then === "reset" && ending === "open" ? "torn down by the prober" : ENDINGS[ending];
}

/** From when to when probes of one kind were ended. */
function timesOf(outcomes: readonly ProbeOutcome[]): string {
  const times = outcomes.flatMap(({ milliseconds }) => milliseconds ?? []);
  if (times.length === 0) return "";
  const [first, last] = [Math.min(...times), Math.max(...times)].map(Math.round);
  return first === last ? `${first} ms` : `${first} to ${last} ms`;
}

/** How much of an answer is shown, in bytes. */
const SHOWN = 32;

function beginningOf({ answer }: ProbeOutcome): string {
  return readableBytes(answer.subarray(0, SHOWN)) + (answer.length > SHOWN ? " ..." : "");
}

/**
 * How the answers begin: the first of them, and how many others there are. It has a row for itself,
 * as it is long, and most probes have none.
 */
function answerRow(outcomes: readonly ProbeOutcome[]): string {
  const [first = "", ...others] = new Set(outcomes.map(beginningOf));
  if (first === "") return "";
  const more = others.length === 0 ? "" : `, or otherwise (${others.length} more)`;
  return `<tr><td colspan="${HEADS.length}" class="answer">answer: <code>${
    escaped(first)
  }</code>${more}</td></tr>`;
}

function textCell(text: string): string {
  return `<td>${escaped(text)}</td>`;
}

/** One row for all that were taken the same, and what they were answered. */
function rowsOf(outcomes: readonly ProbeOutcome[]): string[] {
  const groups = Map.groupBy(outcomes, (outcome) => {
    const { name, bytes, answer } = outcome;
    return [name, bytes.length, answer.length, endOf(outcome)].join("\n");
  });
  return Array.from(groups.values(), (group) => {
    const [first] = group as [ProbeOutcome, ...ProbeOutcome[]];
    const { name, bytes, answer } = first;
    const numbers = [group.length, bytes.length, answer.length].map(String);
    const cells = [name, ...numbers, endOf(first), timesOf(group)].map(textCell);
    return `<tr>${cells.join("")}</tr>${answerRow(group)}`;
  });
}

/**
 * Writes the table.
 *
 * @param probes What became of probes.
 * @returns HTML elements.
 */
export function probeTable(probes: readonly ProbeOutcome[]): string {
  const heads = HEADS.map((head) => `<th>${head}</th>`).join("");
  return `<p class="caption">Of an answer, the first ${SHOWN} bytes are shown. One that is not
printable, and a backslash, is <code>\\x</code> with its two digits.</p>
<div class="wide"><table><tr>${heads}</tr>${rowsOf(probes).join("")}</table></div>`;
}

/** Writes what became of the mutants, as Markdown. */

import { table } from "../../bench/statistics.ts";
import type { Mutant } from "./mutants.ts";
import { changeOf, reasonFor } from "./survivors.ts";
import type { Outcome } from "./trial.ts";

/** What became of a mutant. */
export interface Result {
  mutant: Mutant;
  outcome: Outcome;
}

/** Whether the tests found it. */
export function found({ outcome }: Result): boolean {
  return outcome === "killed" || outcome === "hangs";
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "-" : `${(100 * part / whole).toFixed(1)} %`;
}

function row(name: string, results: readonly Result[]): string[] {
  const killed = results.filter(found);
  const hangs = results.filter(({ outcome }) => outcome === "hangs");
  const unreached = results.filter(({ outcome }) => outcome === "is not reached");
  const numbers = [results, killed, hangs, unreached].map(({ length }) => `${length}`);
  return [name, ...numbers, percent(killed.length, results.length)];
}

function inCode(text: string): string {
  const fence = text.includes("`") ? "``" : "`";
  return `${fence}${text.replaceAll("|", "\\|")}${fence}`;
}

/** A mutant that was not found, where it is, and why that is no fault of the tests. */
export function survivorLine({ mutant, outcome }: Result): string {
  const reason = reasonFor(mutant) ?? "**no reason is given**";
  const { id, file, line } = mutant;
  return `- ${file}:${line} (${id}) ${inCode(changeOf(mutant))} ${outcome}: ${reason}`;
}

/** The whole report. */
export function report(results: readonly Result[]): string {
  const byFile = Map.groupBy(results, ({ mutant }) => mutant.file);
  const survivors = results.filter((result) => !found(result));
  const head = ["file", "mutants", "found", "by a hang", "not reached", "found of all"];
  const rows = [...byFile].map(([file, results]) => row(file, results));
  return [table(head, [...rows, row("all", results)]), "", ...survivors.map(survivorLine)]
    .join("\n");
}

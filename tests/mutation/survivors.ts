/** The reasons why mutants need not be found, which tests/mutation/survivors.json holds. */

import type { Mutant } from "./mutants.ts";
import list from "./survivors.json" with { type: "json" };

/** Mutants of one line, wherever in its file that stands. */
interface Entry {
  file: string;
  /** The line of the source, without what is around it. */
  text: string;
  /** What becomes of it, as a report says it. */
  changes: string[];
  reason: string;
}

const entries: readonly Entry[] = list;

/** A mutant's change in words. */
export function changeOf({ from, to }: Mutant): string {
  const short = (text: string) =>
    text.length > 60 ? `${text.slice(0, 40)} ... ${text.slice(-15)}` : text;
  return `${short(from)} → ${short(to) || "nothing"}`;
}

/** Why a mutant need not be found; null where nobody has said so. */
export function reasonFor(mutant: Mutant): string | null {
  const change = changeOf(mutant);
  const entry = entries.find(({ file, text, changes }) =>
    file === mutant.file && text === mutant.text && changes.includes(change)
  );
  return entry?.reason ?? null;
}

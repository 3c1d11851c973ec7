/**
 * How the results of `ptlib check` read, and what they come to.
 *
 * @module
 */

import { type Cause, causesOf, haveOneCause } from "../check/causes.ts";
import type { CheckInfo, CheckResult } from "../check/check.ts";
import { breaksMust, nothingCarried, objections } from "../check/objections.ts";
import { fold, foldCommand } from "./fold.ts";
import { harmless, type painter } from "./terminal.ts";

const MARKS = { ok: "ok  ", failed: "FAIL", skipped: "skip", error: "ERR " } as const;
const STYLES = { ok: "green", failed: "red", skipped: "yellow", error: "red" } as const;
/** The status when there is no verdict: not enough could be checked, or the checker failed. */
export const NOT_CHECKED = 3;
const LEVELS = ["MUST", "SHOULD", "robustness", "extra"] as const;
const [ID_WIDTH, LEVEL_WIDTH] = [32, 10];
const BELOW = " ".repeat(7);

/** The number of results of each kind. */
export interface Count {
  passed: number;
  failed: number;
  skipped: number;
  errors: number;
}

/** What a check is, and what it says. */
export function columns(mark: string, check: CheckInfo, text = check.title): string {
  const name = `${check.role}/${check.id}`.padEnd(ID_WIDTH);
  const lead = [mark, name, check.level.padEnd(LEVEL_WIDTH)].filter((text) => text !== "");
  return fold(`${lead.join(" ")} `, text);
}

/** What a check is, with its section. */
export function description(check: CheckInfo): string {
  return columns("", check, `${check.title} (${check.section})`);
}

/** What the programs said of a check that did not pass, each thing behind who said it. */
export function wordsOf(result: CheckResult): [who: string, words: string][] {
  if (result.outcome !== "failed" && result.outcome !== "skipped") return [];
  const other = result.role === "client" ? "server" : "client";
  return [
    ...result.said.map((words): [string, string] => ["it said:", words]),
    ...result.otherSaid.map((words): [string, string] => [`the ${other} said:`, words]),
  ];
}

/** One line for a check, and for one that failed what to know about it. */
export function report(
  result: CheckResult,
  paint: ReturnType<typeof painter>,
  byHand: (result: CheckResult) => string,
): string {
  const line = columns(paint(STYLES[result.outcome], MARKS[result.outcome]), result);
  const below = (label: string, text: string) => fold(BELOW + label, harmless(text));
  const said = wordsOf(result).map(([who, words]) => below(`${who.padEnd(9)} `, words));
  switch (result.outcome) {
    case "ok":
      return line;
    case "skipped":
      return [line, below("", result.reason), ...said].join("\n");
    case "error":
      return `${line}\n${below("the checker: ", result.problem)}`;
    case "failed":
      return [
        line,
        below("rule:     ", result.section),
        below("expected: ", result.expected),
        below("got:      ", result.got),
        ...said,
        foldCommand(`${BELOW}by hand:  `, harmless(byHand(result))),
      ].join("\n");
  }
}

/** The result that has told already what there is to say of another one. */
export function toldBy(
  result: CheckResult,
  before: readonly CheckResult[],
): CheckResult | undefined {
  if (result.outcome === "failed") {
    return before.find((other) => other.outcome === "failed" && haveOneCause(other, result));
  }
  if (result.outcome !== "skipped") return undefined;
  return before.find((other) => other.outcome === "skipped" && other.reason === result.reason);
}

/** One line for a result of which another one has told everything. */
export function reportAgain(
  result: CheckResult,
  known: CheckResult,
  paint: ReturnType<typeof painter>,
): string {
  const mark = paint(STYLES[result.outcome], MARKS[result.outcome]);
  return columns(
    mark,
    result,
    `as ${known.role === result.role ? "" : `${known.role}/`}${known.id}`,
  );
}

function causeLine({ level, role, ids }: Cause): string {
  return fold(`  ${level.padEnd(LEVEL_WIDTH)} `, `${role}/${ids.join(", ")}`);
}

/** The causes of the failures, the worst first, where there are several failures to remember. */
export function recap(results: readonly CheckResult[]): string[] {
  const causes = causesOf(results);
  const failed = results.filter(({ outcome }) => outcome === "failed").length;
  if (failed < 2) return [];
  const byLevel = LEVELS.flatMap((level) => causes.filter((cause) => cause.level === level));
  const one = causes.length === 1 ? "1 cause" : `${causes.length} causes`;
  return [`${failed} failures of ${one}:`, ...byLevel.map(causeLine)];
}

/** How many results of each kind there are. */
export function countOf(results: readonly CheckResult[]): Count {
  const number = (outcome: CheckResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).length;
  return {
    passed: number("ok"),
    failed: number("failed"),
    skipped: number("skipped"),
    errors: number("error"),
  };
}

/** The same, for each level. */
export function countByLevel(
  results: readonly CheckResult[],
): Record<(typeof LEVELS)[number], Count> {
  const count = (level: string) => countOf(results.filter((result) => result.level === level));
  const [must, should, robustness, extra] = [
    count("MUST"),
    count("SHOULD"),
    count("robustness"),
    count("extra"),
  ];
  return { MUST: must, SHOULD: should, robustness, extra };
}

/** The number of failures of each level, where there is one. */
export function failuresByLevel(results: readonly CheckResult[]): string {
  const levels = countByLevel(results);
  const counts = LEVELS.map((level) => [levels[level].failed, level] as const)
    .filter(([failed]) => failed > 0).map(([failed, level]) => `${failed} ${level}`);
  return counts.length === 0 ? "" : ` (${counts.join(", ")})`;
}

/** Zero says that the program is a good one, so it takes more than that nothing was found. */
export function statusOf(results: readonly CheckResult[]): number {
  if (breaksMust(results)) return 1;
  return objections(results).length === 0 ? 0 : NOT_CHECKED;
}

/** Why nothing that was to be carried could be judged, each reason once; nothing where something was. */
export function whyNothingCarried(results: readonly CheckResult[]): string[] {
  const carrying = nothingCarried(results);
  const told = carrying.filter((result) => toldBy(result, before(result, carrying)) === undefined);
  const reasons = told.flatMap((result) => [
    fold(
      `  ${result.role}/relay-bytes `,
      result.outcome === "skipped" ? harmless(result.reason) : "",
    ),
    ...wordsOf(result).map(([who, words]) => fold(`  ${who} `, harmless(words))),
  ]);
  return reasons.length === 0
    ? []
    : ["no connection through the program could be judged:", ...reasons];
}

function before(result: CheckResult, results: readonly CheckResult[]): readonly CheckResult[] {
  return results.slice(0, results.indexOf(result));
}

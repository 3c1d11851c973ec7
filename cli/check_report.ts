/**
 * How the results of `ptlib check` read, and what they come to.
 *
 * @module
 */

import type { CheckInfo, CheckResult } from "../check/check.ts";
import { harmless, type painter } from "./terminal.ts";

const MARKS = { ok: "ok  ", failed: "FAIL", skipped: "skip", error: "ERR " } as const;
const STYLES = { ok: "green", failed: "red", skipped: "yellow", error: "red" } as const;
/** The status when there is no verdict: not enough could be checked, or the checker failed. */
export const NOT_CHECKED = 3;
const LEVELS = ["MUST", "SHOULD", "robustness", "extra"] as const;
const [ID_WIDTH, LEVEL_WIDTH, SECTION_WIDTH] = [32, 10, 21];

/** The number of results of each kind. */
export interface Count {
  passed: number;
  failed: number;
  skipped: number;
  errors: number;
}

/** What a check is, in the columns of a line. */
export function columns(mark: string, check: CheckInfo): string {
  return [
    mark,
    `${check.role}/${check.id}`.padEnd(ID_WIDTH),
    check.level.padEnd(LEVEL_WIDTH),
    check.section.padEnd(SECTION_WIDTH),
    check.title,
  ].filter((text) => text !== "").join(" ");
}

/** One line for a check, and for one that failed what to know about it. */
export function report(result: CheckResult, paint: ReturnType<typeof painter>): string {
  const line = columns(paint(STYLES[result.outcome], MARKS[result.outcome]), result);
  if (result.outcome === "ok") return line;
  if (result.outcome === "skipped") {
    return `${line} ${paint("dim", `(${harmless(result.reason)})`)}`;
  }
  if (result.outcome === "error") return `${line}\n       the checker: ${harmless(result.problem)}`;
  return [
    line,
    `       expected: ${harmless(result.expected)}`,
    `       got:      ${harmless(result.got)}`,
    ...result.said.map((words) => `       it said:  ${harmless(words)}`),
    `       by hand:  ${harmless(result.byHand)}`,
  ].join("\n");
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

/** The number of failures of each level, where there is one. */
export function failuresByLevel(results: readonly CheckResult[]): string {
  const counts = LEVELS.map((level) => {
    const failed = results.filter((it) => it.outcome === "failed" && it.level === level);
    return failed.length === 0 ? "" : `${failed.length} ${level}`;
  }).filter((text) => text !== "");
  return counts.length === 0 ? "" : ` (${counts.join(", ")})`;
}

/** Zero says that the program is a good one, so it takes more than that nothing was found. */
export function statusOf(
  results: readonly CheckResult[],
  { passed, failed, errors }: Count,
): number {
  if (results.some(({ outcome, level }) => outcome === "failed" && level === "MUST")) return 1;
  return errors > 0 || passed + failed === 0 || carriedNothing(results) ? NOT_CHECKED : 0;
}

/** Whether it was tried to carry something, and that could not be judged. */
export function carriedNothing(results: readonly CheckResult[]): boolean {
  const carrying = results.filter(({ id }) => id === "relay-bytes");
  return carrying.length > 0 && carrying.every(({ outcome }) => outcome === "skipped");
}

/**
 * What stands against a program after its checks.
 *
 * @module
 */

import type { CheckResult } from "./check.ts";

/** Whether a program breaks a rule that counts. */
export function breaksMust(results: readonly CheckResult[]): boolean {
  return results.some(({ outcome, level }) => outcome === "failed" && level === "MUST");
}

/** The results that tell why nothing that was to be carried could be judged; none where something was. */
export function nothingCarried(results: readonly CheckResult[]): CheckResult[] {
  const carrying = results.filter(({ id }) => id === "relay-bytes");
  return carrying.every(({ outcome }) => outcome === "skipped") ? carrying : [];
}

/** What a result says against the program, or against the check of it. */
function objectionOf(result: CheckResult): string[] {
  const name = `${result.role}/${result.id}`;
  if (result.outcome === "error") return [`${name}: the checker failed: ${result.problem}`];
  if (result.outcome !== "failed" || result.level !== "MUST") return [];
  return [`${name}: expected ${result.expected}; got ${result.got}`];
}

/**
 * Tells what keeps a program from being called a good one: each MUST that fails, each error of the
 * checker, and that nothing could be judged, or no connection through it. `ptlib check` ends with
 * status 0 where there is none.
 *
 * @param results What came of the checks.
 * @returns A sentence for each; none for a good program.
 *
 * @example
 * ```ts
 * import { check, objections } from "@ptlib/ptlib/check";
 *
 * async function expectGood(command: string[], transport: string): Promise<void> {
 *   const against = objections(await Array.fromAsync(check(command, { transport })));
 *   if (against.length > 0) throw new Error(against.join("\n"));
 * }
 * ```
 */
export function objections(results: readonly CheckResult[]): string[] {
  const unjudged = nothingCarried(results).flatMap((result) =>
    result.outcome === "skipped"
      ? [`${result.role}/${result.id}: no connection could be judged: ${result.reason}`]
      : []
  );
  const made = results.some(({ outcome }) => outcome !== "skipped");
  return [
    ...results.flatMap(objectionOf),
    ...unjudged,
    ...made ? [] : ["nothing could be judged: every check was skipped"],
  ];
}

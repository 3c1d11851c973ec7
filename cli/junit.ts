/**
 * The results of `ptlib check` as JUnit XML, which services that build and test read.
 *
 * @module
 */

import type { CheckResult } from "../check/check.ts";
import { wordsOf } from "./check_report.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** Text for an attribute. Control characters are not allowed in XML, not even escaped. */
function escape(text: string): string {
  return text.replace(/\p{Cc}/gu, "?").replace(/[&<>"]/g, (char) => ESCAPES[char] ?? char);
}

/** What the programs said, for the end of a message. */
function words(result: CheckResult): string {
  return wordsOf(result).map(([who, words]) => `; ${who} ${words}`).join("");
}

/** What came of a check that did not pass. */
function outcomeOf(result: CheckResult): string {
  switch (result.outcome) {
    case "ok":
      return "";
    case "skipped":
      return `<skipped message="${escape(result.reason + words(result))}"/>`;
    case "error":
      return `<error message="${escape(result.problem)}"/>`;
    case "failed": {
      const { expected, got, byHand } = result;
      const message = `expected ${expected}, got ${got}${words(result)}; by hand: ${byHand}`;
      return `<failure type="${result.level}" message="${escape(message)}"/>`;
    }
  }
}

function testCase(result: CheckResult): string {
  const { role, id, level, section, title } = result;
  const name = escape(`${id}: ${title} (${level}, ${section})`);
  const outcome = outcomeOf(result);
  const start = `<testcase classname="${role}" name="${name}"`;
  return outcome === "" ? `${start}/>` : `${start}>${outcome}</testcase>`;
}

/** What ended the checks before the last: without it, those that were made look like all. */
function unfinished(problem: string): string {
  const start = '<testcase classname="ptlib" name="makes every check">';
  return `${start}<error message="${escape(problem)}"/></testcase>`;
}

/**
 * Writes results as JUnit XML: a suite for the transport, a case a check.
 *
 * @param transport The transport's name.
 * @param results What came of the checks.
 * @param problem What ended them before the last, or null.
 * @returns The document.
 */
export function junit(
  transport: string,
  results: readonly CheckResult[],
  problem: string | null,
): string {
  const number = (outcome: CheckResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).length;
  const broken = problem === null ? [] : [unfinished(problem)];
  const counts = `tests="${results.length + broken.length}" failures="${number("failed")}" ` +
    `errors="${number("error") + broken.length}" skipped="${number("skipped")}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${escape(transport)}" ${counts}>`,
    ...[...results.map(testCase), ...broken].map((line) => `  ${line}`),
    "</testsuite>\n",
  ].join("\n");
}

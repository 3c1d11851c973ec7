/**
 * The results of `ptlib check` as one JSON object that is written bit by bit: a line a check, as
 * soon as it is made. What was made before a crash or an interrupt is there, and whole.
 *
 * @module
 */

import { causesOf } from "../check/causes.ts";
import type { CheckResult } from "../check/check.ts";
import { countByLevel, countOf } from "./check_report.ts";
import { print } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** An object that is being written. */
export class JsonReport {
  #separator = "";

  constructor(command: readonly string[], transport: string) {
    const versions = { ptlib: VERSION, deno: Deno.version.deno, os: Deno.build.target };
    const head = JSON.stringify({ command, transport, versions });
    print(`${head.slice(0, -1)},"checks":[`);
  }

  /** Writes a result. */
  add(result: CheckResult): void {
    print(`${this.#separator}${JSON.stringify(result)}`);
    this.#separator = ",";
  }

  /** Writes what they come to; `problem` is what ended the checks before the last. */
  end(results: readonly CheckResult[], problem: string | null): void {
    const levels = countByLevel(results);
    const [counts, causes] = [countOf(results), causesOf(results)];
    const whole = problem === null;
    const foot = { ...counts, levels, causes, whole, ...problem !== null && { problem } };
    print(`],${JSON.stringify(foot).slice(1)}`);
  }
}

/**
 * Why a pluggable transport could not be launched.
 *
 * @module
 */

import { printable } from "../grammar.ts";
import { withoutEscapeCodes } from "./escape_codes.ts";

/**
 * What went wrong, for programs:
 *
 * - `not-started`: there is no such program, or it may not be run;
 * - `exited`: it ended, or closed its stdout, before it had reported all methods;
 * - `timeout`: it had not reported all methods in time;
 * - `version`: it does not speak version 1;
 * - `environment`: it said `ENV-ERROR`;
 * - `proxy`: it cannot use the upstream proxy, or did not say that it would;
 * - `line`: a line is malformed, for instance by an address nobody can connect to;
 * - `order`: a line came where it may not;
 * - `transport`: it reported a transport that was not asked for, or one twice;
 * - `no-method`: not one transport could be started.
 *
 * @example
 * ```ts
 * import type { LaunchFailure } from "@ptlib/ptlib/parent";
 *
 * const isOurMistake = (reason: LaunchFailure) => reason === "not-started";
 * ```
 */
export type LaunchFailure =
  | "not-started"
  | "exited"
  | "timeout"
  | "version"
  | "environment"
  | "proxy"
  | "line"
  | "order"
  | "transport"
  | "no-method";

/** A program's words as printable ASCII. */
export function legible(text: string): string {
  return printable(withoutEscapeCodes(text));
}

/**
 * A pluggable transport could not be launched. It is not running any more.
 *
 * @example
 * ```ts
 * import { launchClient, LaunchError } from "@ptlib/ptlib/parent";
 *
 * const stateDirectory = await Deno.makeTempDir();
 * try {
 *   await launchClient(["/no/such/program"], { transports: ["obfs4"], stateDirectory });
 * } catch (error) {
 *   if (!(error instanceof LaunchError) || error.reason !== "not-started") throw error;
 * } finally {
 *   await Deno.remove(stateDirectory);
 * }
 * ```
 */
export class LaunchError extends Error {
  /** The name of the class. */
  override readonly name: string = "LaunchError";
  /** What went wrong. */
  readonly reason: LaunchFailure;
  /** What went wrong, in words: the message without the last lines. */
  readonly sentence: string;
  /** The last lines of its stderr and of its log, printable ASCII. */
  readonly lastLines: readonly string[];

  /**
   * Creates the error.
   *
   * @param reason What went wrong.
   * @param sentence What went wrong, in words.
   * @param lastLines What the program wrote last, if anything.
   * @param options The cause.
   */
  constructor(
    reason: LaunchFailure,
    sentence: string,
    lastLines: readonly string[] = [],
    options?: ErrorOptions,
  ) {
    const lines = lastLines.map(legible);
    const told = lines.length === 0 ? "" : `. Its last lines:\n  ${lines.join("\n  ")}`;
    super(`${legible(sentence)}${told}`, options);
    this.reason = reason;
    this.sentence = legible(sentence);
    this.lastLines = lines;
  }
}

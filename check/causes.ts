/**
 * Failures by their causes: one fault of a program may show in several checks, and is one thing to
 * repair.
 *
 * @module
 */

import type { CheckResult } from "./check.ts";
import type { Level } from "./verdict.ts";

/** Checks that look at one thing from several sides. Whatever else fails fails for its own reason. */
export const families: readonly (readonly string[])[] = [
  // A message at the Extended ORPort that is not known.
  ["ext-unknown", "ext-control"],
  // The parts of a proxy's URI.
  ["proxy-scheme", "proxy-no-scheme", "proxy-no-port"],
  // Whether somebody looks at the variable at all.
  ["state-missing", "state-relative"],
  ["mode-neither", "mode-both"],
  ["outbound-used", "outbound-used-ipv6"],
  // Bytes that come before the answer to those before them.
  ["socks-pipelined", "socks-early-data"],
  // A connection of which one side is gone.
  ["relay-eof-up", "relay-eof-down", "relay-reset-up", "relay-reset-down"],
  ["relay-half-open-up", "relay-half-open-down"],
  ["relay-stall-up", "relay-stall-down"],
  ["stdin-closed", "stdin-closed-busy"],
  ["sigterm", "sigterm-busy"],
];

const LEVELS: readonly Level[] = ["MUST", "SHOULD", "robustness", "extra"];

/** What one fault of a program is seen by. */
export interface Cause {
  readonly role: "client" | "server";
  /** The strongest level among its checks. */
  readonly level: Level;
  /** The checks, in their order. */
  readonly ids: readonly string[];
}

type Failure = Extract<CheckResult, { outcome: "failed" }>;

function isFailure(result: CheckResult): result is Failure {
  return result.outcome === "failed";
}

/** Whether two failures have one cause: they are of one family, or the same was seen in both. */
export function haveOneCause(one: Failure, other: Failure): boolean {
  if (one.role !== other.role) return false;
  if (families.some((ids) => ids.includes(one.id) && ids.includes(other.id))) return true;
  return one.expected === other.expected && one.got === other.got;
}

/** The failures, those of one cause together. */
export function causesOf(results: readonly CheckResult[]): Cause[] {
  const groups: Failure[][] = [];
  for (const failure of results.filter(isFailure)) {
    const group = groups.find((group) => group.some((other) => haveOneCause(failure, other)));
    if (group === undefined) groups.push([failure]);
    else group.push(failure);
  }
  return groups.map((group) => ({
    role: group[0]?.role ?? "client",
    level: LEVELS.find((level) => group.some((failure) => failure.level === level)) ?? "extra",
    ids: group.map(({ id }) => id),
  }));
}

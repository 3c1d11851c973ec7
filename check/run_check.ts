/**
 * One check, from its fixture to its verdict.
 *
 * @module
 */

import { Fixture, type SharedPrograms, type Subject } from "./fixture.ts";
import type { Task } from "./catalogue.ts";
import type { Check } from "./definition.ts";
import { inOwnNetwork } from "./own_network.ts";
import { commandLine } from "./program_environment.ts";
import { quoteForShell } from "../parent/shell.ts";
import { resultWithin } from "../parent/result_within.ts";
import { Failed, Skipped, type Verdict, type Words } from "./verdict.ts";

/** A check takes no more than so many of its longest waits. */
const WAITS = 9;
/** Some watch a program for a while, however short those are; in milliseconds. */
const LEAST = 30_000;

/** What stands for the directory of the checks, which is gone after them. */
const SHOWN_DIRECTORY = "/tmp/check";

function byHand(fixture: Fixture, { hand, ownNetwork = false }: Check): string {
  if (fixture.lastProgram === null) return hand ?? "";
  const network = ownNetwork ? inOwnNetwork([]).map(quoteForShell) : [];
  const line = [...network, commandLine(fixture.lastProgram.start)].join(" ").replaceAll(
    fixture.subject.directory,
    SHOWN_DIRECTORY,
  );
  return hand === undefined ? line : `${line}; then ${hand}`;
}

/** Why the checked half is not accused of a failure: the other one was there, too. */
function sharedBlame(failed: Failed, fixture: Fixture, { check }: Task): string | null {
  const { otherHalf, role } = fixture;
  const { expected, got, certain } = failed;
  if (check.crosses === undefined || otherHalf === null || certain) return null;
  const own = otherHalf.join("\0") === fixture.subject.commands[role]?.join("\0");
  if (check.crosses === "bytes" && own) return null;
  const half = role === "client" ? "server" : "client";
  return `cannot tell whether it is the ${half} half that does this (expected: ${expected}; got: ${got})`;
}

/** A text without what makes the same path another one in each check. */
function plainPaths(text: string, { subject: { directory } }: Fixture): string {
  return text.replaceAll(directory, SHOWN_DIRECTORY).replace(/(\/tmp\/check\/[a-z]+)-\d+/g, "$1");
}

/** A check that is skipped, with the words that its reason does not have already. */
function skipped(fixture: Fixture, reason: string, { said, otherSaid }: Words): Verdict {
  const shown = (text: string) => plainPaths(text, fixture);
  const isNew = (words: string) => !reason.includes(words);
  return {
    outcome: "skipped",
    reason: shown(reason),
    said: said.filter(isNew).map(shown),
    otherSaid: otherSaid.filter(isNew).map(shown),
  };
}

async function verdictOf(error: unknown, fixture: Fixture, task: Task): Promise<Verdict> {
  if (error instanceof Skipped) {
    return skipped(fixture, error.reason, error.words ?? await fixture.words());
  }
  const shared = error instanceof Failed ? sharedBlame(error, fixture, task) : null;
  if (shared !== null) return skipped(fixture, shared, await fixture.words());
  // Whatever else is thrown is ours: a program is accused of nothing that it did not do.
  if (!(error instanceof Failed)) return { outcome: "error", problem: String(error) };
  const { expected, got } = error;
  return {
    outcome: "failed",
    expected,
    got,
    ...await fixture.words(),
    byHand: byHand(fixture, task.check),
    attended: fixture.attended,
  };
}

/** Makes a check on a fixture, and leaves everything there as it is then. */
export async function judge(fixture: Fixture, task: Task): Promise<Verdict> {
  fixture.wired = task.check.crosses === "end";
  const limit = Math.max(WAITS * fixture.subject.timeout, LEAST);
  try {
    const done = await resultWithin(task.check.run(fixture).then(() => true), limit);
    if (done === null) throw new Error(`The check did not end within ${limit / 1000} s`);
    return { outcome: "ok" };
  } catch (error) {
    return await verdictOf(error, fixture, task);
  }
}

async function attempt(
  subject: Subject,
  shared: SharedPrograms,
  task: Task,
  fresh: boolean,
): Promise<{ verdict: Verdict; usedShared: boolean }> {
  const fixture = new Fixture(subject, task.role, shared, fresh);
  const verdict = await judge(fixture, task)
    .finally(() => fixture[Symbol.asyncDispose]());
  return { verdict, usedShared: fixture.usedShared };
}

/**
 * Makes a check. What does not hold on a program that other checks use at the same time is looked
 * at again on one of its own: it could have been their doing. That a half does not get through its
 * start is known from before.
 */
export async function runCheck(
  subject: Subject,
  shared: SharedPrograms,
  task: Task,
): Promise<Verdict> {
  const { verdict, usedShared } = await attempt(subject, shared, task, false);
  const hangs = subject.plain[task.role]?.done === false;
  const final = verdict.outcome === "ok" || !usedShared || hangs || subject.signal.aborted;
  return final ? verdict : (await attempt(subject, shared, task, true)).verdict;
}

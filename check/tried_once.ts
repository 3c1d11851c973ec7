/**
 * What a check needs of a client as it is, found out once for all checks.
 *
 * @module
 */

import { type Fixture, type Subject, withFixture } from "./fixture.ts";
import { Skipped } from "./verdict.ts";

/**
 * Makes a condition of something that is tried.
 *
 * @param attempt Tries it, and throws {@linkcode Skipped} where it does not work.
 * @returns Has a check skipped with that reason, and what the client said.
 */
export function triedOnce(
  attempt: (fixture: Fixture) => Promise<void>,
): (subject: Subject) => Promise<void> {
  const found = new WeakMap<Subject, Promise<Skipped | null>>();
  const look = async (fixture: Fixture) => {
    try {
      await attempt(fixture);
      return null;
    } catch (error) {
      if (!(error instanceof Skipped)) throw error;
      return new Skipped(error.reason, error.words ?? await fixture.words());
    }
  };
  return async (subject) => {
    const known = found.get(subject) ?? withFixture(subject, "client", look);
    found.set(subject, known);
    const reason = await known;
    if (reason !== null) throw new Skipped(reason.reason, reason.words);
  };
}

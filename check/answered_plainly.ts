/**
 * Finding out whether a client answers its users at all, before a check looks whether it still does
 * after one that was odd.
 *
 * @module
 */

import { type Fixture, type Subject, withFixture } from "./fixture.ts";
import { greeting, NO_AUTH, PASSWORD } from "./socks_message.ts";
import { precondition, Skipped } from "./verdict.ts";

const found = new WeakMap<Subject, Promise<Skipped | null>>();

async function greet(fixture: Fixture): Promise<void> {
  const { method } = await fixture.running();
  const probe = await fixture.dial(method.address);
  await probe.send(greeting(NO_AUTH, PASSWORD));
  await probe.receive(2, "an answer to the first user");
}

async function look(fixture: Fixture): Promise<Skipped | null> {
  try {
    await precondition(greet(fixture));
    return null;
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    return new Skipped(error.reason, await fixture.words());
  }
}

/** Has a check of a client's later users skipped where the first one gets no answer. */
export async function needsAnswer(subject: Subject): Promise<void> {
  const known = found.get(subject) ?? withFixture(subject, "client", look);
  found.set(subject, known);
  const reason = await known;
  if (reason !== null) throw new Skipped(reason.reason, reason.words);
}

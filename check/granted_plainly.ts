/**
 * Finding out whether a client carries a connection as it is, before anything about its start or
 * its target is changed: it may lack arguments that nobody has given, and a check of a change would
 * take that for its own.
 *
 * @module
 */

import { type Fixture, type Subject, withFixture } from "./fixture.ts";
import { arrival } from "./listener.ts";
import { testTunnel } from "./test_tunnel.ts";
import { Skipped } from "./verdict.ts";

const found = new WeakMap<Subject, Promise<Skipped | null>>();

async function carry(fixture: Fixture): Promise<void> {
  const tunnel = await testTunnel(fixture);
  const user = await tunnel.dial();
  // A transport may dial with the first byte of its user.
  await user.send(new TextEncoder().encode("a user's first bytes"));
  if (await arrival(user, fixture.backend) !== null) return;
  throw new Skipped("needs a connection through the transport, but none arrives behind it");
}

async function look(fixture: Fixture): Promise<Skipped | null> {
  try {
    await carry(fixture);
    return null;
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    return new Skipped(error.reason, error.words ?? await fixture.words());
  }
}

/** Has a check of a changed connection skipped where there is none without the change. */
export async function needsConnection(subject: Subject): Promise<void> {
  const known = found.get(subject) ?? withFixture(subject, "client", look);
  found.set(subject, known);
  const reason = await known;
  if (reason !== null) throw new Skipped(reason.reason, reason.words);
}

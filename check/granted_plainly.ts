/**
 * Finding out whether a client carries a connection as it is, before anything about its start or
 * its target is changed: it may lack arguments that nobody has given, and a check of a change would
 * take that for its own.
 *
 * @module
 */

import type { Fixture, Subject } from "./fixture.ts";
import { arrival } from "./listener.ts";
import { testTunnel } from "./test_tunnel.ts";
import { triedOnce } from "./tried_once.ts";
import { Skipped } from "./verdict.ts";

async function carry(fixture: Fixture): Promise<void> {
  const tunnel = await testTunnel(fixture);
  const user = await tunnel.dial();
  // A transport may dial with the first byte of its user.
  await user.send(new TextEncoder().encode("a user's first bytes"));
  if (await arrival(user, fixture.backend) !== null) return;
  throw new Skipped("needs a connection through the transport, but none arrives behind it");
}

/** Has a check of a changed connection skipped where there is none without the change. */
export const needsConnection: (subject: Subject) => Promise<void> = triedOnce(carry);

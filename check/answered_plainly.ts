/**
 * Finding out whether a client answers its users at all, before a check looks whether it still does
 * after one that was odd.
 *
 * @module
 */

import type { Fixture, Subject } from "./fixture.ts";
import { greeting, NO_AUTH, PASSWORD } from "./socks_message.ts";
import { triedOnce } from "./tried_once.ts";
import { precondition } from "./verdict.ts";

async function greet(fixture: Fixture): Promise<void> {
  const { method } = await fixture.running();
  const probe = await fixture.dial(method.address);
  await probe.send(greeting(NO_AUTH, PASSWORD));
  await probe.receive(2, "an answer to the first user");
}

/** Has a check of a client's later users skipped where the first one gets no answer. */
export const needsAnswer: (subject: Subject) => Promise<void> = triedOnce((fixture) =>
  precondition(greet(fixture))
);

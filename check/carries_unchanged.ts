/**
 * Finding out whether a transport carries bytes as they are, so that one half can be checked
 * without the other.
 *
 * @module
 */

import { arrival } from "./listener.ts";
import { type Fixture, type Subject, withFixture } from "./fixture.ts";
import { Failed, type Role, Skipped } from "./verdict.ts";
import { socksConnect } from "./socks_connect.ts";
import { type Probe, sameBytes } from "./probe.ts";

const found = new WeakMap<Subject, Map<Role, Promise<Skipped | null>>>();

async function openBare(fixture: Fixture): Promise<Probe> {
  const { method } = await fixture.running();
  if (method.kind === "smethod" && method.args.size > 0) {
    throw new Skipped("it publishes arguments that its clients need");
  }
  const probe = await fixture.dial(method.address);
  if (fixture.role === "server") return probe;
  const { args } = fixture.subject;
  const reply = await socksConnect(probe, { address: fixture.backend.address, args }, method);
  if (reply === 0) return probe;
  const which = args === "" ? "without arguments" : "with these arguments";
  throw new Skipped(`it refuses a connection ${which} with reply ${reply}`);
}

async function whyUnlike(fixture: Fixture): Promise<string | null> {
  const user = await openBare(fixture);
  // Each byte there is: a transport may leave most of them as they are.
  const sent = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  await user.send(sent);
  const backend = await arrival(user, fixture.backend);
  if (backend === null) return "nothing arrives behind it";
  const arrived = await backend.receive(sent.length, "the bytes that were sent");
  return sameBytes(arrived, sent) ? null : "it changes the bytes";
}

/** The reason as a clause behind "because". */
function clause(error: Skipped | Failed): string {
  if (error instanceof Skipped) return error.reason.replace(/^needs /, "a check without it needs ");
  return `alone it does not work: expected ${error.expected}; got: ${error.got}`;
}

async function tryAlone(fixture: Fixture): Promise<Skipped | null> {
  const reason = await whyUnlike(fixture).catch((error) => {
    if (error instanceof Skipped || error instanceof Failed) return clause(error);
    throw error;
  });
  return reason === null ? null : new Skipped(reason, await fixture.words());
}

/**
 * Tells why a half cannot be checked without the other one.
 *
 * @returns The reason and what the program said, or null for a transport that carries bytes as they
 * are.
 */
export function transparency(subject: Subject, role: Role): Promise<Skipped | null> {
  const memo = found.get(subject) ?? new Map<Role, Promise<Skipped | null>>();
  found.set(subject, memo);
  const known = memo.get(role) ?? withFixture(subject, role, tryAlone);
  memo.set(role, known);
  return known;
}

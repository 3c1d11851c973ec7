/**
 * The steps of a SOCKS5 handshake with a client, as far as a check needs them.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { Fixture, Running } from "./fixture.ts";
import {
  argumentFields,
  greeting,
  joinArguments,
  KEY,
  NO_AUTH,
  PASSWORD,
} from "./socks_message.ts";
import { expect, precondition, Skipped } from "./verdict.ts";
import { hex, type Probe } from "./probe.ts";

/** The choice of none. */
export const NONE = 0xff;
/** The target of a request of which only the reply counts. */
export const ANYWHERE: Readonly<Address> = ["127.0.0.1", 9];

/** Arguments in the fields, behind those without which the transport takes none. */
export function fields({ subject }: Fixture, args: string): Uint8Array<ArrayBuffer> {
  return argumentFields(joinArguments(subject.args, args));
}

/** A connection to the SOCKS5 listener. */
export async function dial(fixture: Fixture, client?: Running): Promise<Probe> {
  const { method } = client ?? await fixture.sharedClient();
  if (method.kind !== "cmethod" || method.socksVersion !== 5) {
    throw new Skipped("needs a transport that speaks SOCKS5");
  }
  return await fixture.dial(method.address);
}

/** What a listener chooses among the methods it is offered. */
export async function choice(probe: Probe, ...methods: readonly number[]): Promise<number> {
  await probe.send(greeting(...methods));
  const bytes = await probe.receive(2, "a choice of 2 bytes: 05 and the method");
  expect(bytes[0] === 5, "05 as the first byte of the choice", hex(bytes));
  return bytes[1] ?? NONE;
}

/** A connection on which the arguments come next. */
export async function atArguments(fixture: Fixture): Promise<Probe> {
  const probe = await dial(fixture);
  if (await precondition(choice(probe, PASSWORD)) === PASSWORD) return probe;
  throw new Skipped("needs a client that takes user name and password, for the arguments");
}

/** A connection on which the request comes next. */
export async function atRequest(fixture: Fixture, client?: Running): Promise<Probe> {
  const probe = await dial(fixture, client);
  if (await precondition(choice(probe, NO_AUTH)) === NO_AUTH) return probe;
  const other = await dial(fixture, client);
  const method = await precondition(choice(other, PASSWORD));
  const { args } = fixture.subject;
  await other.send(argumentFields(args === "" ? `${KEY}=1` : args));
  const status = await precondition(other.receive(2, "an answer"));
  if (method === PASSWORD && status[1] === 0) return other;
  throw new Skipped(
    "needs a client that takes a request: it takes neither a user without arguments nor these",
  );
}

/** Expects arguments to be accepted. */
export async function takes(fixture: Fixture, args: string): Promise<void> {
  const probe = await atArguments(fixture);
  await probe.send(fields(fixture, args));
  const expected = "arguments that are taken with 01 00";
  const status = await probe.receive(2, expected);
  expect(hex(status) === "01 00", expected, hex(status));
}

/**
 * Finding out which halves of a transport a program is.
 *
 * @module
 */

import {
  type Fixture,
  isDone,
  methodOf,
  outputOf,
  type PlainStart,
  type Subject,
  withFixture,
} from "./fixture.ts";
import type { Line, Program } from "./checked_program.ts";
import { resultWithin } from "../parent/result_within.ts";
import type { Role } from "./verdict.ts";

/** The shortest wait for a program's first word, in milliseconds: a busy machine starts it late. */
const FIRST_WORD = 8_000;

/** How long after its last word a program may end, in milliseconds. */
const END = 1_000;

/** How long a program's first word is waited for, in milliseconds. */
export function firstWordWithin(timeout: number): number {
  return Math.max(FIRST_WORD, 0.8 * timeout);
}

/** Whether a line is one that a transport says. */
function isOfProtocol({ message }: Line): boolean {
  return message !== null && message.kind !== "unknown";
}

/** Whether a program whose stdout is over has ended; its end shows a little later than that. */
async function endedSilent(program: Program): Promise<boolean> {
  if (await resultWithin(program.silent, 0) === null) return false;
  return await program.ended(END) !== null;
}

/** Starts a program as one half and looks. */
export function findRole(subject: Subject, role: Role): Promise<PlainStart> {
  return withFixture(subject, role, look);
}

async function look(fixture: Fixture): Promise<PlainStart> {
  const { role, subject } = fixture;
  const program = await fixture.start();
  // A program that is no transport says nothing, however long it is waited for.
  const first = await program.line(isOfProtocol, firstWordWithin(subject.timeout));
  if (first !== null) {
    await program.line(({ message }) => message?.kind === "env-error" || isDone(role, message));
  }
  const { transport } = subject;
  const refused = program.lines.some(({ message }) => message?.kind === "env-error");
  const done = program.lines.some(({ message }) => isDone(role, message));
  const named = program.lines.some(({ text }) => text.split(/ +/)[1] === transport);
  const absent = refused || (done && !named);
  const output = outputOf(program);
  return {
    refusal: absent ? `the program has no ${role} of ${transport}: ${output}` : null,
    spoke: first !== null,
    ended: await endedSilent(program),
    done,
    started: methodOf(program, transport) !== null,
    output,
  };
}

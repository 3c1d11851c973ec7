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
import type { Role } from "./verdict.ts";

/** Starts a program as one half and looks. */
export function findRole(subject: Subject, role: Role): Promise<PlainStart> {
  return withFixture(subject, role, look);
}

async function look(fixture: Fixture): Promise<PlainStart> {
  const { role, subject } = fixture;
  const program = await fixture.start();
  await program.line(({ message }) => message?.kind === "env-error" || isDone(role, message));
  const { transport } = subject;
  const refused = program.lines.some(({ message }) => message?.kind === "env-error");
  const done = program.lines.some(({ message }) => isDone(role, message));
  const named = program.lines.some(({ text }) => text.split(/ +/)[1] === transport);
  const absent = refused || (done && !named);
  const output = outputOf(program);
  return {
    refusal: absent ? `the program has no ${role} of ${transport}: ${output}` : null,
    done,
    started: methodOf(program, transport) !== null,
    output,
  };
}

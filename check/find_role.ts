/**
 * Finding out which halves of a transport a program is.
 *
 * @module
 */

import { type Fixture, isDone, methodOf, outputOf, type Subject, withFixture } from "./fixture.ts";
import type { Role } from "./verdict.ts";

/** What a program made of the environment of one half. */
export interface RoleFinding {
  /** Why it is not this half; null when it may be. */
  readonly refusal: string | null;
  /** Whether its transport was started. */
  readonly started: boolean;
}

/** Starts a program as one half and looks. */
export function findRole(subject: Subject, role: Role): Promise<RoleFinding> {
  return withFixture(subject, role, look);
}

async function look(fixture: Fixture): Promise<RoleFinding> {
  const { role, subject } = fixture;
  const program = await fixture.start();
  await program.line(({ message }) => message?.kind === "env-error" || isDone(role, message));
  const { transport } = subject;
  const refused = program.lines.some(({ message }) => message?.kind === "env-error");
  const done = program.lines.some(({ message }) => isDone(role, message));
  const named = program.lines.some(({ text }) => text.split(" ")[1] === transport);
  const absent = refused || (done && !named);
  return {
    refusal: absent ? `the program has no ${role} of ${transport}: ${outputOf(program)}` : null,
    started: methodOf(program, transport) !== null,
  };
}

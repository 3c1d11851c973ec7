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

/** The name of a transport that no program has. */
const NOBODYS = "nobodys_transport";

/** How long after its last word a program may end, in milliseconds. */
const END = 1_000;

/** How long a program's first word is waited for, in milliseconds. */
export function firstWordWithin(timeout: number): number {
  return Math.max(FIRST_WORD, 0.8 * timeout);
}

/** How long the rest of a start is waited for after that, in milliseconds. */
function restWithin(timeout: number): number {
  return Math.max(firstWordWithin(timeout), 2 * timeout);
}

/**
 * The subject of a half that was waited for in vain: its start is waited for again, but no longer
 * than for a first word.
 */
export function hurried(subject: Subject): Subject {
  // A start is given three times as long as anything else.
  return { ...subject, timeout: firstWordWithin(subject.timeout) / 3 };
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

/** What a program says of a transport that it does not start; null where it says nothing of that. */
function methodError({ lines }: Program, transport: string): string | null {
  for (const { message } of lines) {
    const failed = message?.kind === "cmethod-error" || message?.kind === "smethod-error";
    if (failed && message.transport === transport) return message.message;
  }
  return null;
}

/** What a program says of a transport that nobody has. */
async function sayOfNobodys(fixture: Fixture): Promise<string | null> {
  const { role } = fixture;
  const program = await fixture.start();
  await program.line(({ message }) =>
    message?.kind === "env-error" || isDone(role, message) ||
    methodError(program, NOBODYS) !== null
  );
  return methodError(program, NOBODYS);
}

/** Whether a program has no word for a transport but the one that it has for any name. */
async function isUnknown(program: Program, { role, subject }: Fixture): Promise<boolean> {
  const said = methodError(program, subject.transport);
  if (said === null) return false;
  const nobodys = await withFixture({ ...subject, transport: NOBODYS }, role, sayOfNobodys);
  return nobodys?.replaceAll(NOBODYS, subject.transport) === said;
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
    await program.line(
      ({ message }) => message?.kind === "env-error" || isDone(role, message),
      restWithin(subject.timeout),
    );
  }
  const { transport } = subject;
  const refused = program.lines.some(({ message }) => message?.kind === "env-error");
  const done = program.lines.some(({ message }) => isDone(role, message));
  const named = program.lines.some(({ text }) => text.split(/ +/)[1] === transport);
  const absent = refused || (done && !named);
  const output = outputOf(program);
  const started = methodOf(program, transport) !== null;
  const ended = await endedSilent(program);
  const none = `the program has no ${role} of ${transport}`;
  // Which of the two it is, such a word does not tell.
  const unknown = !absent && !started && await isUnknown(program, fixture)
    ? `${none}, or none that it starts: it says the same of a name that nobody has: ${output}`
    : null;
  return {
    refusal: absent ? `${none}: ${output}` : unknown,
    spoke: first !== null,
    ended,
    done,
    started,
    output,
  };
}

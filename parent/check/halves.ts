/**
 * Finding out which halves of a transport a program is.
 *
 * @module
 */

import { Bench, isDone, methodOf, said, SharedPrograms, type Subject } from "./bench.ts";
import type { Role } from "./verdict.ts";

/** What a program made of the environment of one half. */
export interface Half {
  /** Why it is not this half; null when it may be. */
  readonly refusal: string | null;
  /** Whether its transport was started. */
  readonly started: boolean;
}

/** Starts a program as one half and looks. */
export async function findHalf(subject: Subject, role: Role): Promise<Half> {
  await using shared = new SharedPrograms();
  await using bench = new Bench(subject, role, shared, true);
  const child = await bench.start();
  await child.line(({ message }) => message?.kind === "env-error" || isDone(role, message));
  const { transport } = subject;
  const refused = child.lines.some(({ message }) => message?.kind === "env-error");
  const done = child.lines.some(({ message }) => isDone(role, message));
  const named = child.lines.some(({ text }) => text.split(" ")[1] === transport);
  const absent = refused || (done && !named);
  return {
    refusal: absent ? `the program has no ${role} of ${transport}: ${said(child)}` : null,
    started: methodOf(child, transport) !== null,
  };
}

/**
 * One check as a person sees it: what it did, how to start the program in the same way, and the
 * other side of it, which stays for as long as the person looks.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { Task } from "./catalogue.ts";
import type { Fixture } from "./fixture.ts";
import { commandLine } from "./program_environment.ts";
import { judge } from "./run_check.ts";
import type { Verdict } from "./verdict.ts";

/** What there is to see. */
export interface Scene {
  readonly verdict: Verdict;
  /** The command that starts the program as the check did; null when it did not. */
  readonly command: string | null;
  /** What to do then; null when starting it is all. */
  readonly hand: string | null;
  /** Where the program's connections arrive. */
  readonly listeners: readonly Address[];
  /** What the other half says of itself, where it runs. */
  readonly otherHalf: readonly string[];
}

/** What a person does with a scene. */
export interface Audience {
  /** Shows the scene; it is cleared away when this resolves. */
  show(scene: Scene): Promise<void>;
  /** Is told what arrives in the meantime. */
  tell(text: string): void;
}

function sceneOf(fixture: Fixture, verdict: Verdict, task: Task): Scene {
  const start = fixture.lastProgram?.start;
  return {
    verdict,
    command: start === undefined ? null : commandLine(start.command, start.environment),
    hand: task.check.hand ?? null,
    listeners: fixture.listeners.map(({ address }) => address),
    otherHalf: fixture.others.flatMap(({ lines }) =>
      lines.filter(({ message }) => message?.kind === "cmethod" || message?.kind === "smethod")
        .map(({ text }) => text)
    ),
  };
}

/** Makes the check, ends the program, and keeps everything else for the audience. */
export async function perform(fixture: Fixture, task: Task, audience: Audience): Promise<void> {
  const verdict = await judge(fixture, task);
  // Who starts it again may need the port that it was told to listen at.
  await fixture.lastProgram?.[Symbol.asyncDispose]();
  for (const listener of fixture.listeners) void listener.attend(audience.tell);
  await audience.show(sceneOf(fixture, verdict, task));
}

/**
 * One check for a person who wants to see it: what it did, how to start the program in the same way,
 * and the other side of it, which stays for as long as the person looks.
 *
 * @module
 */

import { type CheckOptions, type CheckResult, checks, plan } from "./check.ts";
import { catalogue, type Task } from "./catalogue.ts";
import { Fixture, SharedPrograms } from "./fixture.ts";
import { commandLine } from "./program_environment.ts";
import { judge } from "./run_check.ts";
import { Skipped } from "./verdict.ts";
import { type Address, formatAddress } from "../address.ts";

/** What there is to see. */
export interface Scene {
  readonly result: CheckResult;
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

function taskOf(role: string, id: string): Task {
  const task = catalogue.find(({ check, role: half }) => check.id === id && half === role);
  if (task === undefined) throw new TypeError(`There is no check ${role}/${id}`);
  return task;
}

function sceneOf(fixture: Fixture, result: CheckResult, task: Task): Scene {
  const start = fixture.lastProgram?.start;
  return {
    result,
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
async function perform(fixture: Fixture, task: Task, audience: Audience): Promise<void> {
  const verdict = await judge(fixture, task);
  const info = checks.find(({ role, id }) => role === task.role && id === task.check.id);
  if (info === undefined) throw new Skipped(`needs a check ${task.check.id}`);
  // Who starts it again may need the port that it was told to listen at.
  await fixture.lastProgram?.[Symbol.asyncDispose]();
  for (const listener of fixture.listeners) void listener.attend(audience.tell);
  await audience.show(sceneOf(fixture, { ...info, ...verdict }, task));
}

/**
 * Makes one check and keeps its other side: proxies, the Extended ORPort, targets, the other half
 * of the transport, cookies and state directories.
 *
 * @param command The program and its arguments.
 * @param options As for {@linkcode check}; `role` is the half that is checked.
 * @param id The name of the check.
 * @param audience Who looks at it.
 */
export async function byHand(
  command: readonly string[],
  options: CheckOptions & { readonly role: "client" | "server" },
  id: string,
  audience: Audience,
): Promise<void> {
  const task = taskOf(options.role, id);
  const directory = await Deno.makeTempDir({ prefix: "check-" });
  const stop = new AbortController();
  const abort = () => stop.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", abort);
  const shared = new SharedPrograms();
  try {
    const { subject } = await plan(command, options, directory, stop.signal);
    const fixture = new Fixture(subject, task.role, shared, true);
    try {
      await perform(fixture, task, audience);
    } finally {
      await fixture[Symbol.asyncDispose]();
    }
  } finally {
    options.signal?.removeEventListener("abort", abort);
    stop.abort();
    await shared[Symbol.asyncDispose]();
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
}

/** The addresses in words. */
export function places(addresses: readonly Address[]): string {
  return addresses.map(formatAddress).join(", ");
}

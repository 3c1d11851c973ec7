/**
 * One check as a person sees it: what it did, how to start the program in the same way, and the
 * other side of it, which stays for as long as the person looks.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import type { Task } from "./catalogue.ts";
import { type Fixture, methodOf } from "./fixture.ts";
import { quoteForShell } from "../parent/shell.ts";
import { LONGEST_FIELD } from "./socks_message.ts";
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
  /** The command that asks a client for the connection, with PORT for its port; null for none. */
  readonly ask: string | null;
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

/** Bytes as they stand in the user information of a URI. */
function percentEncoded(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte);
    return /[\w.~-]/.test(char) ? char : `%${byte.toString(16).padStart(2, "0").toUpperCase()}`;
  }).join("");
}

/**
 * Arguments as user name and password. tor writes a NUL as the password when the first field has
 * room for all, which no URI can say: one byte of them stands there instead.
 */
function userInfo(args: string, version: 4 | 5): string {
  if (args === "") return "";
  const bytes = new TextEncoder().encode(args);
  if (version === 4) return `${percentEncoded(bytes)}@`;
  const end = Math.min(LONGEST_FIELD, bytes.length - 1);
  return `${percentEncoded(bytes.subarray(0, end))}:${percentEncoded(bytes.subarray(end))}@`;
}

/** The command that asks for the connection that the check asked for. */
function askCommand({ role, lastProgram, target, subject }: Fixture): string | null {
  if (role !== "client" || lastProgram === null || target === null) return null;
  const method = methodOf(lastProgram, subject.transport);
  if (method?.kind !== "cmethod") return null;
  const { socksVersion, address: [host] } = method;
  const listener = formatAddress([host, 1]).replace(/1$/, "PORT");
  const proxy = `socks${socksVersion}://${userInfo(target.args, socksVersion)}${listener}`;
  const words = ["curl", "--max-time", "10", "--proxy", proxy];
  return [...words, `http://${formatAddress(target.address)}/`].map(quoteForShell).join(" ");
}

function sceneOf(fixture: Fixture, verdict: Verdict, task: Task): Scene {
  const start = fixture.lastProgram?.start;
  return {
    verdict,
    command: start === undefined ? null : commandLine(start),
    hand: task.check.hand ?? null,
    ask: askCommand(fixture),
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
  for (const listener of fixture.listeners) {
    await listener.uninvited(); // What the check itself has left there is nobody's news.
    void listener.attend(audience.tell);
  }
  await audience.show(sceneOf(fixture, verdict, task));
}

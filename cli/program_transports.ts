/**
 * Asking a program which transports it has. Those that are built on `run()` can tell.
 *
 * @module
 */

import { Program } from "../check/checked_program.ts";
import { passedThrough } from "../parent/child_environment.ts";
import { parseTransportName, UsageError } from "./command.ts";

/** How long it may take to answer, in milliseconds. */
const TIMEOUT = 5_000;

/** The names in what `--capabilities` prints; none where it is something else. */
function namesIn(text: string): string[] {
  try {
    const { transports } = JSON.parse(text);
    return Object.keys(transports);
  } catch {
    return [];
  }
}

/** What a program answers when it is asked for its transports. */
interface Answer {
  /** Their names; none where the program does not tell. */
  names: string[];
  /** What it wrote on stderr in the end. */
  complaint: string;
}

async function ask(program: readonly string[]): Promise<Answer> {
  const command = [...program, "--capabilities"];
  const asked = new Program({ command, environment: passedThrough(), timeout: TIMEOUT });
  try {
    await asked.closeStdin();
    await asked.ended();
    const names = namesIn(asked.lines.map(({ text }) => text).join("\n"));
    return { names, complaint: asked.complaint };
  } finally {
    await asked[Symbol.asyncDispose]();
  }
}

/**
 * Asks a program which transports it has.
 *
 * @param program The program and its arguments.
 * @returns Their names; none where the program does not tell.
 * @throws {Deno.errors.NotFound} When there is no such program.
 */
export async function transportsOf(program: readonly string[]): Promise<string[]> {
  return (await ask(program)).names;
}

/**
 * Reads the name of a transport.
 *
 * @param name What was given.
 * @param option The option that has it, for the error's message.
 * @returns The name.
 * @throws {UsageError} When it is malformed.
 */
export function readTransportName(name: string, option: string): string {
  try {
    return parseTransportName(name);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UsageError(`${option} is malformed: ${cause.message}`, { cause });
  }
}

/**
 * The transport of a program that is meant: the one that is named, or the only one that there is.
 *
 * @param name The value of `--transport`, where it is given.
 * @param program The program and its arguments.
 * @param purpose What it is wanted for, such as "to check", for the error's message.
 * @returns Its name.
 * @throws {UsageError} When the name is malformed, or missing and needed.
 */
export async function chooseTransport(
  name: string | undefined,
  program: readonly string[],
  purpose: string,
): Promise<string> {
  if (name !== undefined) return readTransportName(name, "--transport");
  const { names, complaint } = await ask(program);
  const [only, ...more] = names;
  if (only !== undefined && more.length === 0) return only;
  const unknown = complaint === ""
    ? "the program does not tell by --capabilities which it has"
    : `asked by --capabilities which it has, the program said: ${complaint}`;
  const choice = only === undefined ? `such as obfs4; ${unknown}` : `one of ${names.join(", ")}`;
  throw new UsageError(`--transport NAME is missing: the transport ${purpose}, ${choice}`);
}

/**
 * The same, where it would take long to find out that the program does not have it.
 *
 * @param name The value of `--transport`, where it is given.
 * @param program The program and its arguments.
 * @param purpose What it is wanted for, such as "to try", for the error's message.
 * @returns Its name.
 * @throws {UsageError} When the name is malformed, missing and needed, or not among those that the
 * program tells.
 */
export async function chooseKnownTransport(
  name: string | undefined,
  program: readonly string[],
  purpose: string,
): Promise<string> {
  const chosen = await chooseTransport(name, program, purpose);
  const names = name === undefined ? [] : await transportsOf(program);
  if (names.length === 0 || names.includes(chosen)) return chosen;
  throw new UsageError(
    `--transport ${chosen}: the program has ${names.join(", ")}, and no ${chosen}`,
  );
}

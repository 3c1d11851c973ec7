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

/**
 * Asks a program which transports it has.
 *
 * @param program The program and its arguments.
 * @returns Their names; none where the program does not tell.
 * @throws {Deno.errors.NotFound} When there is no such program.
 */
export async function transportsOf(program: readonly string[]): Promise<string[]> {
  const command = [...program, "--capabilities"];
  const asked = new Program({ command, environment: passedThrough(), timeout: TIMEOUT });
  try {
    await asked.closeStdin();
    await asked.ended();
    return namesIn(asked.lines.map(({ text }) => text).join("\n"));
  } finally {
    await asked[Symbol.asyncDispose]();
  }
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
  const [only, ...more] = await transportsOf(program);
  if (only !== undefined && more.length === 0) return only;
  const choice = only === undefined
    ? "such as obfs4; the program does not tell by --capabilities which it has"
    : `one of ${[only, ...more].join(", ")}`;
  throw new UsageError(`--transport NAME is missing: the transport ${purpose}, ${choice}`);
}

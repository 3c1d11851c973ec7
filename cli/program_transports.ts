/**
 * Asking a program which transports it has. Those that are built on `run()` can tell.
 *
 * @module
 */

import { Program } from "../check/checked_program.ts";
import { passedThrough } from "../parent/child_environment.ts";

/** How long it may take to answer, in milliseconds. */
const TIMEOUT = 10_000;

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

/**
 * Asking a program which transports it has. Those that are built on `run()` can tell.
 *
 * @module
 */

import { Child } from "../parent/check/child.ts";
import { passedThrough } from "../parent/environment.ts";

/** How long it may take to answer, in milliseconds. */
const PATIENCE = 10_000;

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
  await using child = new Child({ command, environment: passedThrough(), patience: PATIENCE });
  await child.closeStdin();
  await child.ended();
  return namesIn(child.lines.map(({ text }) => text).join("\n"));
}

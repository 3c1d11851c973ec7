/**
 * Errors in words for the person at the terminal.
 *
 * @module
 */

import { CensorError } from "../censor/censor_error.ts";
import { LaunchError } from "../parent/mod.ts";
import { UsageError } from "./command.ts";
import { OutputError } from "./output_file.ts";

/** Whether an error is the world's fault, so that its message alone is enough. */
function isExpected(error: unknown): error is Error {
  return error instanceof LaunchError || error instanceof CensorError ||
    error instanceof UsageError || error instanceof OutputError ||
    Object.values(Deno.errors).some((type) => error instanceof type);
}

function sentences({ message, cause }: Error): string {
  // Some say already what their cause says.
  while (cause instanceof Error && message.includes(cause.message)) ({ cause } = cause);
  return cause instanceof Error ? `${message}\n  because: ${sentences(cause)}` : message;
}

/**
 * Puts an error into words.
 *
 * @param error What was thrown.
 * @returns The sentence of the error, with those of its causes; `null` for a bug, of which one
 * wants to see the stack.
 */
export function explain(error: unknown): string | null {
  return isExpected(error) ? sentences(error) : null;
}

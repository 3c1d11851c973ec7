/**
 * Telling what a tunnel's program says, when it says it: on its stderr, and by `LOG` and `STATUS`.
 *
 * @module
 */

import { LaunchError, type LaunchOptions } from "../parent/mod.ts";
import { parseLine } from "../parent/line.ts";
import { quote } from "./terminal.ts";

/** What a line of the protocol says to a person; null for what is between programs. */
function inWords(line: string): string | null {
  let message;
  try {
    message = parseLine(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
  switch (message.kind) {
    case "log":
      return message.severity === "info" || message.severity === "debug" ? null : message.message;
    case "status":
      return [...message.values].map((pair) => pair.join("=")).join(" ");
    case "status-version":
      return `${message.implementation} ${message.version}`;
    default:
      return null;
  }
}

/** The options of a launch by which everything that a program says is told. */
export function tellingWords(program: string): Pick<LaunchOptions, "onStdout" | "onStderr"> {
  return {
    onStdout(line) {
      const words = inWords(line);
      if (words !== null) quote(program, words);
    },
    onStderr: (line) => quote(program, line),
  };
}

/** The same error without the program's last lines, for whoever has told them when they came. */
export function withoutLastLines(error: unknown): unknown {
  if (!(error instanceof LaunchError)) return error;
  return new LaunchError(error.reason, error.sentence, [], { cause: error.cause });
}

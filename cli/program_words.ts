/**
 * Telling what a tunnel's program says, when it says it: on its stderr, and by `LOG` and `STATUS`.
 *
 * @module
 */

import { LaunchError, type LaunchOptions } from "../parent/mod.ts";
import { type Message, parseLine } from "../parent/line.ts";
import { note, quote } from "./terminal.ts";

/** A line of the protocol; null for what is none. */
function parse(line: string): Message | null {
  try {
    return parseLine(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

/** Tells what a line says to a person, and nothing of what is between programs. */
function tellLine(
  program: string,
  line: string,
  verbose: boolean,
  tunnel: number | undefined,
): void {
  const message = parse(line);
  switch (message?.kind) {
    case "log": {
      const { severity } = message;
      const isDetail = severity === "info" || severity === "debug";
      if (isDetail && !verbose) return;
      const text = isDetail ? `${severity}: ${message.message}` : message.message;
      return quote(program, text, { tunnel, by: "LOG", severity });
    }
    case "status": {
      const text = [...message.values].map((pair) => pair.join("=")).join(" ");
      return quote(program, text, { tunnel, by: "STATUS", transport: message.transport });
    }
    case "status-version":
      return quote(program, `${message.implementation} ${message.version}`, {
        tunnel,
        by: "STATUS",
      });
  }
}

/**
 * The options of a launch by which what a program says is told.
 *
 * @param program The program's name.
 * @param verbose Whether that is all, with what it logs as `info` and `debug`.
 * @param tunnel The number of its tunnel, where a file has several.
 */
export function tellingWords(
  program: string,
  verbose: boolean,
  tunnel: number | undefined,
): Pick<LaunchOptions, "onStdout" | "onStderr"> {
  return {
    onStdout: (line) => tellLine(program, line, verbose, tunnel),
    onStderr: (line) => quote(program, line, { tunnel, by: "stderr" }),
  };
}

/** How long a program may take to start until that is told, in milliseconds. */
const SLOW = 5_000;

/**
 * Waits for the start of a program, and tells when it takes long.
 *
 * @param opening Is settled when the program has started, or cannot.
 * @param program The program's name.
 * @param tunnel The number of its tunnel, where a file has several.
 * @returns What it resolves to.
 */
export async function patiently<T>(
  opening: Promise<T>,
  program: string,
  tunnel: number | undefined,
): Promise<T> {
  const timer = setTimeout(() => {
    note(`${program} has not reported its methods for 5 s; it has 60 s. Is it a transport?`, {
      event: "slow",
      tunnel,
      program,
    });
  }, SLOW);
  try {
    return await opening;
  } finally {
    clearTimeout(timer);
  }
}

/** The same error without the program's last lines, for whoever has told them when they came. */
export function withoutLastLines(error: unknown): unknown {
  if (!(error instanceof LaunchError)) return error;
  return new LaunchError(error.reason, error.sentence, [], { cause: error.cause });
}

/**
 * What a transport prints for its author: on stderr, without waiting for whoever reads that.
 *
 * @module
 */

import { LineWriter } from "../stdout_lines.ts";

/** What of `console` prints a text. */
const PRINTING = ["log", "info", "debug", "dir", "dirxml", "table", "warn", "error"] as const;
/** What of it prints on stdout, and prints little. */
const OTHERS_ON_STDOUT = ["count", "timeLog", "timeEnd"] as const;

/** How many bytes go out at once, so that last words are not lost. Any pipe takes as many. */
const AT_ONCE = 4_096;

const later = new LineWriter(
  { write: (bytes) => Deno.stderr.write(bytes) },
  (dropped) => `${dropped} texts of the console were dropped: nobody read stderr`,
);

function word(value: unknown): string {
  return typeof value === "string" ? value : Deno.inspect(value);
}

/** Keeps what a transport prints out of the protocol, and from waiting for a reader. */
export function sendConsoleToStderr(): void {
  const { error } = console;
  let leftAtOnce = AT_ONCE;
  for (const method of PRINTING) {
    console[method] = (...data: unknown[]) => {
      const text = data.map(word).join(" ");
      leftAtOnce -= 3 * text.length; // UTF-8 has so many bytes at most.
      if (leftAtOnce >= 0) error.call(console, text);
      else later.push(text);
    };
  }
  for (const method of OTHERS_ON_STDOUT) {
    console[method] = (...data: unknown[]) => console.error(...data);
  }
}

/** Waits until what was printed is written, at most for a time in milliseconds. */
export function flushConsole(milliseconds: number): Promise<void> {
  return later.flush(milliseconds);
}

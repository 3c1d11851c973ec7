/**
 * What a transport prints for its author: on stderr, without waiting for whoever reads that.
 *
 * @module
 */

import { LineWriter } from "../stdout_lines.ts";

/** How many bytes go out at once, so that last words are not lost. Any pipe takes as many. */
const AT_ONCE = 4_096;

const later = new LineWriter(
  { write: (bytes) => Deno.stderr.write(bytes) },
  (dropped) => `${dropped} texts of the console were dropped: nobody read stderr`,
);
const utf8 = new TextEncoder();
let leftAtOnce = AT_ONCE;

/** Writes a text and its line feed. */
function write(text: string): void {
  const bytes = utf8.encode(text);
  leftAtOnce -= bytes.length;
  if (leftAtOnce < 0) return later.push(text.slice(0, -1));
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stderr.writeSync(rest));
  } catch {
    leftAtOnce = 0; // Nobody reads it any more.
    later.break();
  }
}

/**
 * The console of node's, whose output can be chosen. It costs some 25 ms when it is first used, and
 * so would the import of anything of node's when the program starts.
 */
function createConsole(): Console {
  // deno-lint-ignore no-process-global
  const { Console } = process.getBuiltinModule("node:console");
  // It takes errors of its output for granted, and asks a stream for listeners before it writes.
  const output = { write } as unknown as NodeJS.WritableStream;
  return new Console({ stdout: output, stderr: output, ignoreErrors: false });
}

/** Keeps what a transport prints out of the protocol, and from waiting for a reader. */
export function sendConsoleToStderr(): void {
  let substitute: Console | null = null;
  for (const method of Object.keys(console) as (keyof Console)[]) {
    if (typeof console[method] !== "function") continue;
    console[method] = (...data: unknown[]) => {
      substitute ??= createConsole();
      // What node's does not have shows itself in the developer tools alone.
      (substitute[method] as ((...data: unknown[]) => void) | undefined)?.(...data);
    };
  }
}

/** Waits until what was printed is written, at most for a time in milliseconds. */
export function flushConsole(milliseconds: number): Promise<void> {
  return later.flush(milliseconds);
}

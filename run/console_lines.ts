/**
 * What a transport prints for its author: on stderr, without waiting for whoever reads that.
 *
 * @module
 */

import { FirstLinesAtOnce } from "../stdout_lines.ts";

const lines = new FirstLinesAtOnce(
  {
    write: (bytes) => Deno.stderr.write(bytes),
    writeSync: (bytes) => Deno.stderr.writeSync(bytes),
  },
  (dropped) => `${dropped} texts of the console were dropped: nobody read stderr`,
);

/**
 * The console of node's, whose output can be chosen. It costs some 25 ms when it is first used, and
 * so would the import of anything of node's when the program starts.
 */
function createConsole(): Console {
  // deno-lint-ignore no-process-global -- to import it costs 19 ms of every start
  const { Console } = process.getBuiltinModule("node:console");
  // Where it has to ignore errors, it asks its output for listeners, which this one has not got.
  const write = (text: string) => lines.push(text.slice(0, -1)); // Each ends with a line feed.
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
  return lines.flush(milliseconds);
}

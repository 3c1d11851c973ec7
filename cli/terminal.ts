/**
 * Text for people: progress on stderr, results on stdout, colours only on a terminal.
 *
 * @module
 */

import { withoutEscapeCodes } from "../parent/escape_codes.ts";
import { LineWriter } from "../stdout_lines.ts";

/** How long the end of a command waits for a reader of its last lines, in milliseconds. */
const LONGEST_FLUSH = 1_000;

const CODES = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const;

/** A way to make text stand out. */
export type Style = keyof typeof CODES;

/**
 * Makes a painter for one output. Without a terminal there, or with `NO_COLOR` set, it paints
 * nothing.
 *
 * @param output Where the text will go.
 * @returns A function that puts a style around a text.
 */
export function painter(
  output: { isTerminal(): boolean },
): (style: Style, text: string) => string {
  const plain = Deno.noColor || !output.isTerminal();
  return (style, text) => plain ? text : `\x1b[${CODES[style]}m${text}\x1b[0m`;
}

/** Prints a result to stdout. */
export { printLine as print } from "../stdout_lines.ts";

/**
 * Text from elsewhere that cannot steer a terminal: without its colours and other escape codes, and
 * with what is left of control characters replaced.
 */
export function harmless(text: string): string {
  return withoutEscapeCodes(text).replace(/\p{Cc}/gu, "?");
}

const paint = painter(Deno.stderr);

/** A terminal or a log that does not read stops no tunnel. */
const stderr = new LineWriter(
  { write: (bytes) => Deno.stderr.write(bytes) },
  (dropped) => `${dropped} lines were dropped: nobody read them`,
);

/** Tells on stderr how it goes. */
export function note(text: string): void {
  stderr.push(text);
}

/** Waits until what was told is written, or for as long as somebody may take to read it. */
export function flush(): Promise<void> {
  return stderr.flush(LONGEST_FLUSH);
}

/** Tells on stderr what a program said. */
export function quote(program: string, text: string): void {
  stderr.push(paint("dim", `${program}: ${harmless(text)}`));
}

/** Tells on stderr what went wrong. */
export function complain(text: string): void {
  stderr.push(paint("red", text));
}

/** A number of bytes, short enough to read. */
export function formatBytes(count: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

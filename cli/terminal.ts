/**
 * Text for people: progress on stderr, results on stdout, colours only on a terminal.
 *
 * @module
 */

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
export { printLine as print } from "../reporting.ts";

/** Text from elsewhere with its control characters replaced, so that it cannot steer a terminal. */
export function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

const paint = painter(Deno.stderr);

/** Tells on stderr how it goes. */
export function note(text: string): void {
  console.error(text);
}

/** Tells on stderr what a program said. */
export function quote(program: string, text: string): void {
  console.error(paint("dim", `${program}: ${harmless(text)}`));
}

/** Tells on stderr what went wrong. */
export function complain(text: string): void {
  console.error(paint("red", text));
}

/** A number of bytes, short enough to read. */
export function formatBytes(count: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

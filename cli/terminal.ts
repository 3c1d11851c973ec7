/**
 * Text for people and lines for machines: progress on stderr, results on stdout, colours only on a
 * terminal. As JSON, all of it is on stdout, an object a line.
 *
 * @module
 */

import { withoutEscapeCodes } from "../parent/escape_codes.ts";
import { LineWriter, printLine } from "../stdout_lines.ts";

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
export { printLine as print };

/**
 * Text from elsewhere that cannot steer a terminal: without its colours and other escape codes, and
 * with what is left of control characters replaced.
 */
export function harmless(text: string): string {
  return withoutEscapeCodes(text).replace(/\p{Cc}/gu, "?");
}

/** What has happened, for machines: its name, and what belongs to it. */
export interface TunnelEvent {
  readonly event: string;
  /** The number of the tunnel that it is about, where a file has several. */
  readonly tunnel?: number | undefined;
  readonly [detail: string]: unknown;
}

/** How it is told what happens. */
interface Manner {
  /** For machines. */
  json: boolean;
  /** With the time before each line. */
  timestamps: boolean;
}

let manner: Manner = { json: false, timestamps: false };

/** Chooses how it is told what happens from now on. */
export function speak(next: Manner): void {
  manner = next;
}

const paint = painter(Deno.stderr);

/** A terminal or a log that does not read stops no tunnel. */
const stderr = new LineWriter(
  { write: (bytes) => Deno.stderr.write(bytes) },
  (dropped) => `${dropped} lines were dropped: nobody read them`,
);

/** Nor does a program that does not read. */
const jsonLines = new LineWriter(
  { write: (bytes) => Deno.stdout.write(bytes) },
  (dropped) => jsonOf("warning", { event: "dropped", lines: dropped }, "nobody read these lines"),
);

function jsonOf(level: string, event: TunnelEvent, message: string): string {
  return JSON.stringify({ time: new Date().toISOString(), level, ...event, message });
}

const DEFAULT_WIDTH = 80;

/** Goes up to the line that tells how it goes, and takes it away. */
const ERASE_STATUS = "\x1b[1A\x1b[2K";

/** What stands below everything else on a terminal; null without it. */
let status: string | null = null;

function pushLine(line: string): void {
  stderr.push(status === null ? line : `${ERASE_STATUS}${line}\n${status}`);
}

function tell(level: string, style: Style | null, text: string, event: TunnelEvent): void {
  if (manner.json) return jsonLines.push(jsonOf(level, event, text));
  const time = manner.timestamps ? `${new Date().toISOString().replace(/\.\d+Z$/, "Z")} ` : "";
  const line = event.tunnel === undefined ? text : `tunnel ${event.tunnel}: ${text}`;
  pushLine(time + (style === null ? line : paint(style, line)));
}

/** Tells how it goes. */
export function note(text: string, event: TunnelEvent = { event: "note" }): void {
  tell("notice", null, text, event);
}

/** Tells what went wrong. */
export function complain(text: string, event: TunnelEvent = { event: "error" }): void {
  tell("error", "red", text, event);
}

/** Tells what a program said. */
export function quote(
  program: string,
  text: string,
  details: { readonly tunnel?: number | undefined; readonly [detail: string]: unknown } = {},
): void {
  const words = harmless(text);
  const event = { ...details, event: "said", program };
  if (manner.json) note(words, event);
  else tell("notice", "dim", `${program}: ${words}`, event);
}

/** Whether somebody sees a line that changes. */
export function canShowStatus(): boolean {
  return !manner.json && Deno.stderr.isTerminal();
}

/**
 * Shows how it goes in a line that stays below all others and is replaced by the next one.
 *
 * @param text The line, cut to the width of the terminal; `null` takes it away.
 */
export function showStatus(text: string | null): void {
  const erase = status === null ? "" : ERASE_STATUS;
  // A terminal that does not know its width says 0.
  const width = Deno.consoleSize().columns || DEFAULT_WIDTH;
  status = text === null ? null : paint("bold", text.slice(0, Math.max(1, width - 1)));
  if (status !== null) stderr.push(`${erase}${status}`);
  else if (erase !== "") stderr.push(`${ERASE_STATUS}\x1b[1A`);
}

/** Waits until what was told is written, or for as long as somebody may take to read it. */
export async function flush(): Promise<void> {
  await Promise.all([stderr.flush(LONGEST_FLUSH), jsonLines.flush(LONGEST_FLUSH)]);
}

/** A number of bytes, short enough to read. */
export function formatBytes(count: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

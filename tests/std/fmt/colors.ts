/**
 * An offline stand-in for the part of `@std/fmt/colors` that the programs use.
 * Colours are on unless `NO_COLOR` was set; no permission is needed for that.
 *
 * @module
 */

let enabled = !Deno.noColor;

/** Switches colours on or off; `NO_COLOR` in the environment is stronger. */
export function setColorEnabled(value: boolean): void {
  if (!Deno.noColor) enabled = value;
}

/** Whether the functions below add colours. */
export function getColorEnabled(): boolean {
  return enabled;
}

/** Opens again behind every end inside `str`, so that colours nest. */
function style(str: string, open: number, close: number): string {
  if (!enabled) return str;
  const start = `\x1b[${open}m`;
  const end = `\x1b[${close}m`;
  return start + str.replaceAll(end, start) + end;
}

/** Bold text. */
export function bold(str: string): string {
  return style(str, 1, 22);
}

/** Dim text. */
export function dim(str: string): string {
  return style(str, 2, 22);
}

/** Red text. */
export function red(str: string): string {
  return style(str, 31, 39);
}

/** Green text. */
export function green(str: string): string {
  return style(str, 32, 39);
}

/** Yellow text. */
export function yellow(str: string): string {
  return style(str, 33, 39);
}

/** Blue text. */
export function blue(str: string): string {
  return style(str, 34, 39);
}

/** Cyan text. */
export function cyan(str: string): string {
  return style(str, 36, 39);
}

/** Gray text. */
export function gray(str: string): string {
  return style(str, 90, 39);
}

/** Escape sequences: an introducer, then one of the two kinds of command. */
const ANSI_CODE = new RegExp(
  "[\\u001b\\u009b][[\\]()#;?]*(?:" + [
    // Words and arguments, ended by BEL, as for the title of a window.
    "(?:(?:;[\\w/#&.:=?%@~-]+)*|[a-zA-Z\\d]+(?:;[\\w/#&.:=?%@~-]*)*)\\u0007",
    // Numbers, ended by one character, as for the cursor and colours.
    "(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PR-TXZcf-nq-uy=><~]",
  ].join("|") + ")",
  "g",
);

/** `string` without ANSI escape sequences. */
export function stripAnsiCode(string: string): string {
  return string.replace(ANSI_CODE, "");
}

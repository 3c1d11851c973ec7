/**
 * The escape codes in what programs write for a terminal: colours, titles, movements of the cursor.
 *
 * @module
 */

/** Codes of ECMA-48: control sequences, strings such as a window's title, and those of two characters. */
const CODES =
  // deno-lint-ignore no-control-regex -- control characters are what it is about
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]/g;

/** Text without escape codes, as it is read where there are no colours. */
export function withoutEscapeCodes(text: string): string {
  return text.replace(CODES, "");
}

/**
 * The words of the protocol's lines, in both directions (pt-spec section 3): names of transports,
 * severities, CStrings, and text from elsewhere that must not break out of its line.
 *
 * It is pure: it needs nothing of Deno.
 *
 * @module
 */

/** Whether a name is one for a transport (pt-spec section 3.1). */
export function isTransportName(name: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
}

/** Throws a `TypeError` for a name that would break the grammar (pt-spec section 3.1). */
export function checkTransportName(name: string): void {
  if (!isTransportName(name)) {
    throw new TypeError(
      `${JSON.stringify(name)} is not a transport name: only letters, digits and _, no digit first`,
    );
  }
}

/** Text from elsewhere, such as an error's message, made unable to break out of its line. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, "?");
}

/**
 * How much a message matters, from `error` down to `debug`.
 *
 * @example
 * ```ts
 * import type { Severity } from "@ptlib/ptlib/messages";
 *
 * const severity: Severity = "notice";
 * ```
 */
export type Severity = "error" | "warning" | "notice" | "info" | "debug";

/** All of them, from the most to the least important. */
export const SEVERITIES: readonly Severity[] = ["error", "warning", "notice", "info", "debug"];

const utf8 = new TextEncoder();

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

const UNESCAPED: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/**
 * Writes a CString, always in double quotes.
 *
 * The only escapes are `\"`, `\\`, `\n`, `\r` and `\t`: Arti rejects octal ones, and tor drops a
 * line with a NUL. Every other byte that is not printable ASCII becomes `?`.
 *
 * @param text Any text.
 * @returns The quoted text, printable ASCII only.
 *
 * @example
 * ```ts
 * import { quoteCString } from "@ptlib/ptlib/messages";
 *
 * if (quoteCString('a "b"\n') !== '"a \\"b\\"\\n"') throw new Error();
 * ```
 */
export function quoteCString(text: string): string {
  // Byte by byte, as the grammar has it: latin1 gives each byte a character of its own.
  const bytes = new TextDecoder("latin1").decode(utf8.encode(text));
  return `"${bytes.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, (byte) => ESCAPES[byte] ?? "?")}"`;
}

/**
 * Reads a CString, also one with octal escapes, and an unquoted value as it stands.
 *
 * @param text The quoted or unquoted value.
 * @returns The text; bytes outside of UTF-8 become U+FFFD.
 * @throws {SyntaxError} When quotes are missing at one end or stand inside.
 *
 * @example
 * ```ts
 * import { unquoteCString } from "@ptlib/ptlib/messages";
 *
 * if (unquoteCString('"caf\\303\\251"') !== "café") throw new Error();
 * ```
 */
export function unquoteCString(text: string): string {
  if (!text.startsWith('"')) return text;
  const quoted = text.slice(1, -1);
  const rest = quoted.replace(/\\./gs, "");
  if (text.length < 2 || !text.endsWith('"') || /["\\]/.test(rest)) {
    throw new SyntaxError("a quoted value does not end where it must");
  }
  const bytes: number[] = [];
  for (const [piece, octal, char] of quoted.matchAll(/\\([0-7]{1,3})|\\(.)|[^\\]+/gsu)) {
    if (octal !== undefined) bytes.push(parseInt(octal, 8) & 0xff);
    else if (char !== undefined) bytes.push(...utf8.encode(UNESCAPED[char] ?? char));
    else for (const byte of utf8.encode(piece)) bytes.push(byte);
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

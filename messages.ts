/**
 * Messages to the parent beyond the seed's reports: `LOG` and `STATUS` lines (pt-spec section
 * 3.3.4 and 3.3.5). They can be sent at any time.
 *
 * @module
 */

import { checkTransportName, printBeforeDone, printLine } from "./lines.ts";

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

const SEVERITIES: readonly Severity[] = ["error", "warning", "notice", "info", "debug"];

/**
 * Sends a message to the parent's log: `LOG SEVERITY=... MESSAGE=...` (pt-spec section 3.3.4).
 *
 * Never put the address of a user or of a bridge into it.
 *
 * @param severity How much it matters.
 * @param text The message, any text.
 * @throws {TypeError} When the severity is none of the five.
 *
 * @example
 * ```ts
 * import { log } from "@ptlib/ptlib/messages";
 *
 * log("notice", 'the cookie is "stale"');
 * ```
 */
export function log(severity: Severity, text: string): void {
  if (!SEVERITIES.includes(severity)) {
    throw new TypeError(`${JSON.stringify(severity)} is none of ${SEVERITIES.join(", ")}`);
  }
  printLine(`LOG SEVERITY=${severity} MESSAGE=${quoteCString(text)}`);
}

/**
 * Tells the parent something about a transport: `STATUS TRANSPORT=name K=V ...` (pt-spec section
 * 3.3.5).
 *
 * @param transport The transport's name.
 * @param values At least one key with its value; the meaning is between the two of you.
 * @throws {TypeError} When the name or a key would break the grammar, or there is no value.
 *
 * @example
 * ```ts
 * import { status } from "@ptlib/ptlib/messages";
 *
 * status("rot13", [["CONNECT", "Success"]]);
 * ```
 */
export function status(
  transport: string,
  values: Iterable<readonly [string, string]>,
): void {
  checkTransportName(transport);
  const words = Array.from(values, ([key, value]) => {
    if (!/^[a-zA-Z0-9_-]+$/.test(key)) {
      throw new TypeError(`${JSON.stringify(key)} is no key: only letters, digits, - and _`);
    }
    return `${key}=${quoteCString(value)}`;
  });
  if (words.length === 0) throw new TypeError("A status needs at least one value");
  printLine(`STATUS TRANSPORT=${transport} ${words.join(" ")}`);
}

/**
 * Tells the parent which program this is: `STATUS TYPE=version IMPLEMENTATION=... VERSION=...`
 * (pt-spec section 3.3.5), before `reportEnd()`.
 *
 * A new tor publishes it for a bridge. An older tor warns about it and an older Arti fails, so
 * ptlib never says it on its own.
 *
 * @param implementation The program's name.
 * @param version The program's version.
 * @throws {Error} When it comes after `reportEnd()` or `reportProxyError()`.
 *
 * @example
 * ```ts
 * import { reportVersion } from "@ptlib/ptlib/messages";
 *
 * reportVersion("rot0r", "1.2.3");
 * ```
 */
export function reportVersion(implementation: string, version: string): void {
  const values = `IMPLEMENTATION=${quoteCString(implementation)} VERSION=${quoteCString(version)}`;
  printBeforeDone(`STATUS TYPE=version ${values}`);
}

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

/**
 * The CString of `LOG` and `STATUS` lines (pt-spec section 3.3.4), written and read.
 *
 * @module
 */

const utf8 = new TextEncoder();
const latin1 = new TextDecoder("latin1");

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
  const bytes = latin1.decode(utf8.encode(text));
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

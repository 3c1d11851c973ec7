/** CStrings, and text that must stay in its line (`grammar.ts`). */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { printable, quoteCString, unquoteCString } from "../../grammar.ts";
import { bytesOf, edited, text, wellFormed } from "./arbitraries.ts";
import { attempt, forAll, type NamedProperty } from "./property.ts";

/** What becomes of a text that is quoted: `?` for each byte that has no place there. */
export function afterQuoting(text: string): string {
  const bytes = bytesOf(text).map((byte) =>
    byte >= 32 && byte <= 126 || [9, 10, 13].includes(byte) ? String.fromCharCode(byte) : "?"
  );
  return bytes.join("");
}

function octal(text: string, digits: number): string {
  return bytesOf(text).map((byte) => `\\${byte.toString(8).padStart(digits, "0")}`).join("");
}

/** Reads a CString byte by byte; null for what is none. */
function referenceUnquote(text: string): string | null {
  if (!text.startsWith('"')) return text;
  const all = bytesOf(text);
  const bytes: number[] = [];
  let at = 1;
  for (; at < all.length && all[at] !== 0x22; at++) {
    let byte = all[at] ?? 0;
    if (byte !== 0x5c) {
      bytes.push(byte);
      continue;
    }
    byte = all[++at] ?? 0;
    const isOctal = (byte: number | undefined) => byte !== undefined && byte >= 48 && byte <= 55;
    if (isOctal(byte)) {
      let value = byte - 48;
      for (let digits = 1; digits < 3 && isOctal(all[at + 1]); digits++) {
        value = 8 * value + (all[++at] ?? 0) - 48;
      }
      bytes.push(value & 255);
    } else {
      bytes.push({ n: 10, r: 13, t: 9 }[String.fromCharCode(byte)] ?? byte);
    }
  }
  if (at !== all.length - 1) return null;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

/** The properties of `grammar.ts`. */
export const cstringProperties: NamedProperty[] = [
  forAll(
    "quoteCString() writes printable ASCII that unquoteCString() reads, ? for other bytes",
    text,
    (text) => {
      const quoted = quoteCString(text);
      assert(/^"(?:[ !#-[\]-~]|\\["\\nrt])*"$/.test(quoted), quoted);
      assertEquals(unquoteCString(quoted), afterQuoting(text));
    },
  ),
  forAll(
    "unquoteCString() gives back any text whose bytes are all in octal",
    wellFormed,
    (text) => assertEquals(unquoteCString(`"${octal(text, 3)}"`), text),
  ),
  forAll(
    "unquoteCString() reads as PROTOCOL.md says, or throws a SyntaxError",
    edited(fc.oneof(
      text.map(quoteCString),
      text.map((text) => `"${text}"`),
      wellFormed.map((text) => `"${octal(text, 1)}"`),
      text,
    )).map((text) => text.toWellFormed()),
    (text) =>
      assertEquals(attempt(() => unquoteCString(text), SyntaxError), referenceUnquote(text)),
  ),
  forAll("printable() leaves nothing that breaks out of a line", text, (text) => {
    const shown = printable(text);
    assert(/^[ -~]*$/.test(shown), shown);
    assertEquals([...shown].length, [...text].length);
  }),
];

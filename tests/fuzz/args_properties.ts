/** The three dialects of arguments (`args.ts`). */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import {
  formatServerOptions,
  formatSmethodArgs,
  formatSocksArgs,
  parseServerOptions,
  parseSmethodArgs,
  parseSocksArgs,
} from "../../args.ts";
import { edited, nonEmpty, pairs, printableWord, text, wellFormed } from "./arbitraries.ts";
import { attempt, forAll, type NamedProperty } from "./property.ts";

/** Cuts a text at the first unescaped one of `ends`; null where a backslash ends it. */
function cut(text: string, ends: string): [before: string, found: boolean, after: string] | null {
  let before = "";
  for (let index = 0; index < text.length; index++) {
    const char = text[index] ?? "";
    if (ends.includes(char)) return [before, true, text.slice(index + 1)];
    if (char !== "\\") before += char;
    else if (++index === text.length) return null;
    else before += text[index];
  }
  return [before, false, ""];
}

/**
 * What PROTOCOL.md says in its section 2, once more and in another way: from left to right.
 *
 * @returns The pieces of each item; null for what is malformed.
 */
export function referenceItems(
  text: string,
  inner: readonly string[],
  separator: string,
): string[][] | null {
  if (text === "") return [];
  const items: string[][] = [];
  for (let rest: string | null = text; rest !== null;) {
    const item: string[] = [];
    for (const mark of inner) {
      const piece = cut(rest, mark + separator);
      if (piece === null) return null;
      const [before, , after] = piece;
      // It has to be the mark that ended the piece, and not the separator.
      const ending = rest[rest.length - after.length - 1];
      if (before === "" || !piece[1] || ending !== mark) return null;
      item.push(before);
      rest = after;
    }
    const value = cut(rest, separator);
    if (value === null) return null;
    item.push(value[0]);
    items.push(item.map((piece) => piece.toWellFormed()));
    rest = value[1] ? value[2] : null;
  }
  return items;
}

const dialects = [
  { dialect: "SOCKS", separator: ";", parse: parseSocksArgs, format: formatSocksArgs },
  { dialect: "SMETHOD", separator: ",", parse: parseSmethodArgs, format: formatSmethodArgs },
] as const;

const words = fc.array(fc.tuple(nonEmpty(printableWord), printableWord));
const options = fc.dictionary(
  nonEmpty(wellFormed),
  pairs.filter((pairs) => pairs.length > 0),
  { noNullPrototype: true, maxKeys: 5 },
);

/** The properties of `args.ts`. */
export const argsProperties: NamedProperty[] = [
  forAll(
    "parseSocksArgs() gives back what formatSocksArgs() was given",
    pairs,
    (pairs) => assertEquals([...parseSocksArgs(formatSocksArgs(pairs))], pairs),
  ),
  forAll(
    "parseSmethodArgs() gives back what formatSmethodArgs() was given",
    words,
    (pairs) => assertEquals([...parseSmethodArgs(formatSmethodArgs(pairs))], pairs),
  ),
  forAll("parseServerOptions() gives back what formatServerOptions() was given", options, (all) => {
    const parsed = Object.entries(parseServerOptions(formatServerOptions(all)));
    assertEquals(parsed.map(([name, args]) => [name, [...args]]), Object.entries(all));
  }),
  ...dialects.map(({ dialect, separator, parse, format }) =>
    forAll(
      `${dialect} arguments are read as PROTOCOL.md says, or throw a SyntaxError`,
      edited(fc.oneof(
        words.map((pairs) => pairs.map((pair) => pair.join("=")).join(separator)),
        words.map((words) => format(words)),
        text,
      )),
      (text) => {
        const args = attempt(() => parse(text), SyntaxError);
        assertEquals(args && [...args], referenceItems(text, ["="], separator));
      },
    )
  ),
  forAll(
    "options of servers are read as PROTOCOL.md says, or throw a SyntaxError",
    edited(fc.oneof(options.map(formatServerOptions), text)),
    (text) => {
      const read = attempt(() => parseServerOptions(text), SyntaxError);
      const expected = referenceItems(text, [":", "="], ";");
      if (read === null || expected === null) return assertEquals(read === null, expected === null);
      for (const [name, args] of Object.entries(read)) {
        const own = expected.filter((item) => item[0] === name.toWellFormed());
        assertEquals([...args], own.map(([, key = "", value = ""]) => [key, value]));
      }
      assertEquals(
        new Set(Object.keys(read).map((name) => name.toWellFormed())),
        new Set(expected.map(([name]) => name)),
      );
    },
  ),
  forAll(
    "formatSmethodArgs() writes one printable word, or throws a TypeError",
    fc.array(fc.tuple(text, text), { maxLength: 3 }),
    (pairs) => {
      const word = attempt(() => formatSmethodArgs(pairs), TypeError);
      const valid = pairs.every(([key, value]) => key !== "" && /^[!-~]*$/.test(key + value));
      assertEquals(word !== null, valid);
      assert(/^[!-~]*$/.test(word ?? ""), word ?? "");
    },
  ),
];

/**
 * Key-value arguments in the three dialects of pt-spec: those of a SOCKS request, those of
 * `TOR_PT_SERVER_TRANSPORT_OPTIONS` and those of an `SMETHOD` line.
 *
 * They come out as `URLSearchParams`, because that is an ordered multimap with `get` and
 * `getAll`. Never build one from a string, and never print one with `toString()`: that form
 * turns the `+` of an obfs4 certificate into a space.
 *
 * @module
 */

/** Splits at every unescaped `separator`; the pieces keep their escapes. */
function splitUnescaped(text: string, separator: string): string[] {
  const pieces: string[] = [];
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === "\\") index++;
    else if (text[index] === separator) {
      pieces.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return [...pieces, text.slice(start)];
}

/** Splits at the first unescaped `separator`; null when there is none. */
function cutUnescaped(text: string, separator: string): [before: string, after: string] | null {
  const [before = "", ...rest] = splitUnescaped(text, separator);
  return rest.length === 0 ? null : [before, text.slice(before.length + 1)];
}

function unescape(text: string): string {
  if (/(?:^|[^\\])(?:\\\\)*\\$/.test(text)) {
    throw new SyntaxError("a backslash at the end escapes nothing");
  }
  return text.replace(/\\(.)/gsu, "$1");
}

function escape(text: string, special: RegExp): string {
  return text.replace(special, "\\$&");
}

function parsePair(item: string): [key: string, value: string] {
  const pair = cutUnescaped(item, "=");
  if (item === "") throw new SyntaxError("an item is empty");
  if (pair === null) throw new SyntaxError("an item has no =");
  if (pair[0] === "") throw new SyntaxError("a key is empty");
  return [unescape(pair[0]), unescape(pair[1])];
}

function parsePairs(text: string, separator: string): URLSearchParams {
  if (text === "") return new URLSearchParams();
  return new URLSearchParams(splitUnescaped(text, separator).map(parsePair));
}

function formatPair([key, value]: readonly [string, string], special: RegExp): string {
  if (key === "") throw new TypeError("The key of an argument must not be empty");
  return `${escape(key, special)}=${escape(value, special)}`;
}

/**
 * How many bytes of arguments a connection can have: the user name and the password of SOCKS5 (RFC
 * 1929).
 *
 * @example
 * ```ts
 * import { formatSocksArgs, MOST_ARGUMENT_BYTES } from "@ptlib/ptlib/args";
 *
 * const fits = (args: URLSearchParams) => formatSocksArgs(args).length <= MOST_ARGUMENT_BYTES;
 * ```
 */
export const MOST_ARGUMENT_BYTES = 510;

/**
 * Reads the arguments of a SOCKS request, `k=v;k=v` (pt-spec section 3.5).
 *
 * @param text The joined user name and password fields. Empty means no arguments.
 * @returns The arguments in their order; keys may repeat.
 * @throws {SyntaxError} When an item is empty or has no `=`, a key is empty, or a backslash
 * ends the text.
 *
 * @example
 * ```ts
 * import { parseSocksArgs } from "@ptlib/ptlib/args";
 *
 * const args = parseSocksArgs("cert=a+b/c;iat-mode=0");
 * if (args.get("cert") !== "a+b/c") throw new Error();
 * ```
 */
export function parseSocksArgs(text: string): URLSearchParams {
  return parsePairs(text, ";");
}

/**
 * Writes the arguments of a SOCKS request, `k=v;k=v` (pt-spec section 3.5).
 *
 * @param args The arguments in their order, such as a `URLSearchParams`.
 * @returns The text that goes into the user name and password fields.
 * @throws {TypeError} When a key is empty.
 *
 * @example
 * ```ts
 * import { formatSocksArgs } from "@ptlib/ptlib/args";
 *
 * if (formatSocksArgs([["password", "a;b"]]) !== "password=a\\;b") throw new Error();
 * ```
 */
export function formatSocksArgs(args: Iterable<readonly [string, string]>): string {
  return Array.from(args, (pair) => formatPair(pair, /[\\=;]/g)).join(";");
}

/**
 * Reads `TOR_PT_SERVER_TRANSPORT_OPTIONS`, `name:k=v;name:k=v` (pt-spec section 3.2.3).
 *
 * @param text The value of the variable. Empty means no options.
 * @returns The options of each transport. The object has no prototype, so any name is safe.
 * @throws {SyntaxError} When an item is empty or has no `:` or no `=` after it, a name or a key
 * is empty, or a backslash ends the text.
 *
 * @example
 * ```ts
 * import { parseServerOptions } from "@ptlib/ptlib/args";
 *
 * const options = parseServerOptions("scramblesuit:key=banana;automata:rule=110");
 * if (options["automata"]?.get("rule") !== "110") throw new Error();
 * ```
 */
export function parseServerOptions(text: string): Record<string, URLSearchParams> {
  const options: Record<string, URLSearchParams> = Object.create(null);
  if (text === "") return options;
  for (const item of splitUnescaped(text, ";")) {
    const named = cutUnescaped(item, ":");
    if (item === "") throw new SyntaxError("an item is empty");
    if (named === null) throw new SyntaxError("an item has no : after the transport's name");
    if (named[0] === "") throw new SyntaxError("the name of a transport is empty");
    const [key, value] = parsePair(named[1]);
    (options[unescape(named[0])] ??= new URLSearchParams()).append(key, value);
  }
  return options;
}

/**
 * Writes `TOR_PT_SERVER_TRANSPORT_OPTIONS`, `name:k=v;name:k=v` (pt-spec section 3.2.3).
 *
 * @param options The options of each transport.
 * @returns The value of the variable.
 * @throws {TypeError} When a name or a key is empty.
 *
 * @example
 * ```ts
 * import { formatServerOptions } from "@ptlib/ptlib/args";
 *
 * const text = formatServerOptions({ automata: [["rule", "110"], ["depth", "3"]] });
 * if (text !== "automata:rule=110;automata:depth=3") throw new Error();
 * ```
 */
export function formatServerOptions(
  options: Readonly<Record<string, Iterable<readonly [string, string]>>>,
): string {
  const special = /[\\:;=]/g;
  return Object.entries(options).flatMap(([name, args]) => {
    if (name === "") throw new TypeError("The name of a transport must not be empty");
    return Array.from(args, (pair) => `${escape(name, special)}:${formatPair(pair, special)}`);
  }).join(";");
}

/**
 * Reads what follows `ARGS:` in an `SMETHOD` line, `k=v,k=v` (pt-spec section 3.3.3).
 *
 * @param text The text after `ARGS:`. Empty means no arguments.
 * @returns The arguments in their order; keys may repeat.
 * @throws {SyntaxError} When an item is empty or has no `=`, a key is empty, or a backslash
 * ends the text.
 *
 * @example
 * ```ts
 * import { parseSmethodArgs } from "@ptlib/ptlib/args";
 *
 * if (parseSmethodArgs("cert=abc,iat-mode=1").get("iat-mode") !== "1") throw new Error();
 * ```
 */
export function parseSmethodArgs(text: string): URLSearchParams {
  return parsePairs(text, ",");
}

/**
 * Writes what follows `ARGS:` in an `SMETHOD` line, `k=v,k=v` (pt-spec section 3.3.3).
 *
 * @param args The arguments in their order, such as a `URLSearchParams`.
 * @returns One word, empty when there are no arguments.
 * @throws {TypeError} When a key is empty, or a key or value has a character other than
 * printable ASCII without space: tor splits the line at spaces and knows no escape for them.
 *
 * @example
 * ```ts
 * import { formatSmethodArgs } from "@ptlib/ptlib/args";
 *
 * if (formatSmethodArgs([["cert", "a,b"]]) !== "cert=a\\,b") throw new Error();
 * ```
 */
export function formatSmethodArgs(args: Iterable<readonly [string, string]>): string {
  const word = Array.from(args, (pair) => formatPair(pair, /[\\=,]/g)).join(",");
  if (!/^[\x21-\x7e]*$/.test(word)) {
    throw new TypeError("Arguments of an SMETHOD line must be printable ASCII without spaces");
  }
  return word;
}

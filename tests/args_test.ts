import { assertEquals, assertThrows } from "@std/assert";
import {
  formatServerOptions,
  formatSmethodArgs,
  formatSocksArgs,
  parseServerOptions,
  parseSmethodArgs,
  parseSocksArgs,
} from "../args.ts";
import { server } from "../mod.ts";
import { printedBy } from "./stdout.ts";
import { SERVER, setEnvironment } from "./environment.ts";

type Pairs = [key: string, value: string][];

const SOCKS: [text: string, pairs: Pairs][] = [
  ["", []],
  ["k=v", [["k", "v"]]],
  ["a=1;b=2;c=3", [["a", "1"], ["b", "2"], ["c", "3"]]],
  ["k=1;k=2;j=3;k=4", [["k", "1"], ["k", "2"], ["j", "3"], ["k", "4"]]],
  ["k=", [["k", ""]]],
  ["k=;j=", [["k", ""], ["j", ""]]],
  ["cert=a+b/c;iat-mode=0", [["cert", "a+b/c"], ["iat-mode", "0"]]],
  ["url=https\\=//x,y:1&2#%41", [["url", "https=//x,y:1&2#%41"]]],
  ["k=a b\tc", [["k", "a b\tc"]]],
  ["schlüssel=日本😀", [["schlüssel", "日本😀"]]],
  ["k=a\\;b\\=c\\\\d", [["k", "a;b=c\\d"]]],
  ["k\\=e\\;y\\\\=v", [["k=e;y\\", "v"]]],
  ["__proto__=1;toString=2", [["__proto__", "1"], ["toString", "2"]]],
];

/** What others write and we read, in a form that is not the one we write. */
const FOREIGN_SOCKS: [text: string, pairs: Pairs][] = [
  ["k=a=b==", [["k", "a=b=="]]],
  ["k==v", [["k", "=v"]]],
  ["\\k=\\v\\n\\0", [["k", "vn0"]]],
  ["k=\\😀", [["k", "😀"]]],
  ["k=\\\n", [["k", "\n"]]],
];

const MALFORMED_PAIRS = [
  "k",
  "=v",
  "=",
  "k\\=v",
  "\\",
  "k=v\\",
  "k=\\",
  "k\\",
  "k=v\\\\\\",
];

const MALFORMED_SOCKS = [...MALFORMED_PAIRS, ";", "k=v;", ";k=v", "k=v;;j=w", "k=v;j", "k=v;=w"];

Deno.test("parseSocksArgs() reads k=v;k=v in order", () => {
  for (const [text, pairs] of [...SOCKS, ...FOREIGN_SOCKS]) {
    assertEquals([...parseSocksArgs(text)], pairs, text);
  }
});

Deno.test("parseSocksArgs() gives URLSearchParams that find the first and all values", () => {
  const args = parseSocksArgs("k=1;j=2;k=3");
  assertEquals(args instanceof URLSearchParams, true);
  assertEquals([args.get("k"), args.getAll("k"), args.get("x")], ["1", ["1", "3"], null]);
});

Deno.test("parseSocksArgs() throws for what is malformed", () => {
  for (const text of MALFORMED_SOCKS) {
    assertThrows(() => parseSocksArgs(text), SyntaxError, undefined, text);
  }
});

Deno.test("formatSocksArgs() escapes backslash, equals sign and semicolon, and nothing else", () => {
  for (const [text, pairs] of SOCKS) {
    assertEquals(formatSocksArgs(pairs), text);
    assertEquals(formatSocksArgs(new URLSearchParams(pairs)), text);
  }
});

Deno.test("formatSocksArgs() throws for an empty key", () => {
  const message = "The key of an argument must not be empty";
  assertThrows(() => formatSocksArgs([["k", "v"], ["", "v"]]), TypeError, message);
});

const SMETHOD: [text: string, pairs: Pairs][] = [
  ["", []],
  ["k=v", [["k", "v"]]],
  ["cert=a+b/c,iat-mode=1", [["cert", "a+b/c"], ["iat-mode", "1"]]],
  ["k=1,k=2", [["k", "1"], ["k", "2"]]],
  ["k=", [["k", ""]]],
  ["k=a\\,b\\=c\\\\d;e:f", [["k", "a,b=c\\d;e:f"]]],
];

const MALFORMED_SMETHOD = [...MALFORMED_PAIRS, ",", "k=v,", ",k=v", "k=v,,j=w", "k=v,j", "k=v,=w"];

Deno.test("parseSmethodArgs() reads k=v,k=v in order", () => {
  for (const [text, pairs] of SMETHOD) assertEquals([...parseSmethodArgs(text)], pairs, text);
  assertEquals([...parseSmethodArgs("k=a=b;c")], [["k", "a=b;c"]]);
});

Deno.test("parseSmethodArgs() throws for what is malformed", () => {
  for (const text of MALFORMED_SMETHOD) {
    assertThrows(() => parseSmethodArgs(text), SyntaxError, undefined, text);
  }
});

Deno.test("formatSmethodArgs() escapes backslash, equals sign and comma, and nothing else", () => {
  for (const [text, pairs] of SMETHOD) {
    assertEquals(formatSmethodArgs(pairs), text);
    assertEquals(formatSmethodArgs(new URLSearchParams(pairs)), text);
  }
});

Deno.test("formatSmethodArgs() throws for an empty key and whatever is not one ASCII word", () => {
  const rows: Pairs = [
    ["", "v"],
    ["k", "a b"],
    ["a b", "v"],
    ["k", "a\nb"],
    ["k", "a\0b"],
    ["k", "a\tb"],
    ["k", "a\x7fb"],
    ["k", "é"],
    ["é", "v"],
  ];
  for (const row of rows) {
    assertThrows(() => formatSmethodArgs([row]), TypeError, undefined, JSON.stringify(row));
  }
});

const OPTIONS: [text: string, options: Record<string, Pairs>][] = [
  ["", {}],
  ["a:k=v", { a: [["k", "v"]] }],
  [
    "scramblesuit:key=banana;automata:rule=110;automata:depth=3",
    { scramblesuit: [["key", "banana"]], automata: [["rule", "110"], ["depth", "3"]] },
  ],
  ["a:k=1;a:k=2", { a: [["k", "1"], ["k", "2"]] }],
  ["a:k=", { a: [["k", ""]] }],
  ["a:cert=x+y/z", { a: [["cert", "x+y/z"]] }],
  ["a:k=1\\:2\\;3\\=4\\\\5,6", { a: [["k", "1:2;3=4\\5,6"]] }],
  ["a\\:b\\;c:k\\:\\==v", { "a:b;c": [["k:=", "v"]] }],
];

/** What others write and we read, in a form that is not the one we write. */
const FOREIGN_OPTIONS: [text: string, options: Record<string, Pairs>][] = [
  ["a:url=http://x", { a: [["url", "http://x"]] }],
  ["a:k:l=v", { a: [["k:l", "v"]] }],
  ["a:k=x=y", { a: [["k", "x=y"]] }],
  ["a:k=1;b:k=2;a:j=3", { a: [["k", "1"], ["j", "3"]], b: [["k", "2"]] }],
  ["a=b:k=v", { "a=b": [["k", "v"]] }],
];

const MALFORMED_OPTIONS = [
  "a",
  "k=v",
  "a:k",
  "a:",
  "a:=v",
  ":k=v",
  ":",
  "a\\:k=v",
  "a:k\\=v",
  "a:k=v\\",
  ";",
  "a:k=v;",
  ";a:k=v",
  "a:k=v;;b:k=v",
  "a:k=v;b",
];

/** The options as plain entries, in the order of `Object.entries`. */
function entries(options: Record<string, URLSearchParams>): [name: string, pairs: Pairs][] {
  return Object.entries(options).map(([name, args]) => [name, [...args]]);
}

Deno.test("parseServerOptions() reads name:k=v;name:k=v", () => {
  for (const [text, options] of [...OPTIONS, ...FOREIGN_OPTIONS]) {
    assertEquals(entries(parseServerOptions(text)), Object.entries(options), text);
  }
});

Deno.test("parseServerOptions() keeps any name apart from those every object has", () => {
  const options = parseServerOptions("__proto__:k=v;constructor:k=w");
  assertEquals(Object.getPrototypeOf(options), null);
  assertEquals(options["__proto__"]?.get("k"), "v");
  assertEquals(options["constructor"]?.get("k"), "w");
  assertEquals("toString" in options, false);
  assertEquals(formatServerOptions(options), "__proto__:k=v;constructor:k=w");
});

Deno.test("parseServerOptions() throws for what is malformed", () => {
  for (const text of MALFORMED_OPTIONS) {
    assertThrows(() => parseServerOptions(text), SyntaxError, undefined, text);
  }
});

Deno.test("formatServerOptions() escapes backslash, colon, semicolon and equals sign", () => {
  for (const [text, options] of OPTIONS) assertEquals(formatServerOptions(options), text);
});

Deno.test("formatServerOptions() takes what parseServerOptions() gives", () => {
  for (const [text] of OPTIONS) assertEquals(formatServerOptions(parseServerOptions(text)), text);
});

Deno.test("formatServerOptions() throws for an empty name or key", () => {
  const message = "The name of a transport must not be empty";
  assertThrows(() => formatServerOptions({ "": [["k", "v"]] }), TypeError, message);
  assertThrows(() => formatServerOptions({ a: [["", "v"]] }), TypeError, "The key of an argument");
});

Deno.test("parsers name the fault without repeating the text, which may hold a secret", () => {
  const rows: [parse: () => unknown, message: string][] = [
    [() => parseSocksArgs("k=v;;j=w"), "an item is empty"],
    [() => parseSocksArgs("hunter2"), "an item has no ="],
    [() => parseSocksArgs("=hunter2"), "a key is empty"],
    [() => parseSocksArgs("k=hunter2\\"), "a backslash at the end escapes nothing"],
    [() => parseServerOptions("hunter2"), "an item has no : after the transport's name"],
    [() => parseServerOptions(":k=hunter2"), "the name of a transport is empty"],
  ];
  for (const [parse, message] of rows) {
    assertEquals(assertThrows(parse, SyntaxError).message, message);
  }
});

Deno.test("server.init() and server.reportSuccess() keep the + of a certificate", () => {
  using _ = setEnvironment({ ...SERVER, SERVER_TRANSPORT_OPTIONS: "rot13:cert=a+b%2B" });
  const lines = printedBy(() => {
    const args = server.init(["rot13"]).transport_options["rot13"];
    assertEquals(args?.get("cert"), "a+b%2B");
    server.reportSuccess("rot13", ["127.0.0.1", 1], args);
  });
  assertEquals(lines, "VERSION 1\nSMETHOD rot13 127.0.0.1:1 ARGS:cert=a+b%2B\n");
});

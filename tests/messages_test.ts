import { assertEquals, assertThrows } from "@std/assert";
import { log, reportVersion, type Severity, status } from "../mod.ts";
import { quoteCString, unquoteCString } from "../messages.ts";
import { captureStdout, printedBy } from "./stdout.ts";

const CSTRINGS: [text: string, quoted: string][] = [
  ["", '""'],
  ["plain", '"plain"'],
  ["two words", '"two words"'],
  ['say "hi"', '"say \\"hi\\""'],
  ["C:\\tor", '"C:\\\\tor"'],
  ["a\nb\rc\td", '"a\\nb\\rc\\td"'],
  ["~ !#$%&'()*+,-./:;<=>?@[]^_`{|}", '"~ !#$%&\'()*+,-./:;<=>?@[]^_`{|}"'],
  ["\\n", '"\\\\n"'],
];

Deno.test("quoteCString() quotes always and escapes what Arti and tor can read", () => {
  for (const [text, quoted] of CSTRINGS) assertEquals(quoteCString(text), quoted);
});

Deno.test("quoteCString() puts ? for every other byte that is not printable ASCII", () => {
  const rows: [text: string, quoted: string][] = [
    ["a\0b", '"a?b"'],
    ["\x01\x08\x0b\x0c\x1b\x1f\x7f", '"???????"'],
    ["é", '"??"'],
    ["日", '"???"'],
    ["😀", '"????"'],
    ["\u0080\u2028\ud800", '"????????"'],
  ];
  for (const [text, quoted] of rows) assertEquals(quoteCString(text), quoted);
});

Deno.test("unquoteCString() gives back what quoteCString() was given", () => {
  for (const [text, quoted] of CSTRINGS) assertEquals(unquoteCString(quoted), text);
});

Deno.test("unquoteCString() reads octal escapes, other escapes and unquoted values", () => {
  const rows: [quoted: string, text: string][] = [
    ['"caf\\303\\251"', "café"],
    ['"\\0\\7\\12\\101"', "\0\x07\nA"],
    ['"\\1011"', "A1"],
    ['"\\18"', "\x018"],
    ['"\\777"', "\ufffd"],
    ['"\\q\\8\\\'"', "q8'"],
    ['"\\303é"', "\ufffdé"],
    ['"\\357\\273\\277x"', "\ufeffx"],
    ['"\\😀"', "😀"],
    ["", ""],
    ["plain", "plain"],
    ["back\\slash", "back\\slash"],
    ['in"side', 'in"side'],
  ];
  for (const [quoted, text] of rows) assertEquals(unquoteCString(quoted), text, quoted);
});

Deno.test("unquoteCString() throws when quotes are missing at one end or stand inside", () => {
  for (const quoted of ['"', '"a', '"a\\"', '"a"b', '"a"b"', '"""', '"a" ', '"\\']) {
    assertThrows(() => unquoteCString(quoted), SyntaxError, "does not end where", quoted);
  }
});

Deno.test("unquoteCString() reads a value of any length", () => {
  const long = "a".repeat(8 << 20);
  assertEquals(unquoteCString(`"${long}"`).length, long.length);
});

Deno.test("log() prints the severity first, then the message as a CString", () => {
  for (const severity of ["error", "warning", "notice", "info", "debug"] as const) {
    const line = printedBy(() => log(severity, 'the "cookie"\nis stale'));
    assertEquals(line, `LOG SEVERITY=${severity} MESSAGE="the \\"cookie\\"\\nis stale"\n`);
  }
  assertEquals(printedBy(() => log("info", "")), 'LOG SEVERITY=info MESSAGE=""\n');
});

Deno.test("log() throws for another severity and prints nothing", () => {
  using stdout = captureStdout();
  for (const severity of ["", "warn", "ERROR", "notice MESSAGE=x", "toString"]) {
    assertThrows(() => log(severity as Severity, "text"), TypeError);
  }
  assertEquals(stdout.text(), "");
});

Deno.test("status() prints the transport and each value as a CString", () => {
  const rows: [values: Iterable<readonly [string, string]>, words: string][] = [
    [[["CONNECT", "Success"]], 'CONNECT="Success"'],
    [[["a", ""], ["B_-9", "x y"]], 'a="" B_-9="x y"'],
    [[["k", "1"], ["k", '"\n']], 'k="1" k="\\"\\n"'],
    [new Map([["k", "v"]]), 'k="v"'],
    [new URLSearchParams([["k", "a+b"]]), 'k="a+b"'],
  ];
  for (const [values, words] of rows) {
    assertEquals(printedBy(() => status("rot13", values)), `STATUS TRANSPORT=rot13 ${words}\n`);
  }
});

Deno.test("status() throws for a name, a key or a number of values that breaks the grammar", () => {
  using stdout = captureStdout();
  const rows: [transport: string, values: [string, string][]][] = [
    ["rot13", []],
    ["", [["k", "v"]]],
    ["1rot", [["k", "v"]]],
    ["rot 13", [["k", "v"]]],
    ["rot-13", [["k", "v"]]],
    ["rot13", [["", "v"]]],
    ["rot13", [["a b", "v"]]],
    ["rot13", [["a=b", "v"]]],
    ["rot13", [["k", "v"], ["é", "v"]]],
    ["rot13", [["k\n", "v"]]],
  ];
  for (const [transport, values] of rows) {
    assertThrows(() => status(transport, values), TypeError, undefined, JSON.stringify(values));
  }
  assertEquals(stdout.text(), "");
});

Deno.test("log(), status() and reportVersion() need no init()", () => {
  const lines = printedBy(() => {
    log("debug", "text");
    status("rot13", [["k", "v"]]);
    reportVersion("rot0r", "1");
  });
  assertEquals(lines.split("\n").length, 4);
});

Deno.test("reportVersion() prints implementation and version as CStrings", () => {
  assertEquals(
    printedBy(() => reportVersion("rot0r", '1.2.3 "beta"')),
    'STATUS TYPE=version IMPLEMENTATION="rot0r" VERSION="1.2.3 \\"beta\\""\n',
  );
});

Deno.test("log() writes its line whole when stdout takes a byte at a time", () => {
  using stdout = captureStdout(1);
  log("notice", "first");
  log("notice", "second");
  assertEquals(
    stdout.text(),
    'LOG SEVERITY=notice MESSAGE="first"\nLOG SEVERITY=notice MESSAGE="second"\n',
  );
});

Deno.test("log() offers its line to stdout in one piece", () => {
  using _ = captureStdout();
  const capturing = Deno.stdout.writeSync;
  let writes = 0;
  Deno.stdout.writeSync = (chunk) => {
    writes++;
    return capturing(chunk);
  };
  log("notice", "text");
  assertEquals(writes, 1);
});

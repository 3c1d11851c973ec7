import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type BridgeLine, formatBridgeLine, parseBridgeLine } from "../bridge_line.ts";

const FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567";

type Said = Omit<BridgeLine, "args"> & { args: [key: string, value: string][] };

const OBFS4: Said = {
  transport: "obfs4",
  address: ["192.0.2.7", 443],
  fingerprint: FINGERPRINT,
  args: [["cert", "a+b/c"], ["iat-mode", "0"]],
};
const BARE: Said = { transport: null, address: ["192.0.2.7", 443], fingerprint: null, args: [] };

/** Lines as they are written, and what they say. */
const WRITTEN: [line: string, said: Said][] = [
  [`obfs4 192.0.2.7:443 ${FINGERPRINT} cert=a+b/c iat-mode=0`, OBFS4],
  ["obfs4 192.0.2.7:443 cert=a+b/c iat-mode=0", { ...OBFS4, fingerprint: null }],
  [`obfs4 192.0.2.7:443 ${FINGERPRINT}`, { ...OBFS4, args: [] }],
  ["obfs4 192.0.2.7:443", { ...OBFS4, fingerprint: null, args: [] }],
  ["obfs4 [2001:DB8::7]:1 k=", {
    ...OBFS4,
    address: ["2001:DB8::7", 1],
    fingerprint: null,
    args: [["k", ""]],
  }],
  ["192.0.2.7:443", BARE],
  [`[::1]:65535 ${FINGERPRINT}`, { ...BARE, address: ["::1", 65535], fingerprint: FINGERPRINT }],
  ["a 192.0.2.7:443 k=a=b== k=;\\ ü=é k==", {
    ...BARE,
    transport: "a",
    args: [["k", "a=b=="], ["k", ";\\"], ["ü", "é"], ["k", "="]],
  }],
  ["__proto__ 192.0.2.7:443 __proto__=1", {
    ...BARE,
    transport: "__proto__",
    args: [["__proto__", "1"]],
  }],
  ["Bridge bridge 192.0.2.7:443", { ...BARE, transport: "bridge" }],
];

/** Lines that say the same as one of those above, written in another way. */
const READ: [line: string, said: Said][] = [
  [`Bridge obfs4 192.0.2.7:443 ${FINGERPRINT} cert=a+b/c iat-mode=0`, OBFS4],
  [`bRIDGE obfs4 192.0.2.7:443 ${FINGERPRINT} cert=a+b/c iat-mode=0`, OBFS4],
  [`\t obfs4  192.0.2.7:443\t${FINGERPRINT}   cert=a+b/c iat-mode=0 \r\n`, OBFS4],
  [`obfs4 192.0.2.7:443 $${FINGERPRINT.toLowerCase()} cert=a+b/c iat-mode=0`, OBFS4],
  [`obfs4 192.0.2.7 ${FINGERPRINT} cert=a+b/c iat-mode=0`, OBFS4],
  ["Bridge 192.0.2.7", BARE],
  ["[::1]", { ...BARE, address: ["::1", 443] }],
  [`192.0.2.7:443 $${FINGERPRINT}`, { ...BARE, fingerprint: FINGERPRINT }],
  ["192.0.2.7:443 0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567", {
    ...BARE,
    fingerprint: FINGERPRINT,
  }],
];

const NAME = /^the transport's name has more than letters/;
const ADDRESS = /^the address is malformed: the host is not a numeric IP address/;
const PORT = /^the address is malformed: the port is not/;
const DIGITS =
  /^what follows the address is (?:not|neither) a fingerprint of 40 hexadecimal digits/;

const MALFORMED: [line: string, message: RegExp][] = [
  ["", /^there is nothing in it$/],
  [" Bridge \t", /^there is nothing in it$/],
  ["obfs4", /^there is no address after the transport's name$/],
  ["meek-lite 192.0.2.7:443", NAME],
  ["4a 192.0.2.7:443", NAME],
  ["obfs4 bridge.example:443", ADDRESS],
  ["bridge.example:443", ADDRESS],
  ["obfs4 2001:db8::7", ADDRESS],
  ["obfs4 2001:db8::7:443", ADDRESS],
  ["obfs4 [192.0.2.7]:443", ADDRESS],
  ["obfs4 cert=a", ADDRESS],
  ["obfs4 192.0.2.7:0443", PORT],
  ["obfs4 192.0.2.7:65536", PORT],
  ["obfs4 192.0.2.7:", PORT],
  ["obfs4 192.0.2.7:0", /^the address is malformed: nobody listens on port 0$/],
  [`obfs4 192.0.2.7:443 ${FINGERPRINT}0`, DIGITS],
  [`obfs4 192.0.2.7:443 ${FINGERPRINT.slice(1)}`, DIGITS],
  [`obfs4 192.0.2.7:443 $$${FINGERPRINT}`, DIGITS],
  [`obfs4 192.0.2.7:443 ${FINGERPRINT.replace("A", "G")}`, DIGITS],
  [`obfs4 192.0.2.7:443 ${FINGERPRINT.replace("01", "01 ")}`, DIGITS],
  [`obfs4 192.0.2.7:443 ${FINGERPRINT} ${FINGERPRINT}`, /^argument 1 is not KEY=VALUE$/],
  ["obfs4 192.0.2.7:443 =a", DIGITS],
  [`obfs4 192.0.2.7:443 ${FINGERPRINT} cert`, /^argument 1 is not KEY=VALUE$/],
  ["obfs4 192.0.2.7:443 k=v =v", /^argument 2 is not KEY=VALUE$/],
  [`obfs4 192.0.2.7:443 k=v ${FINGERPRINT}`, /^argument 2 is not KEY=VALUE$/],
  [`192.0.2.7:443 ${FINGERPRINT} k=v`, /^there are arguments, but no transport's name/],
  ["192.0.2.7:443 0123", DIGITS],
  ["a 192.0.2.7:443 k=v\na 192.0.2.8:443", /^there is a control character in it/],
  ["a 192.0.2.7:443 k=\0", /^there is a control character in it/],
];

function said({ args, ...line }: BridgeLine): Said {
  return { ...line, args: [...args] };
}

Deno.test("parseBridgeLine() reads lines with and without each of their parts", () => {
  for (const [line, expected] of [...WRITTEN, ...READ]) {
    assertEquals(said(parseBridgeLine(line)), expected, line);
  }
});

Deno.test("parseBridgeLine() names the part that is malformed, and repeats nothing of it", () => {
  for (const [line, message] of MALFORMED) {
    const error = assertThrows(() => parseBridgeLine(line), SyntaxError, undefined, line);
    assertMatch(error.message, message, line);
    assert(!/192|2001|db8|example|0123|meek/.test(error.message), error.message);
  }
});

Deno.test("formatBridgeLine() writes the parts that there are", () => {
  for (const [line, parts] of WRITTEN) {
    assertEquals(formatBridgeLine(parts), line);
    assertEquals(formatBridgeLine({ ...parts, args: new URLSearchParams(parts.args) }), line);
  }
  for (const [line, expected] of READ) {
    assertEquals(formatBridgeLine(parseBridgeLine(line)), formatBridgeLine(expected));
  }
  assertEquals(formatBridgeLine({ address: ["192.0.2.7", 443] }), "192.0.2.7:443");
});

Deno.test("formatBridgeLine() throws for what no line can hold", () => {
  const faults: [Partial<Said>, string][] = [
    [{ transport: "meek-lite" }, "name"],
    [{ transport: "" }, "name"],
    [{ address: ["bridge.example", 443] }, "host"],
    [{ address: ["[::1]", 443] }, "host"],
    [{ address: ["192.0.2.7", 0] }, "port"],
    [{ address: ["192.0.2.7", 65536] }, "port"],
    [{ address: ["192.0.2.7", 1.5] }, "port"],
    [{ fingerprint: `$${FINGERPRINT}` }, "fingerprint"],
    [{ fingerprint: "" }, "fingerprint"],
    [{ transport: null }, "arguments"],
    [{ args: [["", "v"]] }, "key"],
    [{ args: [["k=", "v"]] }, "key"],
    [{ args: [["k", "a b"]] }, "space"],
    [{ args: [["k ", "a"]] }, "space"],
    [{ args: [["k", "a\tb"]] }, "control"],
    [{ args: [["k", "a\nb"]] }, "control"],
  ];
  for (const [change, word] of faults) {
    assertThrows(() => formatBridgeLine({ ...OBFS4, ...change }), TypeError, word);
  }
});

Deno.test("a bridge line has at most 510 bytes of arguments, as they are sent", () => {
  const line = (value: string) => `a 192.0.2.7:443 k=${value}`;
  const fitting = [
    "v".repeat(508),
    ";".repeat(254),
    "\\".repeat(254),
    "é".repeat(254),
    "=".repeat(508),
  ];
  for (const value of fitting) {
    assertEquals(formatBridgeLine(parseBridgeLine(line(value))), line(value));
    const long = `${value}=`;
    assertThrows(() => parseBridgeLine(line(long)), SyntaxError, "carries up to 510");
    const parts = { ...OBFS4, args: [["k", long]] as const };
    assertThrows(() => formatBridgeLine(parts), TypeError, "carries up to 510");
  }
  // A semicolon stands between two of them.
  assertEquals(parseBridgeLine(`${line("v".repeat(504))} k=v`).args.size, 2);
  assertThrows(
    () => parseBridgeLine(`${line("v".repeat(505))} k=v`),
    SyntaxError,
    "have 511 bytes",
  );
});

/** The lines of a transport as a parent reads them (`parent/line.ts`, `parent/line_reader.ts`). */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { type Address, formatAddress, parseAddress } from "../../address.ts";
import { formatSmethodArgs } from "../../args.ts";
import { isTransportName, quoteCString, SEVERITIES } from "../../grammar.ts";
import { LineReader, type Message, parseLine } from "../../parent/line.ts";
import {
  address,
  addressText,
  bytesOf,
  edited,
  nonEmpty,
  printableWord,
  text,
  transportName,
} from "./arbitraries.ts";
import { afterQuoting } from "./cstring_properties.ts";
import { attempt, errorOf, forAll, type NamedProperty } from "./property.ts";

/** A line, and what it says. */
export type Said = readonly [line: string, message: Message];

/** Words that a program chooses itself. */
const freeText = fc.string({
  unit: fc.integer({ min: 1, max: 126 }).map((code) =>
    code === 10 ? " " : String.fromCharCode(code)
  ),
});
const key = fc.stringMatching(/^[a-zA-Z0-9_-]{1,8}$/);
const smethodArgs = fc.array(fc.tuple(nonEmpty(printableWord), printableWord), { maxLength: 3 });

/** The entries of a message, so that two of them can be compared. */
export function plain(message: Message | null): unknown {
  if (message === null) return null;
  return Object.fromEntries(
    Object.entries(message).map(([key, value]) => [
      key,
      value instanceof URLSearchParams ? [...value] : value,
    ]),
  );
}

const failure = (kind: "version-error" | "env-error" | "proxy-error") =>
  freeText.map((message): Said => [`${kind.toUpperCase()} ${message}`, { kind, message }]);

const methodFailure = (kind: "cmethod-error" | "smethod-error", name: fc.Arbitrary<string>) =>
  fc.tuple(name, freeText).map(([transport, message]): Said => [
    `${kind.toUpperCase()} ${transport} ${message}`,
    { kind, transport, message },
  ]);

const done = (kind: "proxy-done" | "cmethods-done" | "smethods-done") =>
  fc.constant<Said>([kind.toUpperCase().replace("-", " "), { kind }]);

const clientMethod = (name: fc.Arbitrary<string>) =>
  fc.tuple(name, fc.constantFrom<(4 | 5)[]>(4, 5), address).map((
    [transport, socksVersion, address],
  ): Said => [
    `CMETHOD ${transport} socks${socksVersion} ${formatAddress(address)}`,
    { kind: "cmethod", transport, socksVersion, address },
  ]);

const serverMethod = (name: fc.Arbitrary<string>) =>
  fc.tuple(name, address, smethodArgs).map(([transport, address, args]): Said => [
    `SMETHOD ${transport} ${formatAddress(address)} ARGS:${formatSmethodArgs(args)}`.replace(
      / ARGS:$/,
      "",
    ),
    { kind: "smethod", transport, address, args: new URLSearchParams(args) },
  ]);

const logLine = fc.tuple(fc.constantFrom(...SEVERITIES), text).map(([severity, text]): Said => [
  `LOG SEVERITY=${severity} MESSAGE=${quoteCString(text)}`,
  { kind: "log", severity, message: afterQuoting(text) },
]);

const statusLine = fc.tuple(
  text,
  fc.array(fc.tuple(key.filter((key) => key !== "TYPE" && key !== "TRANSPORT"), text), {
    minLength: 1,
    maxLength: 3,
  }),
).map(([transport, values]): Said => [
  `STATUS TRANSPORT=${quoteCString(transport)} ${
    values.map(([key, value]) => `${key}=${quoteCString(value)}`).join(" ")
  }`,
  {
    kind: "status",
    transport: afterQuoting(transport),
    values: new URLSearchParams(values.map(([key, value]) => [key, afterQuoting(value)])),
  },
]);

const statusVersionLine = fc.tuple(text, text).map(([implementation, version]): Said => [
  `STATUS TYPE=version IMPLEMENTATION=${quoteCString(implementation)} VERSION=${
    quoteCString(version)
  }`,
  {
    kind: "status-version",
    implementation: afterQuoting(implementation),
    version: afterQuoting(version),
  },
]);

/** Right lines of every kind, about transports of these names. */
export function saidAbout(name: fc.Arbitrary<string>): fc.Arbitrary<Said> {
  return fc.oneof(
    fc.constant<Said>(["VERSION 1", { kind: "version", version: "1" }]),
    failure("version-error"),
    failure("env-error"),
    failure("proxy-error"),
    done("proxy-done"),
    done("cmethods-done"),
    done("smethods-done"),
    clientMethod(name),
    serverMethod(name),
    methodFailure("cmethod-error", name),
    methodFailure("smethod-error", name),
    logLine,
    statusLine,
    statusVersionLine,
  );
}

/** Lines that are right, nearly right or garbage. */
export const anyLine: fc.Arbitrary<string> = edited(fc.oneof(
  { arbitrary: saidAbout(transportName).map(([line]) => line), weight: 4 },
  {
    arbitrary: fc.tuple(
      fc.constantFrom("CMETHOD a socks5", "SMETHOD a", "CMETHOD-ERROR", "VERSION", "LOG", "STATUS"),
      fc.oneof(addressText, text),
    ).map((words) => words.join(" ")),
    weight: 1,
  },
  {
    arbitrary: fc.constantFrom("CMETHOD a socks5 127.0.0.1:0", "SMETHOD a [::1]:0 ARGS:k=v"),
    weight: 1,
  },
  { arbitrary: text, weight: 1 },
));

/** Checks that nothing in a message breaks what its type promises. */
function assertSound(message: Message): void {
  if ("transport" in message && message.kind !== "status") {
    assert(isTransportName(message.transport), message.transport);
  }
  if ("address" in message) {
    const [host, port]: Address = message.address;
    assert(Number.isInteger(port) && port >= 1 && port <= 65535, String(port));
    assertEquals(parseAddress(formatAddress(message.address)), [host, port]);
  }
  switch (message.kind) {
    case "version":
      return assert(/^[^ ]+$/.test(message.version), message.version);
    case "log":
      return assert(SEVERITIES.includes(message.severity));
    case "status":
      return assert(message.values.size > 0 && !message.values.has("TRANSPORT"));
    case "unknown":
      return assert(/^[a-zA-Z0-9_-]+$/.test(message.keyword), message.keyword);
    case "cmethod":
      return assert(message.socksVersion === 4 || message.socksVersion === 5);
    case "smethod":
      return assert([...message.args.keys()].every((key) => key !== ""));
  }
}

/** The lines of a stream: bytes up to each LF, CR LF counting as one; null for a long one. */
function referenceLines(all: Uint8Array, maxBytes: number): (string | null)[] {
  const latin1 = Array.from(all, (byte) => String.fromCharCode(byte)).join("");
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  return latin1.split("\n").slice(0, -1).map((line) => line.replace(/\r$/, "")).map((line) =>
    line.length > maxBytes ? null : utf8.decode(Uint8Array.from(line, (char) => char.charCodeAt(0)))
  );
}

const stream = fc.array(
  fc.oneof(
    anyLine.map(bytesOf),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => [...bytes]),
    fc.constantFrom([10], [13], [13, 10], [0xff], [0xc3], [0xef, 0xbb, 0xbf]),
  ),
  { maxLength: 12 },
).map((pieces) => Uint8Array.from(pieces.flat()));

/** The lines that a reader makes of chunks of these sizes, the last size being that of the rest. */
function read(
  all: Uint8Array,
  sizes: readonly number[],
  maxBytes: number,
): [lines: (string | null)[], unfinished: string | null] {
  const reader = new LineReader(maxBytes);
  const lines: (string | null)[] = [];
  const shared = new Uint8Array(all.length);
  for (let at = 0, piece = 0; at < all.length; piece++) {
    const size = Math.min(sizes[Math.min(piece, sizes.length - 1)] ?? Infinity, all.length - at);
    // The buffer is used again, as that of a pipe is.
    shared.set(all.subarray(at, at + size));
    lines.push(...reader.push(shared.subarray(0, size)));
    shared.fill(0x2a);
    at += size;
  }
  return [lines, reader.unfinished];
}

/** The properties of `parent/line.ts` and `parent/line_reader.ts`. */
export const lineProperties: NamedProperty[] = [
  forAll(
    "parseLine() reads what every line of PROTOCOL.md says",
    saidAbout(transportName),
    ([line, message]) => assertEquals(plain(parseLine(line)), plain(message)),
  ),
  forAll(
    "parseLine() reads METHOD lines with more spaces, and with words that nobody knows",
    fc.tuple(
      fc.oneof(clientMethod(transportName), serverMethod(transportName)),
      fc.integer({ min: 1, max: 3 }),
      nonEmpty(printableWord).filter((word) => !word.startsWith("ARGS:")),
    ),
    ([[line, message], count, word]) => {
      const wide = `${line} ${word}`.replaceAll(" ", " ".repeat(count));
      assertEquals(plain(parseLine(wide)), plain(message));
    },
  ),
  forAll(
    "parseLine() makes a sound message of any line, or throws a SyntaxError",
    anyLine,
    (line) => {
      const message = attempt(() => parseLine(line), SyntaxError);
      if (message !== null) assertSound(message);
    },
  ),
  forAll(
    "what parseLine() says of a malformed line repeats no address of it",
    fc.tuple(fc.constantFrom("CMETHOD a socks5", "SMETHOD a", "CMETHODS", "VERSION 1"), address),
    ([words, [host, port]]) => {
      const error = errorOf(() => parseLine(`${words} ${host}:${port}:x`), SyntaxError);
      assert(error === null || host.length < 4 || !error.message.includes(host), String(error));
    },
  ),
  forAll(
    "LineReader gives the same lines whatever the chunks are",
    fc.tuple(stream, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), fc.nat(40)),
    ([all, sizes, maxBytes]) => {
      const expected = referenceLines(all, maxBytes);
      const whole = read(all, [Infinity], maxBytes);
      assertEquals(whole[0], expected);
      assertEquals(read(all, [1], maxBytes), whole);
      assertEquals(read(all, sizes, maxBytes), whole);
    },
  ),
  forAll(
    "LineReader gives the same lines for each place to split a stream at",
    fc.tuple(stream, fc.nat(20)),
    ([all, maxBytes]) => {
      const whole = read(all, [Infinity], maxBytes);
      for (let at = 1; at < all.length; at++) {
        assertEquals(read(all, [at, Infinity], maxBytes), whole);
      }
    },
    60,
  ),
  forAll(
    "LineReader shows what is unfinished, and null for what is too long",
    fc.tuple(stream, fc.nat(20)),
    ([all, maxBytes]) => {
      const rest = all.subarray(all.lastIndexOf(10) + 1);
      const [, unfinished] = read(all, [3], maxBytes);
      // One byte more may be there: the CR of an end that is still to come.
      const expected = rest.length > maxBytes + 1
        ? null
        : new TextDecoder("utf-8", { ignoreBOM: true }).decode(rest);
      assertEquals(unfinished, expected);
    },
  ),
];

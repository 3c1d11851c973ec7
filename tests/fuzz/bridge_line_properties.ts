/** Bridge lines (`bridge_line.ts`). */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { formatAddress } from "../../address.ts";
import { type BridgeLine, formatBridgeLine, parseBridgeLine } from "../../bridge_line.ts";
import { address, edited, ip, pairs, rarely, text, transportName } from "./arbitraries.ts";
import { attempt, errorOf, forAll, type NamedProperty } from "./property.ts";

const fingerprint = fc.stringMatching(/^[0-9A-F]{40}$/);

/** A word of a line, with the characters in it that mean something elsewhere. */
const word = fc.string({
  unit: fc.oneof(fc.constantFrom(..."\\;=$#é😀"), fc.constantFrom(..."abc123+/")),
  maxLength: 12,
});

const key = word.filter((key) => key !== "" && !key.includes("="));

const name = fc.oneof(transportName, fc.constantFrom("bridge", "Bridge", "BRIDGE"));

const line = fc.oneof(
  fc.record({
    transport: name as fc.Arbitrary<string | null>,
    address,
    fingerprint: fc.option(fingerprint),
    args: fc.array(fc.tuple(key, word), { maxLength: 5 }),
  }),
  fc.record({
    transport: fc.constant(null),
    address,
    fingerprint: fc.option(fingerprint),
    args: fc.constant<[string, string][]>([]),
  }),
);

const lineText = edited(fc.oneof(
  line.map(formatBridgeLine),
  fc.tuple(rarely(fc.constantFrom("Bridge", "bridge"), 3), name, fc.array(text, { maxLength: 4 }))
    .map(([keyword, name, rest]) =>
      [...keyword === null ? [] : [keyword], name, "192.0.2.7:443", ...rest].join(" ")
    ),
  text,
));

function comparable({ args, ...rest }: BridgeLine) {
  return { ...rest, args: [...args] };
}

/** The properties of `bridge_line.ts`. */
export const bridgeLineProperties: NamedProperty[] = [
  forAll("parseBridgeLine() gives back what formatBridgeLine() was given", line, (line) => {
    assertEquals(comparable(parseBridgeLine(formatBridgeLine(line))), line);
  }),
  forAll(
    "formatBridgeLine() writes what parseBridgeLine() has read, which throws a SyntaxError otherwise",
    lineText,
    (text) => {
      const line = attempt(() => parseBridgeLine(text), SyntaxError);
      if (line === null) return;
      const written = formatBridgeLine(line);
      assertEquals(comparable(parseBridgeLine(written)), comparable(line));
      assertEquals(formatBridgeLine(parseBridgeLine(written)), written);
    },
  ),
  forAll(
    "what parseBridgeLine() says of a malformed line repeats no address",
    fc.tuple(ip, text).map(([ip, text]) => [ip, `obfs4 ${ip}:${text}:x ${text}`] as const),
    ([ip, text]) => {
      const error = errorOf(() => parseBridgeLine(text), SyntaxError);
      assert(error === null || ip.length < 4 || !error.message.includes(ip), String(error));
    },
  ),
  forAll(
    "formatBridgeLine() writes a line for any arguments that fit into one, or throws a TypeError",
    fc.tuple(address, pairs),
    ([address, args]) => {
      const written = attempt(() => formatBridgeLine({ transport: "a", address, args }), TypeError);
      if (written === null) return;
      const line = comparable(parseBridgeLine(written));
      assertEquals(line, { transport: "a", address, fingerprint: null, args });
      assert(written.startsWith(`a ${formatAddress(address)}`));
    },
  ),
];

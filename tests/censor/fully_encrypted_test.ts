/** The fully-encrypted rule, exemption by exemption and at each threshold (Wu et al., 2023). */

import { assertEquals } from "@std/assert";
import { exemptions, isFullyEncrypted } from "../../censor/mod.ts";
import { ascii } from "./flows.ts";

/** 4 bits of 8 in each byte, and none of them printable. */
const BLOCKED = Uint8Array.from({ length: 100 }, (_, index) => index % 2 === 0 ? 0x87 : 0xe1);

function changed(...parts: readonly (readonly [at: number, bytes: Uint8Array])[]): Uint8Array {
  const bytes = Uint8Array.from(BLOCKED);
  for (const [at, part] of parts) bytes.set(part, at);
  return bytes;
}

/** As many bits as that, in 100 bytes that are not printable. */
function withBits(bits: number): Uint8Array {
  const bytes = new Uint8Array(100).fill(0x80);
  for (let left = bits - 100; left > 0; left--) bytes[left % 100]! |= 1 << (left / 100 | 0);
  return bytes;
}

const CASES: readonly [name: string, payload: Uint8Array, holds: string][] = [
  ["random-looking bytes", BLOCKED, ""],
  ["nothing", new Uint8Array(), ""],
  ["3.40 bits per byte", withBits(340), "Ex1"],
  ["3.41 bits per byte", withBits(341), ""],
  ["4.59 bits per byte", withBits(459), ""],
  ["4.60 bits per byte", withBits(460), "Ex1"],
  ["6 printable bytes first", changed([0, ascii("abcdef")]), "Ex2"],
  ["5 printable bytes first", changed([0, ascii("abcde")]), ""],
  ["5 bytes, all printable", ascii("wzk_w"), "Ex1,Ex3"],
  ["the ends of what is printable", changed([0, ascii(" ~ ~ ~")]), "Ex2"],
  ["what is beyond the ends", changed([0, ascii("\x1f\x7f\x1f\x7f\x1f\x7f")]), ""],
  ["half printable", Uint8Array.from({ length: 100 }, (_, i) => i % 2 ? 0x6b : 0x87), ""],
  [
    "one more than half printable",
    Uint8Array.from({ length: 101 }, (_, i) => i % 2 ? 0x87 : 0x6b),
    "Ex3",
  ],
  ["20 printable bytes in a row", changed([30, ascii("k".repeat(20))]), ""],
  ["21 printable bytes in a row", changed([30, ascii("k".repeat(21))]), "Ex4"],
  ["a record of a handshake", changed([0, Uint8Array.of(0x16, 3, 1)]), "Ex5"],
  ["a record of data", changed([0, Uint8Array.of(0x17, 3, 9)]), "Ex5"],
  ["a record of an alert", changed([0, Uint8Array.of(0x15, 3, 3)]), ""],
  ["a version beyond the pattern", changed([0, Uint8Array.of(0x16, 3, 10)]), ""],
  ["a method of HTTP", changed([0, ascii("GET ")]), "Ex5"],
  ["a method of HTTP without a space", changed([0, ascii("GET")]), ""],
  ["a method in small letters", changed([0, ascii("get ")]), ""],
];

for (const [name, payload, holds] of CASES) {
  Deno.test(`exemptions() of ${name}: ${holds || "none"}`, () => {
    assertEquals(exemptions(payload).join(), holds);
    assertEquals(isFullyEncrypted(payload), holds === "" && payload.length > 0);
  });
}

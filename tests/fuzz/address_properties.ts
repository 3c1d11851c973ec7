/** Numeric addresses (`address.ts`) and names of transports (`grammar.ts`). */

import { isIP } from "node:net";
import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import {
  bytesToIp,
  canBeName,
  formatAddress,
  ipToBytes,
  isLoopback,
  parseAddress,
  unmappedIp,
} from "../../address.ts";
import { checkTransportName, isTransportName } from "../../grammar.ts";
import { address, addressText, edited, ip, ipBytes, text, transportName } from "./arbitraries.ts";
import { attempt, errorOf, forAll, type NamedProperty } from "./property.ts";

/** How an IP address may be written: in upper case, uncompressed, with an IPv4 tail. */
const spelledIp = fc.tuple(ipBytes, fc.nat(3)).map(([bytes, form]) => {
  if (bytes.length === 4) return bytesToIp(bytes);
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] ?? 0) << 8 | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  switch (form) {
    case 0:
      return bytesToIp(bytes).toUpperCase();
    case 1:
      return groups.join(":");
    case 2:
      return groups.map((group) => group.padStart(4, "0")).join(":");
    default:
      return [...groups.slice(0, 6), bytesToIp(bytes.slice(12))].join(":");
  }
});

/** Right only where the `::` stands for a group at least. */
const shortenedIp = fc.tuple(
  fc.array(fc.constantFrom("0", "1", "ffff"), { minLength: 5, maxLength: 9 }),
  fc.nat(9),
  fc.constantFrom("", "", ":1.2.3.4"),
).map(([groups, at, tail]) =>
  [groups.slice(0, at).join(":"), groups.slice(at).join(":")].join("::") + tail
);

const ipText = edited(fc.oneof(spelledIp, shortenedIp, ip, text));

/** What node:net says to an address without a zone, which is no part of one here. */
function nodesLength(host: string): number | undefined {
  if (host.includes("%")) return undefined;
  return { 4: 4, 6: 16 }[isIP(host)];
}

/** The properties of `address.ts`. */
export const addressProperties: NamedProperty[] = [
  forAll(
    "ipToBytes() takes what node:net takes for an IP address, and nothing else",
    ipText,
    (host) => assertEquals(ipToBytes(host)?.length, nodesLength(host)),
  ),
  forAll("ipToBytes() gives back what bytesToIp() was given", ipBytes, (bytes) => {
    assertEquals(ipToBytes(bytesToIp(bytes)), bytes);
  }),
  forAll(
    "bytesToIp() writes an IP address as URL does, however it was written",
    spelledIp,
    (host) => {
      const bytes = ipToBytes(host);
      assert(bytes !== null);
      const written = bytesToIp(bytes);
      const literal = (host: string) => bytes.length === 16 ? `[${host}]` : host;
      assertEquals(literal(written), new URL(`http://${literal(host)}`).hostname);
    },
  ),
  forAll("parseAddress() gives back what formatAddress() was given", address, (address) => {
    assertEquals(parseAddress(formatAddress(address)), address);
  }),
  forAll(
    "parseAddress() takes an IP address and a plain port, and throws a SyntaxError for all else",
    fc.oneof(addressText, edited(text)),
    (text) => {
      const [, v6, v4, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(0|[1-9][0-9]{0,4})$/s.exec(text) ?? [];
      const host = v6 ?? v4;
      const right = host !== undefined && Number(digits) <= 65535 &&
        nodesLength(host) === (v6 === undefined ? 4 : 16);
      assertEquals(
        attempt(() => parseAddress(text), SyntaxError),
        right ? [host, Number(digits)] : null,
      );
    },
  ),
  forAll(
    "what parseAddress() says of a malformed address repeats nothing of it",
    fc.tuple(ip, text).map(([ip, text]) => [ip, `[${ip}]:${text}:x`] as const),
    ([ip, text]) => {
      const error = errorOf(() => parseAddress(text), SyntaxError);
      assert(error !== null && (ip.length < 4 || !error.message.includes(ip)), String(error));
    },
  ),
  forAll(
    "formatAddress() writes what parseAddress() reads, or throws a TypeError",
    fc.tuple(fc.oneof(ipText, ip), fc.oneof(fc.integer({ min: -9, max: 65_545 }), fc.double())),
    ([host, port]) => {
      const written = attempt(() => formatAddress([host, port]), TypeError);
      const right = nodesLength(host) !== undefined && Number.isInteger(port) && port >= 0 &&
        port <= 65535;
      assertEquals(
        written === null ? null : parseAddress(written),
        right ? [host, port + 0] : null,
      );
    },
  ),
  forAll(
    "unmappedIp() and isLoopback() see the same address however it is written",
    fc.oneof(spelledIp, ipText),
    (host) => {
      const bytes = ipToBytes(host);
      const unmapped = unmappedIp(host);
      if (bytes === null) return assertEquals([unmapped, isLoopback(host)], [null, false]);
      const mapped = bytes.length === 16 && bytes.slice(0, 10).every((byte) => byte === 0) &&
        bytes[10] === 255 && bytes[11] === 255;
      const plain = mapped ? bytes.slice(12) : bytes;
      assertEquals(unmapped, bytesToIp(plain));
      const loopback = plain.length === 4 ? plain[0] === 127 : bytesToIp(plain) === "::1";
      assertEquals(isLoopback(host), loopback);
    },
  ),
  forAll(
    "canBeName() tells a name from what URL takes for an address, or a broken one",
    fc.tuple(
      fc.array(fc.stringMatching(/^(?:0x|[0-9a-fx-])[0-9a-fx-]{0,3}$/), { minLength: 1 }),
      fc.constantFrom("", "."),
    ).map(([labels, end]) => labels.join(".") + end),
    (host) => {
      const read = attempt(() => new URL(`http://${host}/`).hostname, TypeError);
      const isName = read !== null && !/^[0-9.]+$/.test(read);
      assertEquals(canBeName(host), isName);
    },
  ),
  forAll(
    "names of transports are letters, digits and underscores, and no digit is first",
    edited(fc.oneof(transportName, text)),
    (name) => {
      const right = name !== "" && !/^[0-9]/.test(name) &&
        [...name].every((char) => /[a-z0-9_]/i.test(char) && char.charCodeAt(0) < 128);
      assertEquals(isTransportName(name), right);
      assertEquals(errorOf(() => checkTransportName(name), TypeError) === null, right);
    },
  ),
];

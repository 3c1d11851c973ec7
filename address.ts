/**
 * Numeric addresses: `1.2.3.4:80` and `[2001:db8::1]:80`, read strictly and written canonically.
 *
 * The parsers here never accept a host name: pt-spec variables and `CMETHOD`/`SMETHOD` lines hold
 * numeric addresses only, and resolving a name could leak it.
 *
 * @module
 */

/** A host and a port. The host is an IP address without brackets; a target may also be a host name.
 *
 * @example
 * ```ts
 * import type { Address } from "@ptlib/ptlib/address";
 *
 * const orport: Address = ["127.0.0.1", 9001];
 * const [host, port] = orport;
 * if (`${host} ${port}` !== "127.0.0.1 9001") throw new Error();
 * ```
 */
export type Address = [host: string, port: number];

const IPV6_GROUP = /^[0-9a-fA-F]{1,4}$/;

/** A decimal number as it is written, without sign or leading zeros; null for anything else. */
function decimal(text: string, most: number): number | null {
  const value = Number(text);
  const whole = Number.isInteger(value) && value >= 0 && value <= most;
  return whole && String(value) === text ? value : null;
}

function ipv4Bytes(host: string): Uint8Array<ArrayBuffer> | null {
  const octets = host.split(".");
  if (octets.length !== 4) return null;
  const bytes = new Uint8Array(4);
  for (let index = 0; index < 4; index++) {
    const byte = decimal(octets[index]!, 255);
    if (byte === null) return null;
    bytes[index] = byte;
  }
  return bytes;
}

/** The 16-bit groups of one side of `::`, or null when one is not a group. */
function ipv6Groups(text: string): number[] | null {
  if (text === "") return [];
  const words = text.split(":");
  const groups: number[] = [];
  for (const [index, word] of words.entries()) {
    if (IPV6_GROUP.test(word)) {
      groups.push(parseInt(word, 16));
      continue;
    }
    const tail = index === words.length - 1 ? ipv4Bytes(word) : null;
    if (tail === null) return null;
    const view = new DataView(tail.buffer);
    groups.push(view.getUint16(0), view.getUint16(2));
  }
  return groups;
}

function ipv6Bytes(host: string): Uint8Array<ArrayBuffer> | null {
  const [left = "", right, ...others] = host.split("::");
  const isShort = right !== undefined;
  const [head, tail] = [ipv6Groups(left), ipv6Groups(right ?? "")];
  if (others.length > 0 || head === null || tail === null) return null;
  // An IPv4 tail closes the address, so nothing may follow it on the left of `::`.
  if (isShort && left.includes(".")) return null;
  const missing = 8 - head.length - tail.length;
  if (isShort ? missing < 1 : missing !== 0) return null;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const [index, group] of [...head, ...Array(missing).fill(0), ...tail].entries()) {
    view.setUint16(2 * index, group);
  }
  return bytes;
}

/**
 * Reads a numeric IP address.
 *
 * Strict: no leading zeros, no `0x50`, no short forms, no zone, no brackets.
 *
 * @param host What may be an IP address.
 * @returns 4 bytes for IPv4, 16 for IPv6, `null` for anything else, such as a host name.
 *
 * @example
 * ```ts
 * import { ipToBytes } from "@ptlib/ptlib/address";
 *
 * if (ipToBytes("127.0.0.1")?.length !== 4) throw new Error();
 * if (ipToBytes("::1")?.length !== 16) throw new Error();
 * if (ipToBytes("example.com") !== null) throw new Error();
 * ```
 */
export function ipToBytes(host: string): Uint8Array<ArrayBuffer> | null {
  return host.includes(":") ? ipv6Bytes(host) : ipv4Bytes(host);
}

/** Where the longest run of two or more zero groups stands, `[0, 0]` where there is none. */
function longestZeroRun(groups: readonly number[]): [start: number, end: number] {
  let best: [number, number] = [0, 0];
  for (const start of groups.keys()) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > 1 && end - start > best[1] - best[0]) best = [start, end];
  }
  return best;
}

/**
 * Writes an IP address: dotted for IPv4, the canonical form of RFC 5952 for IPv6.
 *
 * @param bytes 4 bytes of an IPv4 address or 16 of an IPv6 address.
 * @returns The address as text, without brackets.
 * @throws {TypeError} When there are neither 4 nor 16 bytes.
 *
 * @example
 * ```ts
 * import { bytesToIp } from "@ptlib/ptlib/address";
 *
 * if (bytesToIp(Uint8Array.of(127, 0, 0, 1)) !== "127.0.0.1") throw new Error();
 * if (bytesToIp(new Uint8Array(16)) !== "::") throw new Error();
 * ```
 */
export function bytesToIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) {
    throw new TypeError(`An IP address has 4 or 16 bytes, not ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(2 * index));
  const [start, end] = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  return end === start ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(end))}`;
}

/**
 * Reads `1.2.3.4:80` or `[::1]:80`.
 *
 * Strict, as pt-spec section 3.2 wants its addresses: numeric, IPv6 in brackets, the port
 * 0–65535 in decimal without leading zeros.
 *
 * @param text The address.
 * @returns The host without brackets, as it was written, and the port.
 * @throws {SyntaxError} When `text` is anything else. The message does not repeat the address.
 *
 * @example
 * ```ts
 * import { parseAddress } from "@ptlib/ptlib/address";
 *
 * const [host, port] = parseAddress("[::1]:9001");
 * if (host !== "::1" || port !== 9001) throw new Error();
 * ```
 */
export function parseAddress(text: string): Address {
  const colon = text.lastIndexOf(":");
  if (colon === -1) throw new SyntaxError("there is no port");
  const outer = text.slice(0, colon);
  const port = decimal(text.slice(colon + 1), 65535);
  const bracketed = outer.startsWith("[") && outer.endsWith("]");
  const host = bracketed ? outer.slice(1, -1) : outer;
  const length = ipToBytes(host)?.length;
  if (length !== (bracketed ? 16 : 4)) {
    throw new SyntaxError("the host is not a numeric IP address (IPv6 goes in brackets)");
  }
  if (port === null) throw new SyntaxError("the port is not a number from 0 to 65535");
  return [host, port];
}

/**
 * Writes `1.2.3.4:80` or `[::1]:80`.
 *
 * @param address A numeric host without brackets and a port from 0 to 65535.
 * @returns The address as one word.
 * @throws {TypeError} When the host is not an IP address or the port is not from 0 to 65535.
 *
 * @example
 * ```ts
 * import { formatAddress } from "@ptlib/ptlib/address";
 *
 * if (formatAddress(["::1", 9001]) !== "[::1]:9001") throw new Error();
 * ```
 */
export function formatAddress(address: Readonly<Address>): string {
  const [host, port] = address;
  const bytes = ipToBytes(host);
  if (bytes === null) {
    throw new TypeError("The host of an address must be a numeric IP address without brackets");
  }
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new TypeError("The port of an address must be a whole number from 0 to 65535");
  }
  return bytes.length === 16 ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Writes an IP address in its canonical form. An IPv4-mapped one (`::ffff:0:0/96`, as dual-stack
 * listeners see IPv4 peers) is written as the IPv4 address.
 *
 * @param host An IP address without brackets, or a host name.
 * @returns The address; `null` for a host name.
 *
 * @example
 * ```ts
 * import { unmappedIp } from "@ptlib/ptlib/address";
 *
 * if (unmappedIp("::ffff:192.0.2.1") !== "192.0.2.1") throw new Error();
 * if (unmappedIp("2001:DB8::0:1") !== "2001:db8::1") throw new Error();
 * if (unmappedIp("example.com") !== null) throw new Error();
 * ```
 */
export function unmappedIp(host: string): string | null {
  const bytes = ipToBytes(host);
  if (bytes === null) return null;
  const ip = bytesToIp(bytes);
  const mapped = /^::ffff:[^:]+:[^:]+$/.test(ip);
  return mapped ? bytesToIp(bytes.subarray(12)) : ip;
}

/**
 * Tells whether an address never leaves this machine.
 *
 * @param host An IP address without brackets, or a host name.
 * @returns Whether it is in 127.0.0.0/8 or is `::1`, also written as an IPv4-mapped address.
 *
 * @example
 * ```ts
 * import { isLoopback } from "@ptlib/ptlib/address";
 *
 * if (!isLoopback("127.0.0.53") || isLoopback("192.0.2.1")) throw new Error();
 * ```
 */
export function isLoopback(host: string): boolean {
  const ip = unmappedIp(host);
  return ip !== null && (ip === "::1" || ip.startsWith("127."));
}

/**
 * Tells whether a host can be a DNS name. What ends in a number is none, although the system's
 * resolver takes `0`, `127.1` or `0x7f000001` for addresses, those of this machine among them.
 *
 * @param host A host that is not an IP address.
 * @returns Whether its last label is not a number.
 *
 * @example
 * ```ts
 * import { canBeName } from "@ptlib/ptlib/address";
 *
 * if (!canBeName("bridge.example") || canBeName("127.1") || canBeName("0x7f000001")) {
 *   throw new Error();
 * }
 * ```
 */
export function canBeName(host: string): boolean {
  const last = host.replace(/\.$/, "").split(".").at(-1) ?? "";
  return last !== "" && !/^(?:[0-9]+|0x[0-9a-f]*)$/i.test(last);
}

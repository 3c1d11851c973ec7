/**
 * JA3 and JA4: short names for the way in which a program writes its ClientHello.
 *
 * @module
 */

import type { ClientHello } from "./client_hello.ts";

/** Values that clients put in to see whether servers bear the unknown (RFC 8701). */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

function meant(values: readonly number[]): number[] {
  return values.filter((value) => !isGrease(value));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The text whose MD5 a JA3 is. */
export function ja3Text(hello: ClientHello): string {
  const { legacyVersion, cipherSuites, extensions, groups, pointFormats } = hello;
  const lists = [cipherSuites, extensions, groups].map((list) => meant(list).join("-"));
  return [legacyVersion, ...lists, pointFormats.join("-")].join(",");
}

/**
 * The JA3 of a client (Salesforce, 2017): MD5 over version, cipher suites, extensions, groups and
 * point formats, in their order. Clients that shuffle their extensions have a new one each time.
 *
 * @param hello The ClientHello.
 * @returns 32 hexadecimal digits.
 *
 * @example
 * ```ts
 * import { ja3, parseClientHello } from "@ptlib/ptlib/censor";
 *
 * async function nameOf(firstBytes: Uint8Array): Promise<string | null> {
 *   const hello = parseClientHello(firstBytes);
 *   return hello === null ? null : await ja3(hello);
 * }
 * ```
 */
export async function ja3(hello: ClientHello): Promise<string> {
  const { createHash } = await import("node:crypto"); // Web Crypto has no MD5.
  return createHash("md5").update(ja3Text(hello)).digest("hex");
}

const VERSIONS: ReadonlyMap<number, string> = new Map([
  [0x0304, "13"],
  [0x0303, "12"],
  [0x0302, "11"],
  [0x0301, "10"],
  [0x0300, "s3"],
  [0x0002, "s2"],
]);

/** Extensions that change with the server, not with the program: its name and the protocols. */
const OF_THE_SERVER = [0, 16];

function fourDigits(values: readonly number[]): string[] {
  return values.map((value) => value.toString(16).padStart(4, "0"));
}

async function shortHash(text: string): Promise<string> {
  if (text === "") return "000000000000";
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return hex(new Uint8Array(hash)).slice(0, 12);
}

/** The first and the last letter of the first protocol, or of its digits where they are no letters. */
function alpnPart([first = ""]: readonly string[]): string {
  if (first === "") return "00";
  const ends = [first[0]!, first.at(-1)!];
  if (ends.every((end) => /[0-9a-zA-Z]/.test(end))) return ends.join("");
  const digits = hex(Uint8Array.from(first, (letter) => letter.charCodeAt(0)));
  return `${digits[0]}${digits.at(-1)}`;
}

function twoDigits(count: number): string {
  return String(Math.min(count, 99)).padStart(2, "0");
}

/**
 * The JA4 of a TLS client over TCP (FoxIO, 2023, under the BSD licence). The order of cipher suites
 * and of extensions makes no difference to it.
 *
 * @param hello The ClientHello.
 * @returns Such as `t13d1516h2_8daaf6152771_e5627efa2ab1`.
 *
 * @example
 * ```ts
 * import { ja4, parseClientHello } from "@ptlib/ptlib/censor";
 *
 * async function nameOf(firstBytes: Uint8Array): Promise<string | null> {
 *   const hello = parseClientHello(firstBytes);
 *   return hello === null ? null : await ja4(hello);
 * }
 * ```
 */
export async function ja4(hello: ClientHello): Promise<string> {
  const ciphers = meant(hello.cipherSuites);
  const extensions = meant(hello.extensions);
  const newest = Math.max(...meant(hello.versions), 0) || hello.legacyVersion;
  const head = [
    "t",
    VERSIONS.get(newest) ?? "00",
    extensions.includes(0) ? "d" : "i",
    twoDigits(ciphers.length),
    twoDigits(extensions.length),
    alpnPart(hello.alpn),
  ].join("");
  const own = fourDigits(extensions.filter((number) => !OF_THE_SERVER.includes(number))).sort();
  const signatures = fourDigits(meant(hello.signatureAlgorithms));
  const tail = [own, ...signatures.length > 0 ? [signatures] : []].map((list) => list.join());
  const cipherHash = await shortHash(fourDigits(ciphers).sort().join());
  return [head, cipherHash, await shortHash(own.length === 0 ? "" : tail.join("_"))].join("_");
}

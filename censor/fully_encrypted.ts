/**
 * The rule by which the Great Firewall of China found traffic that is encrypted from its first byte
 * on: Wu et al., USENIX Security 2023.
 *
 * @module
 */

import { isPrintable, longestPrintableRun, printableShare, setBits } from "./byte_statistics.ts";

/** Between these numbers of set bits per byte, both excluded, bytes look random (Ex1). */
const [FEWEST_BITS, MOST_BITS] = [3.4, 4.6];
/** So many printable bytes at the start are a protocol of text (Ex2). */
const PRINTABLE_START = 6;
/** A larger share of printable bytes is text (Ex3). */
const PRINTABLE_SHARE = 0.5;
/** A longer run of printable bytes is text (Ex4). */
const PRINTABLE_RUN = 20;
/** How a request of HTTP may begin (RFC 9110 section 9, RFC 5789). */
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/**
 * Why a first payload passes the fully-encrypted rule.
 *
 * @example
 * ```ts
 * import type { Exemption } from "@ptlib/ptlib/censor";
 *
 * const looksLikeText = (exemption: Exemption) => /^Ex[234]$/.test(exemption);
 * if (!looksLikeText("Ex2")) throw new Error();
 * ```
 */
export type Exemption = "Ex1" | "Ex2" | "Ex3" | "Ex4" | "Ex5";

/** Tells whether bytes begin as a record of TLS does, by the paper's pattern. */
export function beginsLikeTls([type = 0, major = 0, minor = 0xff]: Iterable<number>): boolean {
  return (type === 0x16 || type === 0x17) && major === 3 && minor <= 9;
}

/** Tells whether bytes begin with a method of HTTP and the space behind it. */
export function beginsLikeHttp(bytes: Uint8Array): boolean {
  const start = String.fromCharCode(...bytes.subarray(0, 8));
  return METHODS.some((method) => start.startsWith(`${method} `));
}

/**
 * Applies the five exemptions of the fully-encrypted rule to the first payload of a client.
 *
 * Wu et al., *How the Great Firewall of China Detects and Blocks Fully Encrypted Traffic*, USENIX
 * Security 2023, section 4. The firewall applied it to certain ranges of addresses, and to about a
 * quarter of their connections.
 *
 * @param payload The first payload.
 * @returns The exemptions that hold. Where none does, the connection was blocked. No bytes at all have
 * none.
 *
 * @example
 * ```ts
 * import { exemptions } from "@ptlib/ptlib/censor";
 *
 * const request = new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n");
 * if (!exemptions(request).includes("Ex5")) throw new Error();
 * ```
 */
export function exemptions(payload: Uint8Array): Exemption[] {
  if (payload.length === 0) return [];
  const bits = setBits(payload) / payload.length;
  const start = payload.subarray(0, PRINTABLE_START);
  const found: [Exemption, boolean][] = [
    ["Ex1", bits <= FEWEST_BITS || bits >= MOST_BITS],
    ["Ex2", start.length === PRINTABLE_START && start.every(isPrintable)],
    ["Ex3", printableShare(payload) > PRINTABLE_SHARE],
    ["Ex4", longestPrintableRun(payload) > PRINTABLE_RUN],
    ["Ex5", beginsLikeTls(payload) || beginsLikeHttp(payload)],
  ];
  return found.flatMap(([exemption, holds]) => holds ? [exemption] : []);
}

/**
 * Tells whether the fully-encrypted rule blocks a connection with this first payload.
 *
 * @param payload The first payload of the client.
 * @returns Whether none of the {@linkcode exemptions} holds; never for no bytes at all.
 *
 * @example
 * ```ts
 * import { isFullyEncrypted } from "@ptlib/ptlib/censor";
 *
 * const bytes = Uint8Array.from({ length: 256 }, (_, index) => (index * 167) % 256);
 * if (!isFullyEncrypted(bytes)) throw new Error();
 * ```
 */
export function isFullyEncrypted(payload: Uint8Array): boolean {
  return payload.length > 0 && exemptions(payload).length === 0;
}

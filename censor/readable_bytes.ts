/**
 * Bytes of strangers as text that people can read and that does nothing.
 *
 * @module
 */

import { isPrintable } from "./byte_statistics.ts";

const BACKSLASH = 0x5c;

/**
 * Writes bytes as text: printable ASCII as it is, other bytes and the backslash as `\x0d`. It is not
 * escaped for HTML.
 *
 * @param bytes The bytes.
 * @returns The text.
 */
export function readableBytes(bytes: Uint8Array): string {
  return Array.from(
    bytes,
    (byte) =>
      isPrintable(byte) && byte !== BACKSLASH
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");
}

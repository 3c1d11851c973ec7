/**
 * Bytes of strangers in a report.
 *
 * @module
 */

/** How many are shown. */
const MOST = 24;

/** The beginning of what may be anything: as text where it is text, otherwise in hexadecimal. */
export function shown(bytes: Uint8Array): string {
  const start = bytes.subarray(0, MOST);
  const text = new TextDecoder("latin1").decode(start);
  return /^[\x20-\x7e\r\n]+$/.test(text)
    ? JSON.stringify(text)
    : start.toHex().replace(/..(?!$)/g, "$& ");
}

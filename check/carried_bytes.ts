/**
 * Bytes that go through a transport, and have to arrive as they are.
 *
 * @module
 */

import { hex, type Probe, sameBytes } from "./probe.ts";
import { expect } from "./verdict.ts";

/** So many random bytes. */
export function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let start = 0; start < length; start += 65536) {
    crypto.getRandomValues(bytes.subarray(start, start + 65536));
  }
  return bytes;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/**
 * Sends bytes one way and expects them at the other end.
 *
 * @throws {Failed} When others come, or fewer.
 */
export async function carries(
  from: Probe,
  to: Probe,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const [, got] = await Promise.all([
    from.send(bytes),
    to.receive(bytes.length, `${bytes.length} bytes at the other end`),
  ]);
  if (bytes.length <= 64) {
    expect(sameBytes(got, bytes), `${hex(bytes)} at the other end`, hex(got));
  } else {
    const [sent, arrived] = await Promise.all([sha256(bytes), sha256(got)]);
    expect(sent === arrived, `SHA-256 ${sent}`, arrived);
  }
}

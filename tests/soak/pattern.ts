/**
 * The bytes that connections carry: a row of random ones, in which each direction of each connection
 * begins at a place of its own. What is lost, repeated or another connection's does not fit.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { random } from "./random.ts";

/** From the user to the destination, or back. */
export type Direction = "up" | "down";

/** More than a connection carries, so that none comes to a byte twice. */
const LENGTH = 8 * 1024 * 1024;
/** The longest piece that is asked for at once. */
export const LONGEST_PIECE = 64 * 1024;

const row = createRow();

function createRow(): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array((LENGTH + LONGEST_PIECE) / 4);
  const next = random(1);
  for (let i = 0; i < words.length; i++) words[i] = next() * 2 ** 32;
  const bytes = new Uint8Array(words.buffer);
  // The row goes round.
  bytes.copyWithin(LENGTH, 0, LONGEST_PIECE);
  return bytes;
}

/** Where in the row a direction of a connection is at a position. */
function placeOf(id: number, direction: Direction, position: number): number {
  const start = random(2 * id + (direction === "up" ? 0 : 1))();
  return (Math.floor(start * LENGTH) + position) % LENGTH;
}

/** The bytes that a connection carries from a position on, at most {@linkcode LONGEST_PIECE}. */
export function bytesOf(
  id: number,
  direction: Direction,
  position: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const place = placeOf(id, direction, position);
  return row.subarray(place, place + length);
}

/** What is wrong with bytes that came from a position on, in words; null where they are right. */
export function findFault(
  id: number,
  direction: Direction,
  position: number,
  bytes: Uint8Array,
): string | null {
  const expected = bytesOf(id, direction, position, bytes.length);
  if (Buffer.compare(bytes, expected) === 0) return null;
  const first = bytes.findIndex((byte, i) => byte !== expected[i]);
  return `byte ${position + first} ${direction} ${
    origin(bytes.subarray(first), {
      expected: placeOf(id, direction, position + first),
    })
  }`;
}

/** Where bytes are from that are not what was expected. */
function origin(bytes: Uint8Array, { expected }: { expected: number }): string {
  const sample = bytes.subarray(0, 16);
  const found = sample.length < 8 ? -1 : Buffer.from(row.buffer).indexOf(sample);
  if (found === -1) return "is not what was sent";
  const distance = found - expected;
  if (Math.abs(distance) > 2 * 1024 * 1024) return "is another connection's";
  return distance > 0
    ? `follows ${distance} bytes that were lost`
    : `is one that came ${-distance} bytes before`;
}

/**
 * Writing connections into a capture that Wireshark, tshark and nDPI open.
 *
 * @module
 */

import type { Flow } from "./flow.ts";
import { packetsOf } from "./tcp_packets.ts";

/** The number at the start of a capture with microseconds. */
const MAGIC = 0xa1b2c3d4;
const [MAJOR, MINOR] = [2, 4];
const LONGEST_PACKET = 65_535;
const ETHERNET = 1;

function header(): Uint8Array {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, MAJOR, true);
  view.setUint16(6, MINOR, true);
  view.setUint32(16, LONGEST_PACKET, true);
  view.setUint32(20, ETHERNET, true);
  return new Uint8Array(view.buffer);
}

function packetHeader(milliseconds: number, length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  const microseconds = Math.round(milliseconds * 1000);
  view.setUint32(0, Math.floor(microseconds / 1_000_000), true);
  view.setUint32(4, microseconds % 1_000_000, true);
  view.setUint32(8, length, true);
  view.setUint32(12, length, true);
  return new Uint8Array(view.buffer);
}

/**
 * Writes connections as a capture (pcap). Ethernet, IP and TCP are made up around their bytes and
 * times: a handshake, sequence numbers, acknowledgements and ends as they would be.
 *
 * @param flows The connections.
 * @returns The file.
 *
 * @example
 * ```ts
 * import { toPcap } from "@ptlib/ptlib/censor";
 *
 * const bytes = new TextEncoder().encode("hello");
 * const file = toPcap([[{ fromClient: true, time: Date.now(), bytes }]]);
 * if (file[0] !== 0xd4) throw new Error();
 * ```
 */
export function toPcap(flows: readonly Flow[]): Uint8Array<ArrayBuffer> {
  const packets = flows.flatMap(packetsOf).sort((one, other) => one.time - other.time);
  const parts = [
    header(),
    ...packets.flatMap(({ time, frame }) => [packetHeader(time, frame.length), frame]),
  ];
  const file = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

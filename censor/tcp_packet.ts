/**
 * From a frame of a capture to what it says in TCP: links, IPv4, IPv6 and what stands between.
 *
 * @module
 */

import type { CapturedPacket } from "./capture_file.ts";

/** One packet of TCP, without what is around it. */
export interface TcpPacket {
  readonly time: number;
  /** Addresses and ports, from the sender's side. */
  readonly from: string;
  readonly to: string;
  readonly sequence: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  /** Whether there was more of it than is in the capture. */
  readonly isCut: boolean;
}

/** Why a packet is passed over. */
export type PassedOver = "no TCP" | "a fragment of IP" | `of link type ${number}`;

const TCP = 6;
const SHORTEST_TCP = 20;

/** LINKTYPEs, and how many bytes stand before IP; Ethernet and cooked ones also say that it is IP. */
const LINKS: ReadonlyMap<number, number> = new Map([
  [0, 4], // Loopback of BSD.
  [1, 14], // Ethernet.
  [12, 0], // IP alone, in three numbers.
  [14, 0],
  [101, 0],
  [108, 4], // Loopback of OpenBSD.
  [113, 16], // Linux, all interfaces.
  [228, 0], // IPv4 alone.
  [229, 0], // IPv6 alone.
  [276, 20], // Linux, all interfaces, the second way.
]);
const [ETHERNET, PPP] = [1, 9];
/** The tags of virtual networks in Ethernet, also of one in another. */
const VLANS = [0x8100, 0x88a8, 0x9100];
/** Ethernet's number for PPP (RFC 2516), and what stands before it. */
const [PPP_SESSION, SESSION_HEADER] = [0x8864, 6];

/** Where PPP ends: behind an address that may be left out, and a protocol (RFC 1661, RFC 1662). */
function behindPpp(bytes: Uint8Array, start: number): number {
  const protocol = bytes[start] === 0xff && bytes[start + 1] === 3 ? start + 2 : start;
  // A number that is odd is whole.
  return protocol + (bytes[protocol]! % 2 === 1 ? 1 : 2);
}

function behindEthernet(bytes: Uint8Array): number {
  const typeBefore = (start: number) => bytes[start - 2]! * 256 + bytes[start - 1]!;
  let start = LINKS.get(ETHERNET)!;
  while (start < bytes.length && VLANS.includes(typeBefore(start))) start += 4;
  return typeBefore(start) === PPP_SESSION ? behindPpp(bytes, start + SESSION_HEADER) : start;
}

/** Where IP begins in a frame; `null` for a kind of frame that is not known. */
function startOfIp({ link, bytes }: CapturedPacket): number | null {
  if (link === ETHERNET) return behindEthernet(bytes);
  return link === PPP ? behindPpp(bytes, 0) : LINKS.get(link) ?? null;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What IP says of a packet of TCP. */
interface Carried {
  readonly source: string;
  readonly destination: string;
  readonly tcp: Uint8Array;
  readonly isCut: boolean;
}

function inIpv4(ip: Uint8Array): Carried | PassedOver {
  const view = viewOf(ip);
  if (ip.length < 20 || view.getUint8(9) !== TCP) return "no TCP";
  if ((view.getUint16(6) & 0x3fff) !== 0) return "a fragment of IP";
  // A system that leaves it to the hardware to cut packets may say no length.
  const length = view.getUint16(2) || ip.length;
  const start = (view.getUint8(0) & 15) * 4;
  return {
    source: ip.subarray(12, 16).join("."),
    destination: ip.subarray(16, 20).join("."),
    tcp: ip.subarray(start, Math.max(start, length)),
    isCut: length > ip.length,
  };
}

/** Headers between IPv6 and TCP (RFC 8200 section 4): by hop, routes, destinations, authentication. */
const [HOPS, ROUTES, FRAGMENT, AUTHENTICATION, DESTINATIONS] = [0, 43, 44, 51, 60];

function inIpv6(ip: Uint8Array): Carried | PassedOver {
  if (ip.length < 40) return "no TCP";
  const view = viewOf(ip);
  const length = view.getUint16(4) || ip.length - 40;
  let [start, kind] = [40, view.getUint8(6)];
  while ([HOPS, ROUTES, AUTHENTICATION, DESTINATIONS].includes(kind) && start + 2 <= ip.length) {
    const units = view.getUint8(start + 1);
    const next = view.getUint8(start);
    start += kind === AUTHENTICATION ? 4 * (units + 2) : 8 * (units + 1);
    kind = next;
  }
  if (kind === FRAGMENT) return "a fragment of IP";
  if (kind !== TCP) return "no TCP";
  return {
    source: ip.subarray(8, 24).join("."),
    destination: ip.subarray(24, 40).join("."),
    tcp: ip.subarray(start, Math.max(start, 40 + length)),
    isCut: 40 + length > ip.length,
  };
}

function carriedBy(ip: Uint8Array): Carried | PassedOver {
  const version = (ip[0] ?? 0) >> 4;
  return version === 4 ? inIpv4(ip) : version === 6 ? inIpv6(ip) : "no TCP";
}

/**
 * Reads a packet of TCP.
 *
 * @param packet A packet of a capture.
 * @returns It, or why it is none that can be read.
 */
export function readTcpPacket(packet: CapturedPacket): TcpPacket | PassedOver {
  const start = startOfIp(packet);
  if (start === null) return `of link type ${packet.link}`;
  const carried = carriedBy(packet.bytes.subarray(start));
  if (typeof carried === "string") return carried;
  const { source, destination, tcp, isCut } = carried;
  if (tcp.length < SHORTEST_TCP) return "no TCP";
  const view = viewOf(tcp);
  return {
    time: packet.time,
    from: `${source} ${view.getUint16(0)}`,
    to: `${destination} ${view.getUint16(2)}`,
    sequence: view.getUint32(4),
    flags: view.getUint8(13),
    payload: tcp.subarray((view.getUint8(12) >> 4) * 4),
    isCut,
  };
}

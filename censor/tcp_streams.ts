/**
 * Putting the connections of a capture together again: packets in, what each side said out.
 *
 * @module
 */

import { type CapturedPacket, readCapture } from "./capture_file.ts";
import { bursts, type Flow, type Segment } from "./flow.ts";

/** One packet of TCP, without what is around it. */
interface TcpPacket {
  readonly time: number;
  /** Addresses and ports, from the sender's side. */
  readonly from: string;
  readonly to: string;
  readonly sequence: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];
const TCP = 6;
/** How long a connection may be, and how much of it may wait for what is missing. */
const [MOST_BYTES, MOST_WAITING] = [8 * 1024 * 1024, 1_000];

/** LINKTYPEs, and how many bytes stand before IP; Ethernet and cooked ones also say that it is IP. */
const LINKS: ReadonlyMap<number, number> = new Map([
  [0, 4], // Loopback of BSD.
  [1, 14], // Ethernet.
  [12, 0], // IP alone, in three numbers.
  [14, 0],
  [101, 0],
  [113, 16], // Linux, all interfaces.
  [228, 0], // IPv4 alone.
  [229, 0], // IPv6 alone.
  [276, 20], // Linux, all interfaces, the second way.
]);
/** The tag of a virtual network in Ethernet. */
const VLAN = 0x8100;

/** The packet of IP in a frame; `null` where it is of a kind that is not known. */
function ipOf({ link, bytes }: CapturedPacket): DataView | null {
  let start = LINKS.get(link);
  if (start === undefined) return null;
  while (link === 1 && bytes.length >= start + 4 && isVlan(bytes, start)) start += 4;
  return bytes.length < start + 20 ? null : viewOf(bytes.subarray(start));
}

function isVlan(bytes: Uint8Array, start: number): boolean {
  return bytes[start - 2]! * 256 + bytes[start - 1]! === VLAN;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function slice(view: DataView, start: number, end = view.byteLength): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).subarray(start, end);
}

/** What IP says of a packet of TCP. */
interface Carried {
  readonly source: string;
  readonly destination: string;
  readonly tcp: DataView;
}

function carriedByIp(ip: DataView): Carried | null {
  const version = ip.getUint8(0) >> 4;
  if (version === 4) {
    const start = (ip.getUint8(0) & 15) * 4;
    const end = Math.min(ip.getUint16(2) || ip.byteLength, ip.byteLength);
    // Fragments of TCP do not occur, but by attackers.
    const isFragment = (ip.getUint16(6) & 0x3fff) !== 0;
    if (ip.getUint8(9) !== TCP || isFragment || end < start) return null;
    return {
      source: slice(ip, 12, 16).join("."),
      destination: slice(ip, 16, 20).join("."),
      tcp: viewOf(slice(ip, start, end)),
    };
  }
  if (version !== 6 || ip.byteLength < 40 || ip.getUint8(6) !== TCP) return null;
  const end = Math.min(40 + ip.getUint16(4), ip.byteLength);
  return {
    source: slice(ip, 8, 24).join("."),
    destination: slice(ip, 24, 40).join("."),
    tcp: viewOf(slice(ip, 40, end)),
  };
}

function parsePacket(packet: CapturedPacket): TcpPacket | null {
  const ip = ipOf(packet);
  const carried = ip && carriedByIp(ip);
  if (carried === null || carried.tcp.byteLength < 20) return null;
  const { source, destination, tcp } = carried;
  return {
    time: packet.time,
    from: `${source} ${tcp.getUint16(0)}`,
    to: `${destination} ${tcp.getUint16(2)}`,
    sequence: tcp.getUint32(4),
    flags: tcp.getUint8(13),
    payload: slice(tcp, (tcp.getUint8(12) >> 4) * 4),
  };
}

/** One direction of a connection: in order, each byte once. */
class Direction {
  readonly #fromClient: boolean;
  readonly #into: Segment[];
  #waiting: TcpPacket[] = [];
  #next: number | null = null;
  #left = MOST_BYTES;
  /** It ends once, however often that is sent again. */
  #hasEnded = false;

  constructor(fromClient: boolean, into: Segment[]) {
    this.#fromClient = fromClient;
    this.#into = into;
  }

  add(packet: TcpPacket): void {
    if (this.#hasEnded) return;
    if (packet.flags & SYN) this.#next = (packet.sequence + 1) >>> 0;
    else if (this.#waiting.length < MOST_WAITING) this.#waiting.push(packet);
    while (this.#takeOne(packet.time));
  }

  /** Takes a packet that continues what is there; tells whether there was one. */
  #takeOne(time: number): boolean {
    const next = this.#next;
    if (next === null || this.#hasEnded) return false;
    // Sequence numbers begin anew after 2 ** 32.
    const index = this.#waiting.findIndex(({ sequence }) => ((sequence - next) | 0) <= 0);
    const packet = this.#waiting[index];
    if (packet === undefined) return false;
    this.#waiting.splice(index, 1);
    this.#take(packet, (next - packet.sequence) >>> 0, time);
    return true;
  }

  #take({ flags, payload }: TcpPacket, known: number, time: number): void {
    const fresh = payload.slice(known);
    const fromClient = this.#fromClient;
    this.#next = (this.#next! + fresh.length) >>> 0;
    if (fresh.length > 0 && fresh.length <= this.#left) {
      this.#left -= fresh.length;
      this.#into.push({ fromClient, time, bytes: fresh });
    }
    const end = flags & RST ? "rst" : flags & FIN ? "fin" : null;
    if (end === null) return;
    this.#hasEnded = true;
    this.#into.push({ fromClient, time, bytes: new Uint8Array(), end });
  }
}

/** One connection, by who opened it. */
class Stream {
  readonly segments: Segment[] = [];
  readonly #client: string;
  readonly #fromClient = new Direction(true, this.segments);
  readonly #fromServer = new Direction(false, this.segments);

  constructor(client: string) {
    this.#client = client;
  }

  add(packet: TcpPacket): void {
    (packet.from === this.#client ? this.#fromClient : this.#fromServer).add(packet);
  }

  /** Whether a SYN is that of this connection, sent again: nothing has been said yet. */
  get isFresh(): boolean {
    return this.segments.length === 0;
  }
}

/**
 * Reads the TCP connections of a capture (pcap or pcapng).
 *
 * @param file The file.
 * @returns The connections whose first packet is in it, in their order; times are milliseconds since
 * 1970. Of each up to 8 MiB.
 * @throws {SyntaxError} When it is not a capture.
 *
 * @example
 * ```ts
 * import { fromCapture, judge } from "@ptlib/ptlib/censor";
 *
 * async function seenIn(path: string): Promise<string[]> {
 *   const findings = await judge({ captured: fromCapture(await Deno.readFile(path)) });
 *   return findings.filter(({ sight }) => sight === "seen").map(({ id }) => id);
 * }
 * ```
 */
export function fromCapture(file: Uint8Array): Flow[] {
  const streams: Stream[] = [];
  const open = new Map<string, Stream>();
  for (const captured of readCapture(file)) {
    const packet = parsePacket(captured);
    if (packet === null) continue;
    const name = [packet.from, packet.to].sort().join(" ");
    const isOpening = (packet.flags & (SYN | ACK)) === SYN;
    let stream = open.get(name);
    if (isOpening && stream?.isFresh !== true) {
      stream = new Stream(packet.from);
      open.set(name, stream);
      streams.push(stream);
    }
    stream?.add(packet);
  }
  return streams.map(({ segments }) => segments).filter((flow) => bursts(flow).length > 0);
}

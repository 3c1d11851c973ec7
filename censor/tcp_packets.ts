/**
 * Packets of Ethernet, IPv4 and TCP around the bytes of a connection, as a capture would have them.
 *
 * @module
 */

import type { Flow, Segment } from "./flow.ts";

/** A frame of Ethernet, and when it passed, in milliseconds. */
export interface Packet {
  readonly time: number;
  readonly frame: Uint8Array<ArrayBuffer>;
}

const [FIN, SYN, RST, PSH, ACK] = [1, 2, 4, 8, 16];
const [ETHERNET, IP, TCP] = [14, 20, 20];
const IPV4 = 0x0800;
const TCP_PROTOCOL = 6;
const TIME_TO_LIVE = 64;
const WINDOW = 65_535;
/** The largest payload of one packet, in bytes, which the SYN announces. */
const LARGEST = 1460;
const LARGEST_SEGMENT_OPTION = [2, 4, LARGEST >> 8, LARGEST & 0xff];

/** Addresses for documentation (RFC 5737), and a port that belongs to no protocol. */
const CLIENTS = [192, 0, 2];
const SERVER = [198, 51, 100, 1];
const SERVER_PORT = 33_445;
/** The ports that belong to nobody (RFC 6335 section 6): by others, nDPI guesses protocols. */
const FIRST_CLIENT_PORT = 49_152;
const CLIENT_PORTS = 65_536 - FIRST_CLIENT_PORT;
const MOST_CLIENTS = 254;
/** Locally administered ones. */
const [CLIENT_HARDWARE, SERVER_HARDWARE] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];

/** The sum of RFC 1071 over some bytes. */
function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  let at = 0;
  for (const part of parts) {
    for (const byte of part) sum += at++ % 2 === 0 ? byte << 8 : byte;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** One side of a connection. */
interface Side {
  readonly hardware: readonly number[];
  readonly address: readonly number[];
  readonly port: number;
  /** The sequence number of the next byte that it sends. */
  next: number;
}

/** Writes one packet from one side to the other. */
function frameOf(
  from: Side,
  to: Side,
  flags: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const options = flags & SYN ? LARGEST_SEGMENT_OPTION : [];
  const length = TCP + options.length + payload.length;
  const frame = new Uint8Array(ETHERNET + IP + length);
  const view = new DataView(frame.buffer);
  frame.set([...to.hardware, ...from.hardware]);
  view.setUint16(12, IPV4);
  frame.set([0x45, 0], ETHERNET);
  view.setUint16(ETHERNET + 2, IP + length);
  frame.set([0, 0, 0x40, 0, TIME_TO_LIVE, TCP_PROTOCOL], ETHERNET + 4);
  frame.set([...from.address, ...to.address], ETHERNET + 12);
  const ip = frame.subarray(ETHERNET, ETHERNET + IP);
  view.setUint16(ETHERNET + 10, checksum(ip));

  const start = ETHERNET + IP;
  view.setUint16(start, from.port);
  view.setUint16(start + 2, to.port);
  view.setUint32(start + 4, from.next);
  view.setUint32(start + 8, flags & ACK ? to.next : 0);
  frame.set([(TCP + options.length) << 2, flags], start + 12);
  view.setUint16(start + 14, WINDOW);
  frame.set(options, start + TCP);
  frame.set(payload, start + TCP + options.length);
  const pseudo = Uint8Array.of(0, TCP_PROTOCOL, length >> 8, length & 0xff);
  const addresses = ip.subarray(12, 20);
  view.setUint16(start + 16, checksum(addresses, pseudo, frame.subarray(start)));
  return frame;
}

const NOTHING = new Uint8Array();

/** The packets of one connection, as they come. */
class Conversation {
  readonly packets: Packet[] = [];
  readonly #client: Side;
  readonly #server: Side;
  readonly #closed = new Set<Side>();
  #time: number;

  constructor(number: number, time: number) {
    this.#time = time;
    const port = FIRST_CLIENT_PORT + number % CLIENT_PORTS;
    const address = [...CLIENTS, 1 + Math.floor(number / CLIENT_PORTS) % MOST_CLIENTS];
    this.#client = { hardware: CLIENT_HARDWARE, address, port, next: 1_000 };
    const server = { hardware: SERVER_HARDWARE, address: SERVER, port: SERVER_PORT };
    this.#server = { ...server, next: 500_000 };
  }

  #send(from: Side, flags: number, payload: Uint8Array): void {
    const to = from === this.#client ? this.#server : this.#client;
    this.packets.push({ time: this.#time, frame: frameOf(from, to, flags, payload) });
    const numbers = payload.length + (flags & (SYN | FIN) ? 1 : 0);
    from.next = (from.next + numbers) >>> 0;
  }

  open(): void {
    this.#send(this.#client, SYN, NOTHING);
    this.#send(this.#server, SYN | ACK, NOTHING);
    this.#send(this.#client, ACK, NOTHING);
  }

  add({ fromClient, time, bytes, end }: Segment): void {
    this.#time = Math.max(this.#time, time);
    const [from, to] = fromClient ? [this.#client, this.#server] : [this.#server, this.#client];
    for (let at = 0; at < bytes.length; at += LARGEST) {
      this.#send(from, PSH | ACK, bytes.subarray(at, at + LARGEST));
      this.#send(to, ACK, NOTHING);
    }
    if (end === undefined || this.#closed.has(from)) return;
    this.#closed.add(from);
    if (end === "rst") {
      this.#closed.add(to); // Nothing comes after it.
      return this.#send(from, RST | ACK, NOTHING);
    }
    this.#send(from, FIN | ACK, NOTHING);
    this.#send(to, ACK, NOTHING);
  }
}

/**
 * The packets of a connection: a handshake, what passed, an acknowledgement for each, and the ends.
 *
 * @param flow The connection.
 * @param number Its number, of which the port and the address of its client are made.
 */
export function packetsOf(flow: Flow, number: number): Packet[] {
  const conversation = new Conversation(number, flow[0]?.time ?? 0);
  conversation.open();
  for (const segment of flow) conversation.add(segment);
  return conversation.packets;
}

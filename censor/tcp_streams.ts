/**
 * Putting the connections of a capture together again: packets in, what each side said out.
 *
 * @module
 */

import { readCapture } from "./capture_file.ts";
import { bursts, type Flow, type Segment } from "./flow.ts";
import { type PassedOver, readTcpPacket, type TcpPacket } from "./tcp_packet.ts";

const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];
/** How long a connection may be, and how much of it may wait for what is missing. */
const [MOST_BYTES, MOST_WAITING] = [8 * 1024 * 1024, 1_000];

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
    const isSyn = (packet.flags & SYN) !== 0;
    // A SYN counts as a byte before its payload, which it has in TCP Fast Open (RFC 7413).
    const sequence = (packet.sequence + (isSyn ? 1 : 0)) >>> 0;
    // One that comes again begins anew, where nothing has come since.
    if (isSyn && this.#left === MOST_BYTES) this.#next = sequence;
    if (this.#waiting.length < MOST_WAITING) {
      this.#waiting.push(isSyn ? { ...packet, sequence } : packet);
    }
    while (this.#takeOne(packet.time));
  }

  /** Whether there is more of it behind what is missing. */
  get hasGap(): boolean {
    return !this.#hasEnded && this.#waiting.some(({ payload }) => payload.length > 0);
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
  readonly #opening: number;
  #isAnswered = false;
  /** Whether a packet of it is not whole, so that lengths are not known. */
  isCut = false;

  constructor({ from, sequence }: TcpPacket) {
    this.#client = from;
    this.#opening = sequence;
  }

  add(packet: TcpPacket): void {
    const fromClient = packet.from === this.#client;
    this.isCut ||= packet.isCut;
    this.#isAnswered ||= !fromClient;
    (fromClient ? this.#fromClient : this.#fromServer).add(packet);
  }

  /** Whether a packet of it is missing, so that nobody knows what was said. */
  get hasGap(): boolean {
    return this.#fromClient.hasGap || this.#fromServer.hasGap;
  }

  /** Whether a SYN is that of this connection, sent again: nothing but its payload has been said. */
  isOpenedBy({ from, sequence }: TcpPacket): boolean {
    if (this.segments.length === 0) return true;
    return from === this.#client && sequence === this.#opening && !this.#isAnswered;
  }
}

/** What was passed over in a capture, and how often. */
class Passed {
  readonly #counts = new Map<PassedOver, number>();
  packets = 0;

  add(why: PassedOver): void {
    this.#counts.set(why, (this.#counts.get(why) ?? 0) + 1);
  }

  /** What a user should know: what is no TCP is no loss, where there is TCP. */
  sentences(cut: number, torn: number, left: number): string[] {
    const counted = left > 0
      ? [...this.#counts].filter(([why]) => why !== "no TCP")
      : [...this.#counts];
    const lost = counted.map(([why, count]) => `${count} of ${this.packets} packets are ${why}`);
    if (left === 0 && this.packets === 0) lost.push("there are no packets");
    if (torn > 0) lost.push(`${torn} connections are left out, of which packets are missing`);
    if (cut === 0) return lost;
    const whole = "capture whole packets (tcpdump -s 0)";
    return [...lost, `${cut} connections are left out, of which packets are cut short: ${whole}`];
  }
}

/**
 * Reads the TCP connections of a capture (pcap or pcapng). Those of which a packet is missing, or was
 * not captured to its end, are left out: nobody knows how long their messages were.
 *
 * @param file The file.
 * @param tell Is told in sentences what is passed over: packets of other links than those of IP,
 * fragments, connections that are cut; and where nothing is left, why.
 * @returns The connections whose first packet is in it, in their order; times are milliseconds since
 * 1970. Of each up to 8 MiB.
 * @throws {SyntaxError} When it is not a capture.
 *
 * @example
 * ```ts
 * import { fromCapture, judge } from "@ptlib/ptlib/censor";
 *
 * async function seenIn(path: string): Promise<string[]> {
 *   const captured = fromCapture(await Deno.readFile(path), console.error);
 *   const findings = await judge({ captured });
 *   return findings.filter(({ sight }) => sight === "seen").map(({ id }) => id);
 * }
 * ```
 */
export function fromCapture(
  file: Uint8Array,
  tell: (sentence: string) => void = () => {},
): Flow[] {
  const streams: Stream[] = [];
  const open = new Map<string, Stream>();
  const passed = new Passed();
  for (const captured of readCapture(file)) {
    passed.packets++;
    const packet = readTcpPacket(captured);
    if (typeof packet === "string") {
      passed.add(packet);
      continue;
    }
    const name = [packet.from, packet.to].sort().join(" ");
    const isOpening = (packet.flags & (SYN | ACK)) === SYN;
    let stream = open.get(name);
    if (isOpening && stream?.isOpenedBy(packet) !== true) {
      stream = new Stream(packet);
      open.set(name, stream);
      streams.push(stream);
    }
    stream?.add(packet);
  }
  const speaking = streams.filter(({ segments }) => bursts(segments).length > 0);
  const { cut = [], torn = [], whole = [] } = Object.groupBy(
    speaking,
    ({ isCut, hasGap }) => isCut ? "cut" : hasGap ? "torn" : "whole",
  );
  passed.sentences(cut.length, torn.length, whole.length).forEach(tell);
  return whole.map(({ segments }) => segments);
}

/** Captures (`censor/capture_file.ts`, `censor/tcp_streams.ts`): files of strangers, and our own. */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { bursts, type Flow, fromCapture, type Segment, toPcap } from "../../censor/mod.ts";
import { type CapturedPacket, readCapture } from "../../censor/capture_file.ts";
import { editedBytes } from "./arbitraries.ts";
import { attempt, forAll, type NamedProperty } from "./property.ts";

/** When captures of these properties begin, in milliseconds since 1970. */
const START = Date.UTC(2026, 0, 1);
/** The headers of our captures, and how many packets open a connection. */
const [FILE_HEADER, PACKET_HEADER, OPENING] = [24, 16, 3];

interface Said {
  fromClient: boolean;
  bytes: Uint8Array;
  gap: number;
}

const said = fc.record({
  fromClient: fc.boolean(),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    // More than one packet.
    fc.integer({ min: 1_400, max: 4_500 }).map((length) => new Uint8Array(length).fill(length)),
  ),
  gap: fc.nat(2_000).map((microseconds) => microseconds / 1000),
});

const sides = fc.subarray([true, false], { minLength: 0, maxLength: 2 });

/** A connection as one is: something is said, and then each side ends or not. */
function flowAt(start: number, all: readonly Said[], closing: readonly boolean[]): Flow {
  let time = start;
  const segments = all.map(({ fromClient, bytes, gap }): Segment => {
    time += gap;
    return { fromClient, time, bytes };
  });
  const ends = closing.map((fromClient, index): Segment => (
    { fromClient, time: time + index, bytes: new Uint8Array(), end: "fin" }
  ));
  return [...segments, ...ends];
}

const flows: fc.Arbitrary<Flow[]> = fc.array(
  fc.tuple(fc.array(said, { minLength: 1, maxLength: 6 }), sides),
  { minLength: 1, maxLength: 4 },
).map((all) => all.map(([said, closing], index) => flowAt(START + index * 10_000, said, closing)));

function ends(flow: Flow): [boolean, string | undefined][] {
  return flow.flatMap(({ fromClient, end }) => end === undefined ? [] : [[fromClient, end]]);
}

/** What is the same however a connection was cut into packets; times are as exact as a capture's. */
function essence(flow: Flow) {
  const start = Math.round((flow[0]!.time - START) * 1000);
  return { bursts: bursts(flow), ends: ends(flow), start };
}

/** What each side said, and how it ended. */
function bySide(flow: Flow) {
  return [true, false].map((fromClient) => ({
    bytes: flow.flatMap((segment) => segment.fromClient === fromClient ? [...segment.bytes] : []),
    ends: ends(flow).filter(([side]) => side === fromClient).length,
  }));
}

/** A capture in its parts. */
function packetsIn(file: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  const view = new DataView(file.buffer);
  for (let at = FILE_HEADER; at < file.length;) {
    const end = at + PACKET_HEADER + view.getUint32(at + 8, true);
    packets.push(file.subarray(at, end));
    at = end;
  }
  return packets;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function number32(...values: readonly number[]): number[] {
  return [...new Uint8Array(Uint32Array.from(values).buffer)];
}

function block(type: number, body: readonly number[]): number[] {
  const filled = [...body, ...Array(-body.length & 3).fill(0)];
  const length = number32(filled.length + 12);
  return [...number32(type), ...length, ...filled, ...length];
}

/** The same packets as a pcapng, with microseconds. */
function asPcapng(packets: Iterable<CapturedPacket>): number[] {
  const section = block(0x0a0d0d0a, [...number32(0x1a2b3c4d, 1), ...Array(8).fill(0xff)]);
  const from = block(1, [1, 0, 0, 0, 0, 0, 0, 0]);
  const all = Array.from(packets, ({ time, bytes }) => {
    const ticks = Math.round(time * 1000);
    const when = number32(0, Math.floor(ticks / 2 ** 32), ticks % 2 ** 32);
    return block(6, [...when, ...number32(bytes.length, bytes.length), ...bytes]);
  });
  return [...section, ...from, ...all.flat()];
}

/** Files: captures, such with a few bytes changed, the beginnings of some, and garbage. */
const file: fc.Arbitrary<Uint8Array> = fc.oneof(
  editedBytes(flows.map((flows) => [...toPcap(flows)])),
  editedBytes(flows.map((flows) => asPcapng(readCapture(toPcap(flows))))),
  fc.tuple(
    fc.constantFrom([0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [10, 13, 13, 10]),
    fc.uint8Array({ maxLength: 300 }),
  ).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part]))),
  fc.uint8Array({ maxLength: 60 }),
);

/** The properties of captures. */
export const captureProperties: NamedProperty[] = [
  forAll(
    "readCapture() gives no more than is in the file, and throws SyntaxErrors",
    file,
    (file) => {
      const packets = attempt(() => [...readCapture(file)], SyntaxError) ?? [];
      const bytes = packets.reduce((sum, packet) => sum + packet.bytes.length, 0);
      assert(bytes + PACKET_HEADER * packets.length <= file.length, `${bytes} of ${file.length}`);
      assert(packets.every(({ time, link }) => !Number.isNaN(time) && link <= 0xffff));
    },
    300,
  ),
  forAll(
    "fromCapture() keeps no more than is in the file, and throws SyntaxErrors",
    file,
    (file) => {
      const flows = attempt(() => fromCapture(file), SyntaxError) ?? [];
      const kept = flows.flat().reduce((sum, { bytes }) => sum + bytes.length, 0);
      assert(kept <= file.length, `${kept} of ${file.length}`);
      for (const flow of flows) assert(ends(flow).length <= 2, "a side ends once");
    },
    300,
  ),
  forAll("fromCapture() reads any connection that toPcap() writes", flows, (flows) => {
    assertEquals(fromCapture(toPcap(flows)).map(essence), flows.map(essence));
  }, 200),
  forAll("readCapture() reads the same packets from a pcapng", flows, (flows) => {
    const classic = [...readCapture(toPcap(flows))];
    const other = [...readCapture(Uint8Array.from(asPcapng(classic)))];
    const micro = ({ time, ...rest }: CapturedPacket) => ({
      ...rest,
      time: Math.round(time * 1000),
    });
    assertEquals(other.map(micro), classic.map(micro));
  }, 100),
  forAll(
    "fromCapture() hears of each side the same in any order of packets, and where some come twice",
    fc.tuple(
      flows,
      fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 5 }),
    ),
    ([[flow = []], swaps, doubled]) => {
      const whole = toPcap([flow]);
      const all = packetsIn(whole);
      const [opening, rest] = [all.slice(0, OPENING), all.slice(OPENING)];
      for (const [one, other] of swaps) {
        const [from, to] = [one % rest.length, other % rest.length];
        [rest[from], rest[to]] = [rest[to]!, rest[from]!];
      }
      const again = doubled.map((index) => rest[index % rest.length]!);
      const file = joined([whole.subarray(0, FILE_HEADER), ...opening, ...rest, ...again]);
      assertEquals(fromCapture(file).map(bySide), [bySide(flow)]);
    },
    200,
  ),
];

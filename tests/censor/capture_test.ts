/** Captures are read: every format, and packets that come late, twice or not at all. */

import { assertEquals, assertThrows } from "@std/assert";
import { bursts, type Flow, fromCapture, toPcap } from "../../censor/mod.ts";
import { readCapture } from "../../censor/capture_file.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { isInstalled } from "../../tor/programs.ts";
import { ascii, flowOf, random } from "./flows.ts";

const NEEDS = ["read", "write", "run"] as const;

const FLOWS: readonly Flow[] = [
  [
    ...flowOf(random(10), random(50_000), random(3)),
    { fromClient: true, time: 3.5, bytes: new Uint8Array(), end: "fin" },
    { fromClient: false, time: 3.75, bytes: random(5) },
    { fromClient: false, time: 4, bytes: new Uint8Array(), end: "rst" },
  ],
  flowOf(random(1_461)),
  flowOf(random(30), random(30)).map((segment) => ({
    ...segment,
    fromClient: !segment.fromClient,
  })),
];

/** What is the same however a connection was cut into packets. */
function essence(flows: readonly Flow[]) {
  return flows.map((flow) => ({
    bursts: bursts(flow),
    ends: flow.filter(({ end }) => end !== undefined).map(({ fromClient, end, time }) => ({
      fromClient,
      end,
      time,
    })),
    first: flow[0]?.time,
  }));
}

/** A capture as its header and its packets, each with its own header. */
function partsOf(file: Uint8Array): [header: Uint8Array, packets: Uint8Array[]] {
  const packets: Uint8Array[] = [];
  const view = new DataView(file.buffer);
  for (let at = 24; at < file.length;) {
    const end = at + 16 + view.getUint32(at + 8, true);
    packets.push(file.subarray(at, end));
    at = end;
  }
  return [file.subarray(0, 24), packets];
}

/** The same capture with its packets in another order, more often or less. */
function rearranged(flow: Flow, change: (packets: Uint8Array[]) => Uint8Array[]): Uint8Array {
  const [header, packets] = partsOf(toPcap([flow]));
  return Uint8Array.from([header, ...change(packets)].flatMap((part) => [...part]));
}

Deno.test("fromCapture() reads what toPcap() writes", () => {
  assertEquals(essence(fromCapture(toPcap(FLOWS))), essence(FLOWS));
});

const LONG = flowOf(random(9_000));
const OPENING = 3;

const ORDERS: readonly [name: string, change: (packets: Uint8Array[]) => Uint8Array[]][] = [
  ["backwards", (all) => [...all.slice(0, OPENING), ...all.slice(OPENING).reverse()]],
  ["twice each", (all) => all.flatMap((packet) => [packet, packet])],
  ["all again at the end", (all) => [...all, ...all.slice(OPENING)]],
];

for (const [name, change] of ORDERS) {
  Deno.test(`fromCapture() bears packets that come ${name}`, () => {
    assertEquals(bursts(fromCapture(rearranged(LONG, change))[0]!), bursts(LONG));
  });
}

Deno.test("fromCapture() leaves out connections without their beginning", () => {
  assertEquals(fromCapture(rearranged(LONG, (all) => all.slice(1))), []);
  assertEquals(fromCapture(toPcap([])), []);
});

Deno.test("fromCapture() takes the same addresses a second time for a second connection", () => {
  const twice = rearranged(LONG, (all) => [...all, ...all]);
  assertEquals(fromCapture(twice).map((flow) => bursts(flow).length), [1, 1]);
});

Deno.test("fromCapture() bears sequence numbers that begin anew", () => {
  const [header, packets] = partsOf(toPcap([LONG]));
  const shift = 2 ** 32 - 1_000 - 2_000;
  const moved = packets.map((packet) => {
    const changed = Uint8Array.from(packet);
    const view = new DataView(changed.buffer);
    // A client's packets; the sequence number is behind 16, 14, 20 and 4 bytes.
    if (view.getUint8(16 + 26) === 192) view.setUint32(54, view.getUint32(54) + shift);
    return changed;
  });
  const file = Uint8Array.from([header, ...moved].flatMap((part) => [...part]));
  assertEquals(bursts(fromCapture(file)[0]!), bursts(LONG));
});

/** A frame behind other bytes than those of Ethernet, or behind more of them. */
const LINKS: readonly [name: string, link: number, before: number[]][] = [
  ["IP alone", 101, []],
  ["Linux's any", 113, [0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0]],
  ["Linux's any, the second way", 276, [8, 0, ...Array(18).fill(0)]],
  ["loopback of BSD", 0, [2, 0, 0, 0]],
  ["a virtual network", 1, [...Array(12).fill(2), 0x81, 0, 0, 7, 8, 0]],
  ["one in another", 1, [...Array(12).fill(2), 0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0]],
  ["PPP over Ethernet", 1, [...Array(12).fill(2), 0x88, 0x64, 0x11, 0, 0, 1, 9, 9, 0, 0x21]],
  ["PPP", 9, [0xff, 3, 0, 0x21]],
  ["PPP, as short as it may be", 9, [0x21]],
  ["loopback of OpenBSD", 108, [0, 0, 0, 2]],
];

for (const [name, link, before] of LINKS) {
  Deno.test(`fromCapture() reads frames of ${name}`, () => {
    const [header, packets] = partsOf(toPcap([LONG]));
    const head = Uint8Array.from(header);
    head[20] = link & 0xff;
    head[21] = link >> 8;
    const framed = packets.map((packet) => {
      const ip = packet.subarray(16 + 14);
      const changed = Uint8Array.of(...packet.subarray(0, 16), ...before, ...ip);
      const view = new DataView(changed.buffer);
      view.setUint32(8, before.length + ip.length, true);
      return changed;
    });
    const file = Uint8Array.from([head, ...framed].flatMap((part) => [...part]));
    assertEquals(bursts(fromCapture(file)[0]!), bursts(LONG));
  });
}

/** A capture of which each packet is changed, from its link on. */
function eachChanged(flow: Flow, change: (frame: Uint8Array) => readonly number[]): Uint8Array {
  return rearranged(flow, (packets) =>
    packets.map((packet) => {
      const changed = Uint8Array.of(...packet.subarray(0, 16), ...change(packet.subarray(16)));
      new DataView(changed.buffer).setUint32(8, changed.length - 16, true);
      return changed;
    }));
}

/** What may stand between IPv6 and TCP, and what kind the first of it is. */
const BETWEEN: readonly [name: string, kind: number, headers: number[]][] = [
  ["nothing", 6, []],
  ["options for each hop", 0, [6, 0, 1, 4, 0, 0, 0, 0]],
  ["a route and options", 43, [60, 1, ...Array(14).fill(0), 6, 0, 1, 4, 0, 0, 0, 0]],
  ["an authentication", 51, [6, 1, ...Array(10).fill(0)]],
];

/** The same packet of Ethernet by IPv6. */
function asIpv6(frame: Uint8Array, kind: number, headers: readonly number[]): number[] {
  const [ethernet, rest] = [frame.subarray(0, 14), [...headers, ...frame.subarray(34)]];
  const address = (last: number) => [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), last];
  const isClient = frame[26] === 192;
  const ends = isClient ? [...address(1), ...address(2)] : [...address(2), ...address(1)];
  const ip = [0x60, 0, 0, 0, rest.length >> 8, rest.length & 0xff, kind, 64, ...ends];
  return [...ethernet, ...ip, ...rest];
}

for (const [name, kind, headers] of BETWEEN) {
  Deno.test(`fromCapture() reads IPv6 with ${name} before TCP`, () => {
    const file = eachChanged(LONG, (frame) => asIpv6(frame, kind, headers));
    assertEquals(bursts(fromCapture(file)[0]!), bursts(LONG));
  });
}

/** What is told of a capture, and how many connections are left. */
function told(file: Uint8Array): [flows: number, sentences: string[]] {
  const sentences: string[] = [];
  return [fromCapture(file, (sentence) => sentences.push(sentence)).length, sentences];
}

Deno.test("fromCapture() leaves out connections of which a packet is cut, and tells it", () => {
  const cut = eachChanged(LONG, (frame) => [...frame.subarray(0, 96)]);
  const sentence = "1 connections are left out, of which packets are cut short: " +
    "capture whole packets (tcpdump -s 0)";
  assertEquals(told(cut), [0, [sentence]]);
  const sixth = eachChanged(LONG, (frame) => asIpv6(frame, 6, []).slice(0, 100));
  assertEquals(told(sixth), [0, [sentence]]);
  const whole = toPcap([LONG]);
  assertEquals(told(Uint8Array.of(...whole, ...cut.subarray(24))), [1, [sentence]]);
  assertEquals(told(whole), [1, []]);
});

Deno.test("fromCapture() leaves out connections of which a packet is missing, and tells it", () => {
  const sentence = "1 connections are left out, of which packets are missing";
  // Each packet of data is followed by its acknowledgement.
  const torn = rearranged(LONG, (all) => all.toSpliced(OPENING + 2, 1));
  assertEquals(told(torn), [0, [sentence]]);
  const whole = toPcap([LONG]);
  assertEquals(told(Uint8Array.of(...whole, ...torn.subarray(24))), [1, [sentence]]);
});

/** The same with what the client says first in its SYN, as with TCP Fast Open. */
function fastOpen(flow: Flow, again: (syn: Uint8Array) => Uint8Array[]): Uint8Array {
  const first = flow[0]!.bytes;
  return rearranged(flow, ([opening, ...others]) => {
    const syn = Uint8Array.of(...opening!, ...first);
    const view = new DataView(syn.buffer);
    for (const at of [8, 12]) view.setUint32(at, syn.length - 16, true);
    view.setUint16(16 + 14 + 2, syn.length - 16 - 14);
    return [syn, ...again(opening!), ...others.toSpliced(OPENING - 1, 1)];
  });
}

Deno.test("fromCapture() takes what a SYN has with it, also where that is sent again", () => {
  const flow = flowOf(random(700), random(30), random(40));
  for (const again of [() => [], (syn: Uint8Array) => [syn]]) {
    assertEquals(fromCapture(fastOpen(flow, again)).map(bursts), [bursts(flow)]);
  }
});

Deno.test("fromCapture() bears a SYN that nobody answered, and then another one", () => {
  const lost = rearranged(LONG, ([opening, ...others]) => {
    const earlier = Uint8Array.from(opening!);
    // The sequence number is behind 16, 14, 20 and 4 bytes.
    new DataView(earlier.buffer).setUint32(54, 77);
    return [earlier, opening!, ...others];
  });
  assertEquals(fromCapture(lost).map(bursts), [bursts(LONG)]);
});

Deno.test("fromCapture() tells what it passes over, and where nothing is left why", () => {
  assertEquals(told(toPcap([])), [0, ["there are no packets"]]);
  const wireless = toPcap([LONG]);
  wireless[20] = 105;
  const [, packets] = partsOf(wireless);
  const all = packets.length;
  assertEquals(told(wireless), [0, [`${all} of ${all} packets are of link type 105`]]);
  const fragments = eachChanged(LONG, (frame) => [...frame].with(20, 0x20));
  assertEquals(told(fragments), [0, [`${all} of ${all} packets are a fragment of IP`]]);
  const datagrams = eachChanged(LONG, (frame) => [...frame].with(23, 17));
  assertEquals(told(datagrams), [0, [`${all} of ${all} packets are no TCP`]]);
  const mixed = Uint8Array.of(...toPcap([LONG]), ...datagrams.subarray(24));
  assertEquals(told(mixed), [1, []], "what is no TCP is no loss beside it");
});

Deno.test("readCapture() reads the other order of bytes, and nanoseconds", () => {
  const view = new DataView(new ArrayBuffer(24 + 16 + 2));
  for (
    const [at, value] of [[0, 0xa1b23c4d], [20, 101], [24, 7], [28, 500_000], [32, 2]] as const
  ) {
    view.setUint32(at, value);
  }
  view.setUint16(40, 0x4509);
  const [packet] = [...readCapture(new Uint8Array(view.buffer))];
  assertEquals(packet, { time: 7_000.5, link: 101, bytes: Uint8Array.of(0x45, 9) });
});

/** A block of a pcapng, with its length at both ends. */
function block(type: number, body: readonly number[]): number[] {
  const length = [...new Uint8Array(Uint32Array.of(body.length + 12).buffer)];
  return [...new Uint8Array(Uint32Array.of(type).buffer), ...length, ...body, ...length];
}

Deno.test("readCapture() finds the unit of a pcapng's clock behind an odd option", () => {
  const section = block(0x0a0d0d0a, [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, ...Array(8).fill(0xff)]);
  const comment = [1, 0, 5, 0, ...ascii("hello"), 0, 0, 0];
  // A unit is a 1024th of a second: 2 to the power of -10.
  const resolution = [9, 0, 1, 0, 0x8a, 0, 0, 0];
  const options = [...comment, ...resolution, 0, 0, 0, 0];
  const from = block(1, [101, 0, 0, 0, 0, 0, 0, 0, ...options]);
  const ticks = [...new Uint8Array(Uint32Array.of(0, 0, 3 * 1024 + 512, 4, 4).buffer)];
  const packet = block(6, [...ticks, 0x45, 1, 2, 3]);
  const file = Uint8Array.from([...section, ...from, ...block(5, []), ...packet]);
  assertEquals([...readCapture(file)], [
    { time: 3_500, link: 101, bytes: Uint8Array.of(0x45, 1, 2, 3) },
  ]);
});

Deno.test("readCapture() reads the older kinds of a pcapng's packets", () => {
  const little = (...numbers: number[]) => [...new Uint8Array(Uint32Array.from(numbers).buffer)];
  const section = block(0x0a0d0d0a, [...little(0x1a2b3c4d), 1, 0, 0, 0, ...Array(8).fill(0xff)]);
  const interfaces = [113, 101].flatMap((link) => block(1, [link, 0, 0, 0, ...little(0)]));
  // The second interface, and two packets lost; one of the first, of which five bytes were wanted.
  const old = block(2, [1, 0, 2, 0, ...little(0, 4_000_000, 3, 9), 0x45, 1, 2, 0]);
  const simple = block(3, [...little(5), 0x45, 1, 2, 3, 4, 0, 0, 0]);
  assertEquals([...readCapture(Uint8Array.from([section, interfaces, old, simple].flat()))], [
    { time: 4_000, link: 101, bytes: Uint8Array.of(0x45, 1, 2) },
    { time: 0, link: 113, bytes: Uint8Array.of(0x45, 1, 2, 3, 4) },
  ]);
});

Deno.test("readCapture() says of a packed file how to unpack it", () => {
  const packed = Uint8Array.of(0x1f, 0x8b, 8, ...Array(20).fill(0));
  assertThrows(() => [...readCapture(packed)], SyntaxError, "it is packed by gzip: try gunzip");
});

Deno.test("fromCapture() takes what is new of a packet that was sent again with more in it", () => {
  const bytes = random(30);
  const flow = flowOf(bytes.subarray(0, 10));
  const longer = partsOf(toPcap([flowOf(bytes)]))[1];
  const again = rearranged(flow, (all) => [...all, ...longer.slice(OPENING)]);
  assertEquals(bursts(fromCapture(again)[0]!)[0]?.bytes, bytes);
});

for (const bytes of [new Uint8Array(), random(0), new Uint8Array(100)]) {
  Deno.test(`fromCapture() says of ${bytes.length} other bytes that they are no capture`, () => {
    assertThrows(() => fromCapture(bytes), SyntaxError, "it is not a capture (pcap or pcapng)");
  });
}

Deno.test("fromCapture() bears any file that is cut, and any byte that is changed", () => {
  const file = toPcap([flowOf(random(40), random(40))]);
  for (let length = 24; length < file.length; length++) fromCapture(file.subarray(0, length));
  for (let index = 24; index < file.length; index++) {
    for (const change of [0x01, 0x40, 0xff]) {
      const changed = Uint8Array.from(file);
      changed[index]! ^= change;
      fromCapture(changed);
    }
  }
});

const editcapMissing = granted(["run"]) && !isInstalled("editcap") ? "needs editcap" : null;

permitted(NEEDS, "fromCapture() reads the formats that Wireshark writes", async () => {
  await withDirectory(async (directory) => {
    const start = Date.UTC(2026, 10, 26);
    const flows = FLOWS.map((flow) =>
      flow.map((segment) => ({ ...segment, time: start + segment.time }))
    );
    await Deno.writeFile(`${directory}/a`, toPcap(flows));
    for (const format of ["pcapng", "nsecpcap", "pcap"]) {
      const args = ["-F", format, `${directory}/a`, `${directory}/b`];
      await new Deno.Command("editcap", { args, stderr: "null" }).output();
      const read = fromCapture(await Deno.readFile(`${directory}/b`));
      assertEquals(essence(read), essence(flows), format);
    }
  });
}, editcapMissing);

permitted(
  NEEDS,
  "fromCapture() of a pcapng that is changed or cut throws SyntaxError at most",
  async () => {
    await withDirectory(async (directory) => {
      await Deno.writeFile(`${directory}/a`, toPcap([flowOf(random(4))]));
      const args = ["-F", "pcapng", `${directory}/a`, `${directory}/b`];
      await new Deno.Command("editcap", { args, stderr: "null" }).output();
      const file = await Deno.readFile(`${directory}/b`);
      const read = (bytes: Uint8Array) => {
        try {
          fromCapture(bytes);
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
        }
      };
      for (let index = 0; index < file.length; index++) {
        read(file.subarray(0, index));
        for (const change of [0x01, 0x40, 0xff]) {
          const changed = Uint8Array.from(file);
          changed[index]! ^= change;
          read(changed);
        }
      }
    });
  },
  editcapMissing,
);

/** Each rule sees the transport that it is about, and no other rule sees that. */

import { assertEquals, assertMatch } from "@std/assert";
import { type Flow, judge, type Recording, rules } from "../../censor/mod.ts";
import { ascii, flowOf, random, thirty, varied, words } from "./flows.ts";
import { alpn, CHROME, handshake, list16, records, serverName } from "./hello_bytes.ts";

type Wrap = (message: Uint8Array, isFirst: boolean) => Uint8Array;

/** A hello that no program here sends. */
const HELLO = records(handshake({
  ciphers: [0x1301, 0x1302],
  extensions: [serverName("www.example.com"), alpn("h2"), [10, list16(29)], [99, [...random(200)]]],
}));

/** A connection with HTTPS inside: sizes of TLS 1.3 with an ordinary certificate. */
function httpsMessages(): Uint8Array[] {
  const data = (length: number) => Uint8Array.of(0x17, 3, 3, ...random(length));
  return [HELLO, Uint8Array.of(0x16, 3, 3, ...random(3600)), data(160), data(900)];
}

/** What passes with each load inside, through a transport that changes messages so. */
function through(wrap: Wrap, opening: () => Uint8Array[] = () => []): Recording {
  const flow = (messages: readonly Uint8Array[]) => {
    const start = opening();
    const changed = messages.map((message, index) =>
      wrap(message, start.length === 0 && index < 2)
    );
    return flowOf(...start, ...changed);
  };
  // The answer has a length of its own, and so has what comes after it.
  const turns = (index: number, make: (index: number) => Uint8Array) =>
    [index, (index * 11) % 30, (index * 17) % 30, (index * 23) % 30].map(make);
  return {
    random: thirty((index) => flow(turns(index, (at) => varied(at)))),
    text: thirty((index) => flow(turns(index, words))),
    https: thirty(() => flow(httpsMessages())),
    bulk: [0, 1, 2].map(() => flow([random(20_000), random(20_000)])),
  };
}

async function sights(recording: Recording, sight: string): Promise<string[]> {
  const findings = await judge(recording);
  return findings.filter((finding) => finding.sight === sight).map(({ id }) => id);
}

function rot13(message: Uint8Array): Uint8Array {
  return message.map((byte) => {
    const letter = byte | 0x20;
    if (letter < 0x61 || letter > 0x7a) return byte;
    return letter < 0x6e ? byte + 13 : byte - 13;
  });
}

/** Encrypted, with random bytes of padding at the start of a connection. */
function encrypted(message: Uint8Array, isFirst: boolean): Uint8Array {
  return random(message.length + (isFirst ? Math.floor(Math.random() * 500) : 0));
}

/** The same, but messages are filled up to one of few lengths. */
function padded(message: Uint8Array, isFirst: boolean): Uint8Array {
  return isFirst ? encrypted(message, true) : random(Math.ceil(message.length / 4500) * 4500);
}

function withHead(head: readonly number[]): Wrap {
  return (message, isFirst) => {
    const changed = padded(message, isFirst);
    if (isFirst) changed.set(head);
    return changed;
  };
}

function withLength(message: Uint8Array, isFirst: boolean): Uint8Array {
  const changed = padded(message, isFirst);
  const rest = changed.length - 6;
  if (isFirst) changed.set([...random(4), rest >> 8, rest & 0xff]);
  return changed;
}

/** A salt at first, and then frames of an encrypted length, with a tag behind it and the bytes. */
function framed(message: Uint8Array, isFirst: boolean): Uint8Array {
  return random((isFirst ? 32 : 0) + 2 + 16 + message.length + 16);
}

const RANDOM = ["fully-encrypted", "random-start"];

const CASES: readonly [name: string, recording: Recording, seen: readonly string[]][] = [
  ["one that changes nothing", through((message) => message), ["readable"]],
  ["rot13", through(rot13), ["readable", "tls-fingerprint"]],
  [
    "the XOR of a constant",
    through((message) => message.map((byte) => byte ^ 0xa5)),
    ["fully-encrypted", "readable", "nested-tls"],
  ],
  ["random bytes of random lengths", through(padded), RANDOM],
  ["encryption without padding", through((message) => random(message.length)), [
    ...RANDOM,
    "nested-tls",
  ]],
  ["frames like those of Shadowsocks", through(framed), [...RANDOM, "nested-tls"]],
  ["base 64", through((message) => ascii(message.toBase64())), [
    ...["readable", "encoded", "nested-tls"],
  ]],
  ["a magic number", through(withHead([0x8f, 0xc5, 0x9a])), [...RANDOM, "constant-bytes"]],
  [
    "first messages of one length",
    through((message, isFirst) => isFirst ? random(600) : padded(message, false)),
    [...RANDOM, "first-length"],
  ],
  ["a length that can be read", through(withLength), [...RANDOM, "constant-bytes", "length-field"]],
  ["an answer as long as the question", echo(), [...RANDOM, "related-lengths"]],
  ["plain HTTP", through((message) => padded(message, false), upgrade), ["http"]],
  [
    "TLS",
    through((message) => Uint8Array.of(0x17, 3, 3, ...random(message.length + 19)), tlsOpening),
    ["nested-tls"],
  ],
];

function echo(): Recording {
  const pair = () => {
    const length = 400 + Math.floor(Math.random() * 5000);
    return flowOf(random(length), random(length + 16), random(4500), random(4500));
  };
  return { random: thirty(pair), text: thirty(pair), https: thirty(pair) };
}

function upgrade(): Uint8Array[] {
  const answer = ascii("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  return [ascii("GET /path HTTP/1.1\r\nHost: localhost\r\n\r\n"), answer];
}

function tlsOpening(): Uint8Array[] {
  return [HELLO, random(3000), random(300), random(500)];
}

for (const [name, recording, seen] of CASES) {
  Deno.test(`judge() of ${name}: ${seen.join(", ")}`, async () => {
    assertEquals(await sights(recording, "seen"), seen);
  });
}

Deno.test("judge() has a finding for each rule, with its source and its limits", async () => {
  const findings = await judge({});
  assertEquals(findings.map(({ id }) => id), rules.map(({ id }) => id));
  for (const { id, source, limits, remedy, threshold } of findings) {
    const isComplete = [source, limits, remedy, threshold].every((text) => text.length > 10);
    assertEquals(isComplete, true, id);
    assertEquals(/\d{4}|RFC/.test(source), true, `${id}: ${source}`);
  }
});

Deno.test("judge() sees nothing in nothing", async () => {
  assertEquals(await sights({}, "seen"), []);
  assertEquals(await sights({ random: [], text: [], https: [] }, "seen"), []);
});

Deno.test("judge() of a ClientHello that no program here sends: unclear", async () => {
  const recording = through((message) => message, tlsOpening);
  assertEquals(await sights(recording, "unclear"), ["tls-fingerprint"]);
});

Deno.test("judge() of TLS with a large random key in its ClientHello: it begins like TLS", async () => {
  const opening = () => {
    const key: [number, number[]] = [51, [...random(1_300)]];
    return [records(handshake({ ciphers: [0x1301], extensions: [key] })), random(3_000)];
  };
  const findings = await judge(through(padded, opening));
  const finding = findings.find(({ id }) => id === "random-start");
  assertEquals(finding?.figure, "it begins like TLS or HTTP");
});

/** What a client offers, with extensions that only few have. */
function offering(extensions: readonly number[]): Uint8Array {
  const own = extensions.map((extension): [number, number[]] => [extension, []]);
  return records(handshake({ ciphers: [0x1301], extensions: [[10, list16(29)], ...own] }));
}

Deno.test("judge() of a ClientHello that changes all the time: seen; of few: unclear", async () => {
  for (
    const [kinds, sight] of [[30, "seen"], [8, "seen"], [7, "unclear"], [1, "unclear"]] as const
  ) {
    let count = 0;
    const opening = () => [offering([2_000 + count++ % kinds]), random(3_000)];
    const finding = (await judge(through(padded, opening))).find(({ id }) =>
      id === "tls-fingerprint"
    );
    assertEquals(finding?.sight, sight, `${kinds}`);
    assertMatch(finding!.figure, kinds === 1 ? /^JA4 t12i/ : new RegExp(`^${kinds} different JA4`));
  }
});

Deno.test("judge() of a browser's ClientHello: clear", async () => {
  const opening = () => [records(handshake(CHROME)), random(3_000)];
  const finding = (await judge(through(padded, opening))).find(({ id }) =>
    id === "tls-fingerprint"
  );
  assertEquals(finding?.sight, "clear");
  assertMatch(finding!.figure, /as Chrome of 2023 \(by FoxIO's description of JA4\) sends it/);
});

Deno.test("judge() of the first packet: in a capture it is what is there, otherwise all up to an answer", async () => {
  const parts = [new Uint8Array(20), random(1_400)];
  const flow = parts.map((bytes, time) => ({ fromClient: true, time, bytes }));
  const sightOf = async (recording: Recording) => (await judge(recording))[0]?.sight;
  assertEquals(await sightOf({ captured: thirty(() => flow) }), "clear");
  assertEquals(await sightOf({ text: thirty(() => flow) }), "seen");
});

Deno.test("judge() of clients that say nothing: they have no first message", async () => {
  const silent: Flow = [{ fromClient: false, time: 0, bytes: random(40) }];
  const captured = thirty((index) => index < 14 ? flowOf(random(200 + index)) : silent);
  const findings = await judge({ captured });
  const of = (wanted: string) => findings.find(({ id }) => id === wanted)!;
  assertEquals(of("fully-encrypted").figure, "14 of 14 connections are blocked");
  assertMatch(of("first-length").figure, /^server: /);
});

Deno.test("judge() of TLS beside something else: it is not called no TLS", async () => {
  const captured = thirty((index) => flowOf(index < 15 ? HELLO : ascii(`SSH-2.0-x${index}`)));
  const finding = (await judge({ captured })).find(({ id }) => id === "tls-fingerprint")!;
  assertEquals([finding.sight, finding.figure], ["unclear", "15 of 30 connections are TLS"]);
});

Deno.test("judge() of a length that is padded now and then: seen, or unclear", async () => {
  const padded = (count: number) =>
    thirty((index) => flowOf(random(index < count ? 86 : 200 + index), random(300 + index)));
  for (const [count, sight] of [[26, "seen"], [14, "unclear"], [9, "clear"]] as const) {
    const finding = (await judge({ random: padded(count) })).find(({ id }) =>
      id === "first-length"
    )!;
    assertEquals(finding.sight, sight, finding.figure);
    if (sight === "seen") assertEquals(finding.figure, "client: 26 of 30 have 86 bytes");
  }
});

Deno.test("judge() of TLS with half of its ClientHello: seen", async () => {
  const recording = through(padded, () => [HELLO.subarray(0, 200), random(3000)]);
  assertEquals(await sights(recording, "seen"), ["tls-fingerprint"]);
});

Deno.test("judge() of what is blocked now and then: unclear, and seen from half on", async () => {
  const blocked = flowOf(new Uint8Array(500).fill(0x87));
  for (const [count, sight] of [[1, "unclear"], [14, "unclear"], [15, "seen"]] as const) {
    const text = thirty((index) => index < count ? blocked : flowOf(words(index)));
    const [finding] = await judge({ text });
    assertEquals(finding?.sight, sight);
    assertEquals(finding?.figure, `${count} of 30 connections with text inside are blocked`);
  }
});

Deno.test("judge() of a handshake inside: by how many more have it than with text", async () => {
  const [handshake, other] = [
    flowOf(...[300, 3_000, 80].map(random)),
    flowOf(random(30), random(30)),
  ];
  const some = (count: number) => thirty((index) => index < count ? handshake : other);
  const sightOf = async (https: number, text: number) => {
    const findings = await judge({ https: some(https), text: some(text) });
    return findings.find(({ id }) => id === "nested-tls")?.sight;
  };
  assertEquals(await sightOf(15, 0), "seen");
  assertEquals(await sightOf(30, 15), "seen");
  assertEquals(await sightOf(30, 16), "unclear");
  assertEquals(await sightOf(11, 0), "unclear");
  assertEquals(await sightOf(10, 0), "clear");
});

Deno.test("judge() of a handshake inside: what a tunnel says first is not held against it", async () => {
  const own = [300, 3_000].map(random);
  const [handshake, other] = [[300, 3_000, 80], [60, 300, 80]].map((sizes) =>
    flowOf(...own, ...sizes.map(random))
  );
  const recording = { https: thirty(() => handshake!), text: thirty(() => other!) };
  const finding = (await judge(recording)).find(({ id }) => id === "nested-tls");
  assertEquals(finding?.sight, "seen");
  assertEquals(
    finding?.figure,
    "from message 3 on in 100 % of 30 connections with HTTPS inside, in 0 % of 30 with text",
  );
});

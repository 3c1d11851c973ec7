/** What is always the same: bytes, lengths, and what they say of each other. */

import { assertEquals } from "@std/assert";
import {
  bursts,
  byPosition,
  commonLengths,
  entropy,
  findLengthField,
  findLengthRelation,
  findNestedHandshakes,
  firstPayload,
  fixedPlaces,
  type Flow,
  hasFewLengths,
  lengthsOf,
  parseHttpRequest,
} from "../../censor/mod.ts";
import { ascii, flowOf, flowOfLengths, random, thirty, varied } from "./flows.ts";

Deno.test("bursts() makes no difference between ways to cut a connection", () => {
  const pieces = (flow: Flow): Flow =>
    flow.flatMap((segment) =>
      Array.from(segment.bytes, (byte) => ({ ...segment, bytes: Uint8Array.of(byte) }))
    );
  const flow = flowOfLengths(5, 70, 9);
  assertEquals(bursts(pieces(flow)), bursts(flow));
  assertEquals(bursts(flow).map(({ bytes }) => bytes.length), [5, 70, 9]);
});

Deno.test("bursts() passes over segments without bytes", () => {
  const [hello, answer] = [ascii("hello"), ascii("answer")];
  const empty = { fromClient: false, time: 1, bytes: new Uint8Array() };
  const [first, second] = flowOf(hello, answer);
  const again = { ...first!, time: 2 };
  assertEquals(bursts([first!, empty, again, second!]).length, 2);
});

Deno.test("firstPayload() is the client's, up to one packet, whoever speaks first", () => {
  const server = { fromClient: false, time: 0, bytes: ascii("220 ready") };
  assertEquals(firstPayload([server, ...flowOf(ascii("HELO"))]), ascii("HELO"));
  assertEquals(firstPayload(flowOfLengths(1461)).length, 1460);
  assertEquals(firstPayload([server]).length, 0);
});

Deno.test("entropy() of known sources", () => {
  assertEquals(entropy([]), 0);
  assertEquals(entropy(new Uint8Array(50)), 0);
  const bytes = Uint8Array.from({ length: 65_536 }, (_, index) => index);
  assertEquals(entropy(bytes), 8);
  const coins = entropy(Uint8Array.from({ length: 10_000 }, (_, index) => index % 2));
  assertEquals(coins.toFixed(3), "1.000");
});

Deno.test("entropy() of a small sample of random bytes is near that of its source", () => {
  // 2,000 random bytes have 7.90 bits by themselves, give or take 0.01.
  const bits = entropy(random(2_000));
  assertEquals(bits > 7.95, true, `${bits}`);
});

Deno.test("byPosition() tells values, entropy and printable bytes of each place", () => {
  const places = byPosition([ascii("Aa\x00x"), ascii("Ab\x01"), ascii("Ac\x01")], 64);
  assertEquals(places.map(({ values }) => values), [1, 3, 2]);
  assertEquals(places.map(({ printable }) => printable), [1, 1, 0]);
  assertEquals(places[0]?.commonest, 0x41);
  assertEquals(places[2]?.commonest, 1);
  assertEquals(places[1]?.entropy.toFixed(3), "1.585");
});

Deno.test("fixedPlaces() finds a constant and a field with few values, and nothing by chance", () => {
  const messages = thirty((index) => varied(index, [...random(3), 0x42, index % 15]));
  assertEquals(fixedPlaces(messages).map(({ position }) => position), [3, 4]);
  assertEquals(fixedPlaces(thirty((index) => varied(index))), []);
  assertEquals(fixedPlaces(messages.slice(0, 15)), [], "15 messages are no habit");
});

Deno.test("byPosition() and fixedPlaces() bear some messages that are too short", () => {
  const messages = thirty((index) => index < 3 ? random(1) : varied(index, [...random(3), 0x42]));
  assertEquals(fixedPlaces(messages).map(({ position }) => position), [3]);
  assertEquals(
    byPosition(messages, 64)[1]?.values,
    new Set(messages.flatMap((m) => m[1] ?? [])).size,
  );
  assertEquals(byPosition([random(1), ...messages], 64).length, 1, "more than a tenth are short");
});

Deno.test("hasFewLengths() bears an eighth of lengths, and some others beside them", () => {
  const of = (kinds: number) => thirty((index) => random(100 + index % kinds));
  assertEquals(hasFewLengths(of(1)), true);
  assertEquals(hasFewLengths(of(3)), true);
  assertEquals(hasFewLengths(of(5)), false);
  assertEquals(hasFewLengths(of(1).slice(0, 15)), false);
  const padded = (count: number) => thirty((index) => random(index < count ? 86 : 200 + index));
  assertEquals(hasFewLengths(padded(23)), true);
  assertEquals(commonLengths(padded(23)), { lengths: [86], count: 23 });
  assertEquals(hasFewLengths(padded(18)), false, "with two others they are two thirds");
  assertEquals(hasFewLengths(thirty((index) => random(100 + index))), false);
  assertEquals(lengthsOf([1, 9, 9].map(random)), [9, 1]);
});

const FIELDS: readonly [name: string, head: (length: number) => number[], expected: unknown][] = [
  [
    "two bytes, the most significant first",
    (length) => [7, 7, (length - 4) >> 8, (length - 4) & 0xff],
    { position: 2, size: 2, littleEndian: false, difference: 4 },
  ],
  [
    "two bytes, the least significant first",
    (length) => [0x99, length & 0xff, length >> 8],
    { position: 1, size: 2, littleEndian: true, difference: 0 },
  ],
  [
    "one byte",
    (length) => [0x99, length - 17],
    { position: 1, size: 1, littleEndian: false, difference: 17 },
  ],
  ["none", () => [], null],
];

for (const [name, head, expected] of FIELDS) {
  Deno.test(`findLengthField() finds the length in ${name}`, () => {
    const messages = thirty((index) => {
      const message = varied(index);
      message.set(head(message.length));
      return message;
    });
    assertEquals(findLengthField(messages), expected as ReturnType<typeof findLengthField>);
  });
}

Deno.test("findLengthField() bears some messages without the field", () => {
  const head = (index: number, length: number) => index < 3 ? [] : [(length - 2) >> 8, length - 2];
  const messages = thirty((index) => {
    const message = varied(index);
    message.set(head(index, message.length));
    return message;
  });
  assertEquals(findLengthField(messages)?.difference, 2);
  assertEquals(findLengthField([varied(1), ...messages]), null, "more than a tenth are without");
});

Deno.test("findLengthField() says nothing of lengths that hardly change", () => {
  assertEquals(findLengthField(thirty(() => Uint8Array.of(2, ...random(2)))), null);
  assertEquals(findLengthField([]), null);
});

Deno.test("findLengthRelation() finds the same difference, and none by chance or of constants", () => {
  const related = thirty((index) => [50, 100 + index, 7 * index * index, 90 + index]);
  assertEquals(findLengthRelation(related), { one: 1, other: 3, difference: -10, count: 30 });
  const swapped = related.map((lengths, index) => index % 3 === 0 ? lengths.toReversed() : lengths);
  assertEquals(findLengthRelation(swapped), { one: 1, other: 3, difference: -10, count: 20 });
  assertEquals(findLengthRelation([...swapped, [50, 100]]), null, "it is less than two of three");
  assertEquals(findLengthRelation(thirty((index) => [100 + index, 7 * index * index])), null);
  assertEquals(findLengthRelation(thirty(() => [100, 200])), null);
  assertEquals(findLengthRelation([]), null);
});

Deno.test("findNestedHandshakes() finds the sizes of a handshake where they begin", () => {
  assertEquals(findNestedHandshakes(flowOfLengths(517, 4000, 80, 700)), [0]);
  assertEquals(findNestedHandshakes(flowOfLengths(300, 400, 260, 3300, 150)), [2]);
  assertEquals(
    findNestedHandshakes(flowOfLengths(517, 500, 80)),
    [],
    "a server's flight is larger",
  );
  assertEquals(findNestedHandshakes(flowOfLengths(60, 4000, 80)), [], "a ClientHello is larger");
  assertEquals(findNestedHandshakes(flowOfLengths(517, 4000, 9000)), [], "a Finished is smaller");
  assertEquals(findNestedHandshakes(flowOfLengths(517, 4000)), [], "the client says nothing more");
});

Deno.test("findNestedHandshakes() passes over what a client says in the middle of a flight", () => {
  assertEquals(findNestedHandshakes(flowOfLengths(32, 64, 293, 2048, 6, 1166, 314, 6540)), [2]);
  assertEquals(findNestedHandshakes(flowOfLengths(517, 1000, 57, 1000, 80)), [0]);
  assertEquals(findNestedHandshakes(flowOfLengths(517, 1000, 58, 1000, 80)), []);
});

Deno.test("findNestedHandshakes() does not take the tunnel's own handshake for one inside", () => {
  const hello = Uint8Array.of(0x16, 3, 1, ...random(512));
  assertEquals(findNestedHandshakes(flowOf(hello, ...[4000, 80].map(random))), []);
  const sizes = [4000, 400, 500, 300, 3500, 100].map(random);
  assertEquals(findNestedHandshakes(flowOf(hello, ...sizes)), [4]);
});

Deno.test("parseHttpRequest() reads a head, what is there of it, and nothing else", () => {
  const request =
    "GET /secret HTTP/1.1\r\nHost:  example.com \r\nUpgrade: websocket\r\n\r\nbody: 1";
  assertEquals(parseHttpRequest(ascii(request)), {
    line: "GET /secret HTTP/1.1",
    headers: [["host", "example.com"], ["upgrade", "websocket"]],
  });
  assertEquals(parseHttpRequest(ascii("PUT / HTTP/1.0\r\nHost: a"))?.headers, [["host", "a"]]);
  assertEquals(parseHttpRequest(ascii("BREW /pot HTTP/1.1\r\nHost: a"))?.headers, [["host", "a"]]);
  assertEquals(parseHttpRequest(ascii("GET lost\r\n\r\n")), null);
  assertEquals(parseHttpRequest(ascii("a:b /c HTTP/1.1\r\n\r\n")), null, "no method has a colon");
  assertEquals(parseHttpRequest(random(0)), null);
});

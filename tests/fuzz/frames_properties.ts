/** Messages behind their lengths (`net/frames.ts`), and what is read whole (`net/conn.ts`). */

import { assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { readFull, readFullOrEnd, writeAll } from "../../net/conn.ts";
import { frames, fromFrames } from "../../net/frames.ts";
import { editedBytes } from "./arbitraries.ts";
import {
  type Arrival,
  arrival,
  DRIBBLE,
  type End,
  end,
  everyArrival,
  MemoryConn,
  outcome,
  WHOLE,
} from "./memory_conn.ts";
import { forAllAsync, type NamedProperty } from "./property.ts";

const message = fc.oneof(
  { arbitrary: fc.uint8Array({ maxLength: 30 }), weight: 40 },
  {
    arbitrary: fc.constantFrom(255, 256, 1000, 65_535).map((length) => new Uint8Array(length)),
    weight: 1,
  },
);
const messages = fc.array(message, { maxLength: 5 });
const limit = fc.oneof(fc.integer({ min: 1, max: 13 }), fc.constant(65_535));

function framed(messages: readonly Uint8Array[]): number[] {
  return messages.flatMap((message) => [message.length >> 8, message.length & 255, ...message]);
}

/** Frames, right or nearly so. */
const stream = fc.oneof(
  fc.integer({ min: 1, max: 14 }).map((length) =>
    Uint8Array.from(framed([new Uint8Array(length)]))
  ),
  editedBytes(fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 5 }).map(framed)),
  fc.uint8Array({ maxLength: 40 }),
);

/** The messages of a stream, and how it ends. */
interface Received {
  messages: number[][];
  end: string;
}

function reference(all: Uint8Array, limit: number, end: End): Received {
  const messages: number[][] = [];
  const short = end === "reset" ? "ConnectionReset" : "UnexpectedEof";
  for (let at = 0;;) {
    const rest = all.length - at;
    if (rest === 0) return { messages, end: end === "reset" ? "ConnectionReset" : "null" };
    if (rest === 1) return { messages, end: short };
    const length = (all[at] ?? 0) << 8 | (all[at + 1] ?? 0);
    if (length > limit) return { messages, end: "InvalidData" };
    if (rest < 2 + length) return { messages, end: short };
    messages.push([...all.subarray(at + 2, at + 2 + length)]);
    at += 2 + length;
  }
}

async function receive(
  all: Uint8Array,
  limit: number,
  sizes: Arrival,
  end: End,
): Promise<Received> {
  const conn = frames(new MemoryConn(all, sizes, end), { limit });
  const messages: number[][] = [];
  for (;;) {
    const came = await outcome(conn.read());
    if ("error" in came) return { messages, end: came.error };
    if (came.value === null) return { messages, end: "null" };
    messages.push([...came.value]);
  }
}

/** The properties of `net/frames.ts` and of the reading and writing of whole messages. */
export const framesProperties: NamedProperty[] = [
  forAllAsync(
    "frames() reads the same messages whole, in pieces and byte by byte",
    fc.tuple(stream, limit, arrival, end),
    async ([all, limit, sizes, end]) => {
      const expected = reference(all, limit, end);
      for (const arrival of [WHOLE, sizes, DRIBBLE]) {
        assertEquals(await receive(all, limit, arrival, end), expected);
      }
    },
  ),
  forAllAsync(
    "frames() reads the same messages for each place to split the stream at",
    fc.tuple(stream, limit, end),
    async ([all, limit, end]) => {
      const expected = reference(all, limit, end);
      for (const arrival of everyArrival(all.length)) {
        assertEquals(await receive(all, limit, arrival, end), expected);
      }
    },
    20,
  ),
  forAllAsync(
    "frames() writes what it reads, and nothing of a message above its limit",
    fc.tuple(messages, limit, arrival),
    async ([messages, limit, sizes]) => {
      const conn = new MemoryConn(new Uint8Array(), sizes);
      const writing = frames(conn, { limit });
      for (const message of messages) {
        const came = await outcome(writing.write(message));
        assertEquals(
          "error" in came ? came.error : null,
          message.length > limit ? "TypeError" : null,
        );
      }
      const sent = messages.filter(({ length }) => length <= limit);
      assertEquals(conn.written, framed(sent));
      const received = await receive(Uint8Array.from(conn.written), limit, sizes, "end");
      assertEquals(received.messages, sent.map((message) => [...message]));
    },
    20,
  ),
  forAllAsync(
    "fromFrames() makes one stream of all messages, and messages of what is written",
    fc.tuple(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), limit, arrival),
    async ([chunks, limit, sizes]) => {
      const all = chunks.flatMap((chunk) => [...chunk]);
      const conn = new MemoryConn(new Uint8Array(), sizes);
      const writing = fromFrames(frames(conn, { limit }));
      for (const chunk of chunks) await writeAll(writing, chunk);
      const { messages } = reference(Uint8Array.from(conn.written), limit, "end");
      assertEquals(messages.flat(), all);
      assertEquals(messages.every(({ length }) => length > 0), true);

      const reading = fromFrames(frames(new MemoryConn(Uint8Array.from(conn.written), sizes)));
      assertEquals([...await readFull(reading, new Uint8Array(all.length))], all);
      assertEquals(await reading.read(new Uint8Array(1)), null);
    },
  ),
  forAllAsync(
    "readFull() and readFullOrEnd() read just what they are to fill, or say that it ended",
    fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat(24), arrival),
    async ([all, length, sizes]) => {
      for (const read of [readFull, readFullOrEnd]) {
        const conn = new MemoryConn(all, sizes);
        const came = await outcome(read(conn, new Uint8Array(length)));
        if (length <= all.length) {
          assertEquals(came, { value: all.slice(0, length) });
          assertEquals(conn.consumed, length);
        } else if (read === readFullOrEnd && all.length === 0) {
          assertEquals(came, { value: null });
        } else {
          assertEquals("error" in came && came.error, "UnexpectedEof");
        }
      }
    },
  ),
];

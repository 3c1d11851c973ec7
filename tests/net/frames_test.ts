import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { type FrameConn, frames, fromFrames, writeAll } from "../../net/mod.ts";
import { IdleConn } from "./idle_conn.ts";
import { bytes } from "./scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";

/** Gives these chunks, each in one read where it fits, and then its end; keeps what is written. */
class Wire extends IdleConn {
  /** What has not been read. */
  readonly unread: Uint8Array[];
  /** What was written. */
  readonly written: number[] = [];
  /** How many bytes the next write takes. */
  readonly most: () => number;

  constructor(chunks: readonly Uint8Array[] = [], most: () => number = () => Infinity) {
    super();
    this.unread = chunks.filter(({ length }) => length > 0);
    this.most = most;
  }

  override read(p: Uint8Array): Promise<number | null> {
    const [chunk] = this.unread;
    if (chunk === undefined) return Promise.resolve(null);
    const count = Math.min(p.length, chunk.length);
    p.set(chunk.subarray(0, count));
    if (count === chunk.length) this.unread.shift();
    else this.unread[0] = chunk.subarray(count);
    return Promise.resolve(count);
  }

  override write(p: Uint8Array): Promise<number> {
    const count = Math.min(p.length, this.most());
    this.written.push(...p.subarray(0, count));
    return Promise.resolve(count);
  }
}

/** A connection whose writes wait until they are let go. */
class Held extends IdleConn {
  /** Lets every write go. */
  readonly letGo: () => void;
  readonly #gone: Promise<void>;

  constructor() {
    super();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gone = promise;
    this.letGo = resolve;
  }

  override async write(p: Uint8Array): Promise<number> {
    await this.#gone;
    return p.length;
  }
}

/** Whole messages that stand behind no stream of bytes. */
class Messages implements FrameConn {
  readonly limit = 4;
  readonly unread: string[];
  readonly written: string[] = [];
  /** What else was done with it. */
  readonly calls: string[] = [];

  constructor(...unread: string[]) {
    this.unread = unread;
  }

  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const message = this.unread.shift();
    return Promise.resolve(message === undefined ? null : bytes(message));
  }

  write(message: Uint8Array): Promise<void> {
    this.written.push(new TextDecoder().decode(message));
    return Promise.resolve();
  }

  closeWrite(): Promise<void> {
    this.calls.push("closeWrite");
    return Promise.resolve();
  }

  close(): void {
    this.calls.push("close");
  }
}

/** A message whose bytes differ. */
function message(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index * 7 + length);
}

/** The messages as they travel. */
function framed(...messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(
    messages.flatMap((each) => [each.length >> 8, each.length & 255, ...each]),
  );
}

/** The bytes in chunks of these sizes, over and over. */
function cut(all: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < all.length;) {
    const size = sizes[chunks.length % sizes.length] ?? 1;
    chunks.push(all.subarray(at, at += size));
  }
  return chunks;
}

/** The same bytes whole, byte by byte, and in two chunks for each place to split them at. */
function* arrivals(all: Uint8Array): Generator<Wire> {
  yield new Wire([all]);
  yield new Wire(cut(all, [1]));
  for (let at = 1; at < all.length; at++) yield new Wire([all.subarray(0, at), all.subarray(at)]);
}

/** Reads messages to the end of the stream. */
async function readAll(conn: FrameConn): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  for (let read; (read = await conn.read()) !== null;) messages.push(read);
  return messages;
}

/** Whether a promise has settled, as soon as everything that is due has had its turn. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.finally(() => done = true).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve));
  return done;
}

const LIMIT = 300;

const MESSAGES: readonly [what: string, lengths: readonly number[]][] = [
  ["no message", []],
  ["an empty message", [0]],
  ["a message of one byte", [1]],
  ["a message whose length takes two bytes", [258]],
  ["a message of just the limit", [LIMIT]],
  ["many messages", [3, 0, 1, LIMIT, 0, 0, 255, 256, 2]],
];

for (const [what, lengths] of MESSAGES) {
  const messages = lengths.map(message);

  Deno.test(`frames() reads ${what}, however it arrives`, async () => {
    for (const wire of arrivals(framed(...messages))) {
      const conn = frames(wire, { limit: LIMIT });
      assertEquals(await readAll(conn), messages);
      assertEquals(await conn.read(), null);
    }
  });

  Deno.test(`frames() writes ${what}, however much a write takes`, async () => {
    for (const most of [1, 2, 3, 100, Infinity]) {
      const wire = new Wire([], () => most);
      const conn = frames(wire, { limit: LIMIT });
      for (const each of messages) await conn.write(each);
      assertEquals(Uint8Array.from(wire.written), framed(...messages));
    }
  });
}

Deno.test("frames() carries 65,535 bytes in a message unless it is told otherwise", async () => {
  const out = new Wire();
  assertEquals(frames(out).limit, 65_535);
  await frames(out).write(message(65_535));
  assertEquals(out.written.slice(0, 2), [0xff, 0xff]);
  const back = frames(new Wire([Uint8Array.from(out.written)]));
  assertEquals(await back.read(), message(65_535));
});

Deno.test("frames() takes a limit from 1 to 65,535", () => {
  for (const limit of [1, 65_535]) {
    assertEquals(frames(new IdleConn(), { limit }).limit, limit);
  }
  for (const limit of [0, -1, 65_536, 1.5, NaN, Infinity]) {
    assertThrows(() => frames(new IdleConn(), { limit }), TypeError, "from 1 to 65535");
  }
});

Deno.test("frames() rejects a length above the limit, and reads none of its bytes", async () => {
  for (const length of [LIMIT + 1, 0xffff]) {
    const all = framed(message(2), message(length));
    for (const size of [3, 4, 6, all.length]) {
      const wire = new Wire(cut(all, [size]));
      const conn = frames(wire, { limit: LIMIT });
      assertEquals(await conn.read(), message(2));
      const error = await assertRejects(() => conn.read(), Deno.errors.InvalidData);
      assertEquals(error.message, `A frame has ${length} bytes, and ${LIMIT} is the limit`);
      assertEquals((await readToEnd(wire)).length, length);
    }
  }
});

Deno.test("frames() throws for a message above the limit, and writes nothing", async () => {
  for (const limit of [1, LIMIT, 65_535]) {
    const wire = new Wire();
    const conn = frames(wire, { limit });
    const error = await assertRejects(() => conn.write(message(limit + 1)), TypeError);
    assertEquals(
      error.message,
      `The message has ${limit + 1} bytes, and ${limit} is the limit`,
    );
    assertEquals(wire.written, []);
  }
});

Deno.test("frames() tells an end between two messages from one inside", async () => {
  const all = framed(message(3), message(2));
  const ends = new Map([[0, 0], [5, 1], [9, 2]]);
  for (let length = 0; length <= all.length; length++) {
    for (const wire of arrivals(all.subarray(0, length))) {
      const conn = frames(wire);
      const whole = ends.get(length);
      if (whole === undefined) {
        await assertRejects(() => readAll(conn), Deno.errors.UnexpectedEof, "mid-message");
      } else {
        assertEquals((await readAll(conn)).length, whole);
      }
    }
  }
});

Deno.test("frames() rejects with the errors of the connection", async () => {
  class Broken extends IdleConn {
    override read(): Promise<number | null> {
      return Promise.reject(new Deno.errors.ConnectionReset());
    }
    override write(): Promise<number> {
      return Promise.reject(new Deno.errors.BrokenPipe());
    }
  }
  const conn = frames(new Broken());
  await assertRejects(() => conn.read(), Deno.errors.ConnectionReset);
  await assertRejects(() => conn.write(bytes("x")), Deno.errors.BrokenPipe);
});

Deno.test("frames() gives up a connection whose read gives nothing", async () => {
  for (const counts of [[0], [2, 0]]) {
    class Empty extends IdleConn {
      readonly #counts = [...counts];
      override read(p: Uint8Array): Promise<number | null> {
        return Promise.resolve((p.fill(1), this.#counts.shift() ?? null));
      }
    }
    await assertRejects(() => frames(new Empty()).read(), TypeError, "no byte");
  }
});

Deno.test("frames() and fromFrames() write no faster than the connection", async () => {
  for (const over of [frames, (conn: IdleConn) => fromFrames(frames(conn))]) {
    const held = new Held();
    const writing: Promise<unknown> = over(held).write(bytes("hello"));
    assertEquals(await settled(writing), false);
    held.letGo();
    await writing;
  }
});

Deno.test("frames() passes on a half-close, and may be closed twice", async () => {
  let closed = 0;
  class Once extends IdleConn {
    override close(): void {
      if (closed++ > 0) throw new Deno.errors.BadResource("closed before");
    }
  }
  const inner = new Once();
  const conn = frames(inner);
  await conn.closeWrite();
  assertEquals([inner.writeClosed, closed], [true, 0]);
  conn.close();
  conn.close();
  assertEquals(closed, 2);
});

Deno.test("fromFrames() writes messages that are as long as they may be", async () => {
  const conn = new Messages();
  const stream = fromFrames(conn);
  assertEquals(await stream.write(bytes("abcdef")), 4);
  assertEquals(await stream.write(bytes("abcd")), 4);
  assertEquals(await stream.write(bytes("abc")), 3);
  assertEquals(await stream.write(bytes("")), 0);
  assertEquals(conn.written, ["abcd", "abcd", "abc"]);
  await writeAll(stream, bytes("0123456789"));
  assertEquals(conn.written.slice(3), ["0123", "4567", "89"]);
});

Deno.test("fromFrames() joins messages in reads of any size, and skips empty ones", async () => {
  for (let size = 1; size < 12; size++) {
    const stream = fromFrames(new Messages("", "abcd", "", "", "e", "fgh", ""));
    const into = new Uint8Array(size);
    let all = "";
    for (let count; (count = await stream.read(into)) !== null;) {
      assertEquals(count > 0, true);
      all += new TextDecoder().decode(into.subarray(0, count));
    }
    assertEquals(all, "abcdefgh");
    assertEquals(await stream.read(into), null);
  }
});

Deno.test("fromFrames() reads a message only when the one before has been taken", async () => {
  const conn = new Messages("abcd", "efgh");
  const stream = fromFrames(conn);
  await stream.read(new Uint8Array(3));
  assertEquals(await stream.read(new Uint8Array(3)), 1);
  assertEquals(conn.unread, ["efgh"]);
});

Deno.test("fromFrames() rejects with the errors of the messages", async () => {
  const cutShort = fromFrames(frames(new Wire([framed(message(3)), Uint8Array.of(0)])));
  await assertRejects(() => readToEnd(cutShort), Deno.errors.UnexpectedEof);
  const tooLong = fromFrames(frames(new Wire([framed(message(9))]), { limit: 8 }));
  await assertRejects(() => readToEnd(tooLong), Deno.errors.InvalidData);
  class Broken extends Messages {
    override write(): Promise<void> {
      return Promise.reject(new Deno.errors.BrokenPipe());
    }
  }
  await assertRejects(() => fromFrames(new Broken()).write(bytes("x")), Deno.errors.BrokenPipe);
});

Deno.test("fromFrames() passes on a half-close and a close", async () => {
  const conn = new Messages("abcd");
  const stream = fromFrames(conn);
  await stream.closeWrite();
  assertEquals(conn.calls, ["closeWrite"]);
  assertEquals(await readToEnd(stream), bytes("abcd"));
  stream.close();
  assertEquals(conn.calls, ["closeWrite", "close"]);
});

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
const someBytes = fc.uint8Array({ maxLength: 40 });

/** Takes the sizes in turn. */
function turns(of: readonly number[]): () => number {
  let turn = 0;
  return () => of[turn++ % of.length] ?? 1;
}

Deno.test("frames() gives back any messages over a connection that cuts as it likes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(someBytes), sizes, sizes, async (messages, taken, given) => {
      const out = new Wire([], turns(taken));
      const writer = frames(out, { limit: 40 });
      for (const each of messages) await writer.write(each);
      const wire = new Wire(cut(Uint8Array.from(out.written), given));
      assertEquals(await readAll(frames(wire, { limit: 40 })), messages);
    }),
    { numRuns: 500 },
  );
});

Deno.test("fromFrames() gives back any bytes, whatever is written and read at once", async () => {
  const limits = fc.integer({ min: 1, max: 50 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(someBytes),
      limits,
      sizes,
      sizes,
      async (parts, limit, taken, given) => {
        const out = new Wire([], turns(taken));
        const writer = fromFrames(frames(out, { limit }));
        for (const part of parts) await writeAll(writer, part);
        const wire = new Wire(cut(Uint8Array.from(out.written), given));
        const all = Uint8Array.from(parts.flatMap((part) => [...part]));
        assertEquals(await readToEnd(fromFrames(frames(wire, { limit }))), all);
      },
    ),
    { numRuns: 500 },
  );
});

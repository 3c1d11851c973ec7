import { assert, assertEquals, assertRejects } from "@std/assert";
import { EarlyReader } from "../../net/early_reader.ts";

/** Gives so many bytes at once, of a stream in which each tells its place, and then what it is told. */
class Stream {
  readonly #sizes: number[];
  readonly #then: "end" | "wait";
  #at = 0;
  /** How many bytes there was room for, at each read. */
  readonly rooms: number[] = [];
  readonly idle = Promise.withResolvers<void>();

  constructor(sizes: readonly number[], then: "end" | "wait" = "wait") {
    this.#sizes = [...sizes];
    this.#then = then;
  }

  read = (p: Uint8Array): Promise<number | null> => {
    this.rooms.push(p.length);
    const [size] = this.#sizes;
    if (size === undefined) {
      this.idle.resolve();
      return this.#then === "end" ? Promise.resolve(null) : new Promise(() => {});
    }
    const count = Math.min(p.length, size);
    if (count === size) this.#sizes.shift();
    else this.#sizes[0] = size - count;
    for (let index = 0; index < count; index++) p[index] = this.#at++ % 251;
    return Promise.resolve(count);
  };

  write = (p: Uint8Array): Promise<number> => Promise.resolve(p.length);

  /** It in place of one of Deno's, for what asks for no more than is here. */
  get tcp(): Deno.TcpConn {
    return this as unknown as Deno.TcpConn;
  }
}

function expected(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (start + index) % 251);
}

async function takeAll(stream: Stream, length: number): Promise<Uint8Array> {
  const all = new Uint8Array(length);
  for (let at = 0; at < length;) {
    at += await stream.read(all.subarray(at, at + 700)) ?? NaN;
  }
  return all;
}

Deno.test("EarlyReader takes messages of any length, however they come", async () => {
  for (const sizes of [[2_000], [1, 1_999], Array(2_000).fill(1), [300, 300, 300, 1_100]]) {
    const reader = new EarlyReader(new Stream(sizes).tcp);
    let at = 0;
    for (const length of [1, 2, 513, 3, 700, 500]) {
      assertEquals(await reader.take(length), expected(at, length));
      at += length;
    }
  }
});

Deno.test("EarlyReader reads into the room that it has, and makes no more than it needs", async () => {
  const stream = new Stream([500, 500, 500]);
  const reader = new EarlyReader(stream.tcp);
  await reader.take(500);
  await reader.take(500);
  await reader.take(500);
  assertEquals(stream.rooms, [512, 512, 512]);
  const long = new Stream([512, 512]);
  await new EarlyReader(long.tcp).take(1_024);
  assertEquals(long.rooms, [512, 512]);
});

Deno.test("EarlyReader says where a stream ends in a message", async () => {
  const reader = new EarlyReader(new Stream([3], "end").tcp);
  await assertRejects(
    async () => await reader.take(4),
    Deno.errors.UnexpectedEof,
    "The peer closed the connection in mid-message",
  );
});

Deno.test("EarlyReader keeps up to 16 KiB that come early, and gives all of it back", async () => {
  for (const sizes of [[100_000], Array(100_000).fill(1), Array(200).fill(500)]) {
    const stream = new Stream(sizes);
    const reader = new EarlyReader(stream.tcp);
    await reader.take(10);
    reader.watch();
    let before = -1;
    // It reads until it has enough, which nobody tells.
    while (stream.rooms.length > before) {
      before = stream.rooms.length;
      await new Promise((resolve) => setTimeout(resolve));
    }
    reader.release();
    assert(stream.rooms.every((room) => room > 0 && room <= 32 * 1024), String(stream.rooms));
    assertEquals(await takeAll(stream, 99_990), expected(10, 99_990));
  }
});

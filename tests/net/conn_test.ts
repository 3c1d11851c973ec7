import { assertEquals, assertRejects } from "@std/assert";
import { drain } from "../../net/conn.ts";
import { readFull, writeAll } from "../../net/mod.ts";
import { IdleConn } from "./idle_conn.ts";

/** Gives so many bytes at each read, then its end. */
class InPieces extends IdleConn {
  readonly #pieces: number[];
  constructor(...pieces: number[]) {
    super();
    this.#pieces = pieces;
  }
  override read(p: Uint8Array): Promise<number | null> {
    const count = this.#pieces.shift();
    if (count === undefined) return Promise.resolve(null);
    p.subarray(0, count).fill(count);
    return Promise.resolve(Math.min(count, p.length));
  }
}

Deno.test("readFull() fills the buffer from pieces and never asks for more", async () => {
  const conn = new InPieces(2, 1, 100, 7);
  assertEquals([...await readFull(conn, new Uint8Array(5))], [2, 2, 1, 100, 100]);
  assertEquals([...await readFull(conn, new Uint8Array(1))], [7]);
});

Deno.test("readFull() reads nothing when nothing is asked for", async () => {
  assertEquals(await readFull(new IdleConn(), new Uint8Array(0)), new Uint8Array(0));
});

Deno.test("readFull() says that the stream has ended in mid-message", async () => {
  const read = () => readFull(new InPieces(2), new Uint8Array(3));
  await assertRejects(read, Deno.errors.UnexpectedEof, "mid-message");
});

Deno.test("readFull() gives up a connection whose read gives nothing", async () => {
  for (const count of [0, NaN, -1]) {
    const read = () => readFull({ read: () => Promise.resolve(count) }, new Uint8Array(3));
    await assertRejects(read, TypeError, "no byte");
  }
});

Deno.test("writeAll() goes on where a write has stopped", async () => {
  const written: number[] = [];
  await writeAll({
    write(p) {
      const part = p.subarray(0, 2);
      written.push(...part);
      return Promise.resolve(part.length);
    },
  }, Uint8Array.of(1, 2, 3, 4, 5));
  assertEquals(written, [1, 2, 3, 4, 5]);
});

Deno.test("writeAll() gives up a connection whose write takes nothing", async () => {
  for (const count of [0, NaN, -1]) {
    const write = () => writeAll({ write: () => Promise.resolve(count) }, Uint8Array.of(1));
    await assertRejects(write, TypeError, "no byte");
  }
});

Deno.test("drain() reads to the end, or 64 KiB", async () => {
  const short = new InPieces(3, 4);
  await drain(short);
  assertEquals(await short.read(new Uint8Array(1)), null);
  const long = new InPieces(...Array(33).fill(2048));
  await drain(long);
  assertEquals(await long.read(new Uint8Array(1)), 1);
});

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { type Head, HeadError, prefixed, readFullOrEnd, readHead } from "../../net/mod.ts";
import { IdleConn } from "./idle_conn.ts";
import { bytes } from "./scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";

/** Gives these chunks, each in one read where it fits, and then its end. */
class Chunks extends IdleConn {
  readonly #chunks: Uint8Array[];
  constructor(...chunks: Uint8Array[]) {
    super();
    this.#chunks = chunks.filter(({ length }) => length > 0);
  }
  override read(p: Uint8Array): Promise<number | null> {
    const [chunk] = this.#chunks;
    if (chunk === undefined) return Promise.resolve(null);
    const count = Math.min(p.length, chunk.length);
    p.set(chunk.subarray(0, count));
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    return Promise.resolve(count);
  }
}

/** The same bytes whole, byte by byte, and in two chunks for each place to split them at. */
function* arrivals(all: Uint8Array): Generator<Chunks> {
  yield new Chunks(all);
  yield new Chunks(...Array.from(all, (byte) => Uint8Array.of(byte)));
  for (let at = 1; at < all.length; at++) yield new Chunks(all.subarray(0, at), all.subarray(at));
}

const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** What a head and its connection give together. */
async function whole({ head, rest }: Head, conn: Chunks): Promise<string> {
  return text(head) + text(rest) + text(await readToEnd(conn));
}

/** Reads what is not a head. */
async function headError(conn: Chunks, limit: number): Promise<HeadError> {
  return await assertRejects(() => readHead(conn, limit), HeadError);
}

const HEADS = {
  "CR LF": "GET / HTTP/1.1\r\nHost: pt.example\r\n\r\n",
  "LF": "GET / HTTP/1.1\nHost: pt.example\n\n",
  "LF, and CR LF for the blank line": "first\nsecond\n\r\n",
  "CR LF, and LF for the blank line": "first\r\nsecond\r\n\n",
  "lines of one byte": "a\r\nb\r\n\r\n",
  "a blank first line of CR LF": "\r\n",
  "a blank first line of LF": "\n",
  "CR alone, which ends no line": "a\r\rb\r\r\n\r\r\n\r\r\nc\n\rd\n\r\n",
};

for (const [what, head] of Object.entries(HEADS)) {
  Deno.test(`readHead() finds the end of a head with ${what}, however it arrives`, async () => {
    for (const behind of ["", "\r", "\n\r\n", "hello\r\n\r\nand more"]) {
      for (const conn of arrivals(bytes(head + behind))) {
        const found = await readHead(conn, 1024);
        assertEquals(text(found.head), head);
        assertEquals(await whole(found, conn), head + behind);
      }
    }
  });
}

Deno.test("readHead() reads a head that is longer than its pieces", async () => {
  const head = `GET /${"x".repeat(10_000)} HTTP/1.1\r\n\r\n`;
  const conn = new Chunks(bytes(`${head}hello`));
  const found = await readHead(conn, 65_536);
  assertEquals(text(found.head), head);
  assertEquals(await whole(found, conn), `${head}hello`);
});

Deno.test("readHead() holds little more than the head, however small the pieces that come", async () => {
  const buffers = new Set<ArrayBufferLike>();
  const read = (p: Uint8Array) => {
    buffers.add(p.buffer);
    p[0] = 0x78;
    return Promise.resolve(1);
  };
  await assertRejects(() => readHead({ read }, 65_536), HeadError);
  const held = Array.from(buffers, ({ byteLength }) => byteLength);
  assert(held.reduce((sum, length) => sum + length) <= 2 * 65_536, `${held}`);
});

Deno.test("readHead() waits for no more than the head", async () => {
  const { promise: never } = Promise.withResolvers<null>();
  const conn = new Chunks(bytes("a\r\n\r\n"));
  const read = async (p: Uint8Array) => await conn.read(p) ?? await never;
  assertEquals(text((await readHead({ read }, 1024)).head), "a\r\n\r\n");
});

Deno.test("readHead() takes a head of just the limit, whatever stands behind it", async () => {
  for (const head of ["one\r\ntwo\r\n\r\n", `${"x".repeat(4092)}\r\n\r\n`]) {
    const conn = new Chunks(bytes(`${head}hello`));
    const found = await readHead(conn, head.length);
    assertEquals(text(found.head), head);
    assertEquals(await whole(found, conn), `${head}hello`);
  }
});

Deno.test("readHead() rejects a head of one byte above the limit, with what it read", async () => {
  const all = "one\r\ntwo\r\n\r\nhello";
  const limit = all.indexOf("hello") - 1;
  for (const conn of arrivals(bytes(all))) {
    const error = await headError(conn, limit);
    assertEquals([error.name, error.reason], ["HeadError", "too-long"]);
    assertEquals(error.message, `The head is longer than ${limit} bytes`);
    assertEquals(text(error.bytes), all.slice(0, limit));
    assertEquals(text(await readToEnd(prefixed(conn, error.bytes))), all);
  }
});

Deno.test("readHead() rejects a stream that ends before the blank line", async () => {
  for (const all of ["", "\r", "GET / HTTP/1.1\r\n", "one\ntwo\n\r", "\x16\x03\x01\x02\x00"]) {
    for (const conn of arrivals(bytes(all))) {
      const error = await headError(conn, 1024);
      assertEquals([error.name, error.reason], ["HeadError", "ended"]);
      assertEquals(
        error.message,
        "The connection ended before the blank line at the end of the head",
      );
      assertEquals(text(error.bytes), all);
      assertEquals(text(await readToEnd(prefixed(conn, error.bytes))), all);
    }
  }
});

Deno.test("readHead() gives up a connection whose read gives nothing", async () => {
  for (const count of [0, NaN, -1]) {
    const read = () => readHead({ read: () => Promise.resolve(count) }, 1024);
    await assertRejects(read, TypeError, "no byte");
  }
});

Deno.test("readHead() rejects with the error of the connection", async () => {
  const read = () => Promise.reject(new Deno.errors.ConnectionReset());
  await assertRejects(() => readHead({ read }, 1024), Deno.errors.ConnectionReset);
});

Deno.test("prefixed() returns the connection itself where there are no bytes", () => {
  const conn = new IdleConn();
  assertStrictEquals(prefixed(conn, new Uint8Array(0)), conn);
});

Deno.test("prefixed() gives its bytes in reads of any size, and then the connection's", async () => {
  for (let size = 1; size < 10; size++) {
    const conn = prefixed(new Chunks(bytes("def"), bytes("gh")), bytes("abc"));
    const into = new Uint8Array(size);
    let all = "";
    for (let count; (count = await conn.read(into)) !== null;) {
      all += text(into.subarray(0, count));
    }
    assertEquals(all, "abcdefgh");
  }
});

Deno.test("prefixed() gives its bytes without waiting for the connection", async () => {
  const into = new Uint8Array(10);
  assertEquals(await prefixed(new IdleConn(), bytes("abc")).read(into), 3);
});

Deno.test("prefixed() passes on writes, a half-close and a close", async () => {
  const written: Uint8Array[] = [];
  class Taking extends IdleConn {
    override write(p: Uint8Array): Promise<number> {
      written.push(p);
      return Promise.resolve(2);
    }
  }
  const inner = new Taking();
  const conn = prefixed(inner, bytes("abc"));
  assertEquals(await conn.write(bytes("xyz")), 2);
  assertEquals(written, [bytes("xyz")]);
  await conn.closeWrite();
  assertEquals([inner.writeClosed, inner.closed], [true, false]);
  conn.close();
  assertEquals(inner.closed, true);
});

Deno.test("prefixed() may be closed twice", () => {
  let closed = 0;
  class Once extends IdleConn {
    override close(): void {
      if (closed++ > 0) throw new Deno.errors.BadResource("closed before");
    }
  }
  const conn = prefixed(new Once(), bytes("abc"));
  conn.close();
  conn.close();
  assertEquals(closed, 2);
});

Deno.test("readFullOrEnd() fills the buffer, however its bytes arrive", async () => {
  for (const conn of arrivals(bytes("abcde"))) {
    const into = new Uint8Array(4);
    assertStrictEquals(await readFullOrEnd(conn, into), into);
    assertEquals(text(into), "abcd");
    assertEquals(text(await readToEnd(conn)), "e");
  }
});

Deno.test("readFullOrEnd() tells an end before the first byte from one behind it", async () => {
  assertEquals(await readFullOrEnd(new Chunks(), new Uint8Array(4)), null);
  for (const conn of arrivals(bytes("abc"))) {
    const read = () => readFullOrEnd(conn, new Uint8Array(4));
    await assertRejects(read, Deno.errors.UnexpectedEof, "mid-message");
    assertEquals(await readFullOrEnd(conn, new Uint8Array(4)), null);
  }
});

Deno.test("readFullOrEnd() gives up a connection whose read gives nothing", async () => {
  for (const counts of [[0], [NaN], [-1], [1, 0]]) {
    const left = [...counts];
    const read = () => Promise.resolve(left.shift() ?? null);
    const reading = () => readFullOrEnd({ read }, new Uint8Array(3));
    await assertRejects(reading, TypeError, "no byte");
  }
});

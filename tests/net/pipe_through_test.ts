import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { pipeThrough, relay, type StreamConn, writeAll } from "../../net/mod.ts";
import { permitted } from "../permitted.ts";
import { IdleConn } from "./idle_conn.ts";
import { bytes, take, takeText } from "./scripted_peer.ts";
import { readToEnd, tcpPair } from "../../testing/mod.ts";

type Transform = TransformStream<Uint8Array, Uint8Array>;

function identity(): Transform {
  return new TransformStream();
}

function deflated(conn: StreamConn): StreamConn {
  return pipeThrough(conn, {
    read: new DecompressionStream("deflate-raw"),
    write: new CompressionStream("deflate-raw"),
  });
}

/** Each byte as two; the last thing it says is "!". */
function doubling(): Transform {
  return new TransformStream({
    transform(chunk, out) {
      out.enqueue(Uint8Array.from([...chunk].flatMap((byte) => [byte, byte])));
    },
    flush(out) {
      out.enqueue(bytes("!"));
    },
  });
}

/** Passes on every second chunk only, together with the one before. */
function pairing(): Transform {
  let kept: Uint8Array | null = null;
  return new TransformStream({
    transform(chunk, out) {
      if (kept === null) kept = chunk;
      else {
        out.enqueue(new Uint8Array(0));
        out.enqueue(kept);
        out.enqueue(chunk);
        kept = null;
      }
    },
  });
}

function failing(error: Error): Transform {
  return new TransformStream({
    transform() {
      throw error;
    },
  });
}

permitted(
  ["net"],
  "pipeThrough() carries 4 MiB each way through what changes its length",
  async () => {
    using pair = await tcpPair();
    const [near, far] = [deflated(pair.client), deflated(pair.server)];
    const up = new Uint8Array(4 * 1024 * 1024).map((_, index) => index * 13 + (index >> 9));
    const down = up.map((byte) => byte ^ 0x55);
    const send = async (conn: StreamConn, all: Uint8Array) => {
      await writeAll(conn, all);
      await conn.closeWrite();
    };
    const [, , upwards, downwards] = await Promise.all([
      send(near, up),
      send(far, down),
      readToEnd(far),
      readToEnd(near),
    ]);
    const digest = (data: Uint8Array<ArrayBuffer>) => crypto.subtle.digest("SHA-256", data);
    assertEquals(await digest(upwards), await digest(up));
    assertEquals(await digest(downwards), await digest(down));
    near.close();
    far.close();
  },
);

permitted(["net"], "pipeThrough() flushes at a half-close, and reads on", async () => {
  using pair = await tcpPair();
  const conn = pipeThrough(pair.client, { read: doubling(), write: doubling() });
  await conn.write(bytes("ab"));
  await conn.closeWrite();
  assertEquals(await readToEnd(pair.server), bytes("aabb!"));
  await pair.server.write(bytes("c"));
  assertEquals(await takeText(conn, 2), "cc");
  await pair.server.closeWrite();
  assertEquals(await readToEnd(conn), bytes("!"));
  assertEquals(await conn.read(new Uint8Array(1)), null);
  conn.close();
});

permitted(["net"], "pipeThrough() writes on behind the end of what it reads", async () => {
  using pair = await tcpPair();
  const conn = pipeThrough(pair.client, { read: identity(), write: identity() });
  await pair.server.closeWrite();
  assertEquals(await conn.read(new Uint8Array(1)), null);
  await conn.write(bytes("still here"));
  assertEquals(await takeText(pair.server, 10), "still here");
  conn.close();
});

permitted(
  ["net"],
  "pipeThrough() reads past chunks that give nothing, into any buffer",
  async () => {
    using pair = await tcpPair();
    const conn = pipeThrough(pair.client, { read: pairing(), write: identity() });
    const reading = takeText(conn, 1);
    await pair.server.write(bytes("ab"));
    // Only when the first has been taken is the second a chunk of its own.
    await conn.write(bytes("x"));
    await take(pair.server, 1);
    const rest = (async () => {
      const first = await reading;
      return first + await takeText(conn, 3);
    })();
    await pair.server.write(bytes("cd"));
    assertEquals(await rest, "abcd");
    conn.close();
  },
);

Deno.test("pipeThrough() leaves the caller's buffer to the caller", async () => {
  const taken: number[] = [];
  const slow = fake({
    async write(p) {
      await new Promise((resolve) => setTimeout(resolve));
      return taken.push(...p) && p.length;
    },
  });
  const conn = pipeThrough(slow, { read: identity(), write: identity() });
  const buffer = new Uint8Array(2);
  for (const round of [1, 2, 3]) {
    await writeAll(conn, buffer.fill(round));
    assertEquals(buffer, Uint8Array.of(round, round));
  }
  await conn.closeWrite();
  assertEquals(taken, [1, 1, 2, 2, 3, 3]);
  conn.close();
});

permitted(["net"], "pipeThrough() is a connection that relay() takes", async () => {
  using outer = await tcpPair();
  using inner = await tcpPair();
  const relaying = relay(outer.server, deflated(inner.client));
  const server = deflated(inner.server);
  await outer.client.write(bytes("hello"));
  await outer.client.closeWrite();
  assertEquals(await readToEnd(server), bytes("hello"));
  await writeAll(server, bytes("goodbye"));
  await server.closeWrite();
  assertEquals(await readToEnd(outer.client), bytes("goodbye"));
  assertEquals(await relaying, { sent: 5, received: 7, error: null });
  server.close();
});

function fake(parts: Partial<StreamConn>): StreamConn {
  return {
    read: () => new Promise(() => {}),
    write: (p) => Promise.resolve(p.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
    ...parts,
  };
}

Deno.test("pipeThrough() reads no further than is wanted", async () => {
  let reads = 0;
  const endless = fake({ read: (p) => Promise.resolve((reads++, p.length)) });
  const conn = pipeThrough(endless, { read: identity(), write: identity() });
  await conn.read(new Uint8Array(1));
  // Every microtask and timer that is due has its turn.
  await new Promise((resolve) => setTimeout(resolve));
  assertLess(reads, 4);
  conn.close();
});

Deno.test("pipeThrough() takes no more than a receiver that stalls lets go", async () => {
  const stalled = fake({ write: () => new Promise(() => {}) });
  const conn = pipeThrough(stalled, { read: identity(), write: identity() });
  let taken = 0;
  const writing = (async () => {
    for (;;) taken += await conn.write(new Uint8Array(1));
  })();
  const failed = assertRejects(() => writing, Deno.errors.Interrupted);
  await new Promise((resolve) => setTimeout(resolve));
  assertLess(taken, 4);
  conn.close();
  await failed;
});

Deno.test("pipeThrough() throws a transform's error where the bytes pass", async () => {
  const error = new RangeError("a wrong tag");
  const ready = fake({ read: (p) => Promise.resolve(p.length) });
  const reading = pipeThrough(ready, { read: failing(error), write: identity() });
  assertEquals(await reading.read(new Uint8Array(1)).catch((error) => error), error);
  reading.close();
  const writing = pipeThrough(fake({}), { read: identity(), write: failing(error) });
  assertEquals(await writing.write(new Uint8Array(1)).catch((error) => error), error);
  writing.close();
});

Deno.test("pipeThrough() throws an error of the connection", async () => {
  const broken = fake({
    read: () => Promise.reject(new Deno.errors.ConnectionReset()),
    write: () => Promise.reject(new Deno.errors.BrokenPipe()),
  });
  const conn = pipeThrough(broken, { read: identity(), write: identity() });
  await assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  const writing = async () => {
    for (;;) await conn.write(new Uint8Array(1));
  };
  await assertRejects(writing, Deno.errors.BrokenPipe);
  await assertRejects(() => conn.closeWrite(), Deno.errors.BrokenPipe);
  conn.close();
});

Deno.test("pipeThrough() says in closeWrite() that the last bytes were not taken", async () => {
  const broken = fake({ write: () => Promise.reject(new Deno.errors.BrokenPipe()) });
  const conn = pipeThrough(broken, { read: identity(), write: doubling() });
  await assertRejects(() => conn.closeWrite(), Deno.errors.BrokenPipe);
  conn.close();
});

Deno.test("pipeThrough() is interrupted by close(), also in a transform that hangs", async () => {
  const entered = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const hanging = ({ resolve }: PromiseWithResolvers<void>) =>
    new TransformStream({
      transform() {
        resolve();
        return new Promise<void>(() => {});
      },
    });
  let closed = 0;
  const inner = fake({ read: (p) => Promise.resolve(p.length), close: () => closed++ });
  const conn = pipeThrough(inner, { read: hanging(entered[0]), write: hanging(entered[1]) });
  const waiting = [
    assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.Interrupted),
    assertRejects(() => conn.write(new Uint8Array(1)), Deno.errors.Interrupted),
    assertRejects(() => conn.closeWrite(), Deno.errors.Interrupted),
  ];
  await Promise.all(entered.map(({ promise }) => promise));
  conn.close();
  await Promise.all(waiting);
  assertEquals(closed, 1);
  await assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.Interrupted);
  await assertRejects(() => conn.write(new Uint8Array(1)), Deno.errors.Interrupted);
});

Deno.test("pipeThrough() tells both transforms of close(), and why", async () => {
  const told: string[] = [];
  const tell = (what: string) => (reason: unknown) => void told.push(`${what}: ${reason}`);
  const conn = pipeThrough(new IdleConn(), {
    read: { readable: new ReadableStream(), writable: new WritableStream({ abort: tell("read") }) },
    write: {
      readable: new ReadableStream({ cancel: tell("write") }),
      writable: new WritableStream(),
    },
  });
  conn.close();
  const why = "Interrupted: The connection was closed";
  while (told.length < 2) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(told.sort(), [`read: ${why}`, `write: ${why}`]);
});

Deno.test("pipeThrough() says so when a transform gives what are no bytes", async () => {
  const text = () =>
    new TransformStream({
      transform(_chunk, out) {
        out.enqueue("text");
      },
    });
  const ready = fake({ read: (p) => Promise.resolve(p.length) });
  const conn = pipeThrough(ready, { read: text(), write: text() });
  await assertRejects(() => conn.read(new Uint8Array(1)), TypeError, "no Uint8Array");
  const writing = async () => {
    for (;;) await conn.write(new Uint8Array(1));
  };
  await assertRejects(writing, TypeError, "no Uint8Array");
  conn.close();
});

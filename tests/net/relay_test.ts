import { assert, assertEquals, assertInstanceOf, assertLessOrEqual } from "@std/assert";
import { spy } from "@std/testing/mock";
import { relay, type Relayed, writeAll } from "../../net/mod.ts";
import { permitted } from "../permitted.ts";
import { FakeTimers } from "../timers.ts";
import { pause } from "../waiting.ts";
import { IdleConn } from "./idle_conn.ts";
import { connectResettable, readToEnd, type ResettableConn } from "../../testing/mod.ts";
import { bytes, takeText } from "./scripted_peer.ts";

/** A connection of a peer with one side of the relay. */
interface Peer {
  conn: ResettableConn;
  side: Deno.TcpConn;
}

async function peer(): Promise<Peer> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [conn, side] = await Promise.all([connectResettable(port), listener.accept()]);
  return { conn, side };
}

/** Two peers with a relay between them. */
async function relayed(
  use: (near: ResettableConn, far: ResettableConn, done: Promise<Relayed>) => Promise<void>,
  { swapped = false, signal }: { swapped?: boolean; signal?: AbortSignal } = {},
): Promise<void> {
  const [a, b] = await Promise.all([peer(), peer()]);
  using near = a.conn;
  using far = b.conn;
  const [first, second] = swapped ? [b.side, a.side] : [a.side, b.side];
  await use(near, far, relay(first, second, { signal }));
}

/** How a stream ended for its reader. */
async function end(conn: ResettableConn): Promise<"end" | "reset"> {
  try {
    await readToEnd(conn);
    return "end";
  } catch (error) {
    assertInstanceOf(error, Deno.errors.ConnectionReset);
    return "reset";
  }
}

async function digest(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex();
}

/** `length` bytes that never repeat, so that none can be lost, doubled or swapped unseen. */
function stream(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from({ length: Math.ceil(length / 4) }, (_, i) => i).buffer)
    .subarray(0, length);
}

async function sendAll(conn: ResettableConn, data: Uint8Array): Promise<void> {
  await writeAll(conn, data);
  await conn.closeWrite();
}

permitted(["net"], "relay() carries both ways at once, whole, and counts the bytes", async () => {
  await relayed(async (near, far, done) => {
    const [there, back] = [stream(3_000_001), stream(2_000_003).reverse()];
    const [arrived, returned] = await Promise.all([
      readToEnd(far),
      readToEnd(near),
      sendAll(near, there),
      sendAll(far, back),
    ]);
    assertEquals(await digest(arrived), await digest(there));
    assertEquals(await digest(returned), await digest(back));
    assertEquals(await done, { sent: 3_000_001, received: 2_000_003, error: null });
  });
});

for (const swapped of [false, true]) {
  const which = swapped ? "second" : "first";

  permitted(
    ["net"],
    `relay() half-closes behind the end of the ${which} connection and lets the other finish`,
    () =>
      relayed(async (near, far, done) => {
        await near.write(bytes("a question"));
        await near.closeWrite();
        assertEquals(new TextDecoder().decode(await readToEnd(far)), "a question");
        // The other direction is open, one message after the other.
        for (const word of ["a ", "long ", "answer"]) {
          await far.write(bytes(word));
          assertEquals(await takeText(near, word.length), word);
        }
        await far.closeWrite();
        assertEquals(await end(near), "end");
        const { sent, received, error } = await done;
        assertEquals([sent, received].sort(), [10, 13]);
        assertEquals(error, null);
      }, { swapped }),
  );

  permitted(
    ["net"],
    `relay() ends both when the ${which} connection is reset`,
    () =>
      relayed(async (near, far, done) => {
        await near.write(bytes("x"));
        await takeText(far, 1);
        near.reset();
        await end(far);
        assertInstanceOf((await done).error, Deno.errors.ConnectionReset);
      }, { swapped }),
  );

  permitted(
    ["net"],
    `relay() ends both when the ${which} one is reset behind a half-close`,
    () =>
      relayed(async (near, far, done) => {
        await far.closeWrite();
        assertEquals(await end(near), "end");
        near.reset();
        await end(far);
        assertInstanceOf((await done).error, Deno.errors.ConnectionReset);
      }, { swapped }),
  );
}

permitted(["net"], "relay() ends both when the signal aborts, and says why", async () => {
  const stop = new AbortController();
  const reason = new Error("shutdown");
  await relayed(async (near, far, done) => {
    await near.write(bytes("x"));
    await takeText(far, 1);
    stop.abort(reason);
    await Promise.all([end(near), end(far)]);
    assertEquals(await done, { sent: 1, received: 0, error: reason });
  }, { signal: stop.signal });
});

permitted(["net"], "relay() ends both when the signal has aborted before", async () => {
  const reason = new Error("shutdown");
  await relayed(async (near, far, done) => {
    await Promise.all([end(near), end(far)]);
    assertEquals(await done, { sent: 0, received: 0, error: reason });
  }, { signal: AbortSignal.abort(reason) });
});

Deno.test("relay() leaves no listener at the signal", async () => {
  const { signal } = new AbortController();
  using added = spy(signal, "addEventListener");
  using removed = spy(signal, "removeEventListener");
  await relay(new Source(), new Source(), { signal });
  assertEquals(added.calls.map(({ args }) => args), removed.calls.map(({ args }) => args));
});

Deno.test("relay() does not cost more where thousands have the same signal", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  using added = spy(signal, "addEventListener");
  const conns = Array.from({ length: 2_000 }, () => new IdleConn());
  const relays = Array.from(
    { length: 1_000 },
    (_, index) => relay(conns[2 * index]!, conns[2 * index + 1]!, { signal }),
  );
  controller.abort();
  await Promise.all(relays);
  assertEquals(added.calls.length, 1);
  assert(conns.every(({ closed }) => closed));
});

/** Gives so many bytes at each read, then its end; `Infinity` fills what it is given. */
class Source extends IdleConn {
  /** The sizes of the buffers that it was given. */
  readonly buffers: number[] = [];
  readonly #counts: number[];
  constructor(...counts: number[]) {
    super();
    this.#counts = counts;
  }
  override read(p: Uint8Array): Promise<number | null> {
    this.buffers.push(p.length);
    const count = this.#counts.shift();
    return Promise.resolve(count === undefined ? null : Math.min(count, p.length));
  }
}

Deno.test("relay() gives a connection that waits a small buffer, and one that flows a large one", async () => {
  const source = new Source(1, Infinity, Infinity, Infinity, Infinity, 1, 1);
  await relay(source, new Source());
  const [first = 0, second, third = 0, fourth = 0, ...rest] = source.buffers;
  assertLessOrEqual(first, 2048);
  assertEquals(second, first);
  assert(first < third && third < fourth);
  assertEquals(rest.slice(0, 2), [fourth, fourth]);
  assertEquals(rest.slice(2), [first, first]);
});

Deno.test("relay() leaves a connection its large buffer until a medium one is enough", async () => {
  const partial = [200_000, 32 * 1024, 32 * 1024 - 1];
  const source = new Source(Infinity, Infinity, Infinity, ...partial);
  await relay(source, new Source());
  const [small, medium, large, ...rest] = source.buffers;
  assert(small! < medium! && medium! < large!);
  assertEquals(rest, [large, large, large, small]);
});

Deno.test("relay() leaves a connection its medium buffer while records of TLS come", async () => {
  const KIB = 1024;
  const source = new Source(Infinity, 16 * KIB, 20 * KIB, 16 * KIB - 1, Infinity, Infinity, 1);
  await relay(source, new Source());
  assertEquals(
    source.buffers.map((length) => length / KIB),
    [2, 32, 32, 32, 2, 32, 256, 2],
  );
});

Deno.test("relay() reads no more than one buffer for a receiver that takes nothing", async () => {
  const source = new Source(...new Array(1000).fill(Infinity));
  const stalled = Promise.withResolvers<number>();
  const taken = Promise.withResolvers<void>();
  class Stalled extends IdleConn {
    // It takes enough for the buffer to grow, and then nothing.
    #writes = 5;
    override write(p: Uint8Array): Promise<number> {
      if (--this.#writes > 0) return Promise.resolve(p.length);
      taken.resolve();
      return stalled.promise;
    }
  }
  const stop = new AbortController();
  const done = relay(source, new Stalled(), { signal: stop.signal });
  await taken.promise;
  // Whatever else would read does it before a task of its own.
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(source.buffers.length, 5);
  assertLessOrEqual(Math.max(...source.buffers), 512 * 1024);
  stalled.reject(new Deno.errors.Interrupted("closed"));
  stop.abort();
  await done;
});

Deno.test("relay() goes on where a write has stopped", async () => {
  class Counting extends IdleConn {
    #next = 0;
    override read(p: Uint8Array): Promise<number | null> {
      if (this.#next >= 10_000) return Promise.resolve(null);
      p.forEach((_, index) => p[index] = this.#next + index);
      this.#next += p.length;
      return Promise.resolve(p.length);
    }
  }
  const written: number[] = [];
  class Narrow extends Source {
    override write(p: Uint8Array): Promise<number> {
      const part = p.subarray(0, 999);
      written.push(...part);
      return Promise.resolve(part.length);
    }
  }
  const { sent, error } = await relay(new Counting(), new Narrow());
  assertEquals([sent, error], [written.length, null]);
  assert(written.every((byte, index) => byte === (index & 255)));
});

const BROKEN: readonly [what: string, conn: () => IdleConn, counts: number[], message: string][] = [
  ["whose read gives nothing", () => new Source(0), [], "no byte"],
  ["whose read gives no number", () => new Source(NaN), [], "no byte"],
  [
    "whose read throws at once",
    () =>
      new class extends IdleConn {
        override read(): never {
          throw new Error("broken read");
        }
      }(),
    [],
    "broken read",
  ],
  [
    "whose write fails",
    () =>
      new class extends IdleConn {
        override write(): Promise<number> {
          return Promise.reject(new Deno.errors.BrokenPipe("broken write"));
        }
      }(),
    [1],
    "broken write",
  ],
  [
    "whose write takes nothing",
    () =>
      new class extends IdleConn {
        override write(): Promise<number> {
          return Promise.resolve(0);
        }
      }(),
    [1],
    "took no byte",
  ],
  [
    "that cannot be half-closed",
    () =>
      new class extends IdleConn {
        override closeWrite(): Promise<void> {
          return Promise.reject(new Deno.errors.NotConnected("broken closeWrite"));
        }
      }(),
    [],
    "broken closeWrite",
  ],
];

for (const [what, broken, counts, message] of BROKEN) {
  for (const place of ["first", "second"]) {
    Deno.test(`relay() closes both when the ${place} is a connection ${what}`, async () => {
      const conns: [IdleConn, IdleConn] = [broken(), new Source(...counts)];
      if (place === "second") conns.reverse();
      const { error } = await relay(...conns);
      assertInstanceOf(error, Error);
      assert(error.message.includes(message), error.message);
      assertEquals(conns.map((conn) => conn.closed), [true, true]);
    });
  }
}

Deno.test("relay() closes the second connection when closing the first one throws", async () => {
  class Stubborn extends Source {
    override close(): void {
      throw new Error("it will not");
    }
  }
  const other = new Source();
  assertEquals((await relay(new Stubborn(), other)).error, null);
  assert(other.closed);
});

Deno.test("relay() keeps the error that came first", async () => {
  class Failing extends IdleConn {
    override read(): Promise<number | null> {
      return Promise.reject(new Error("the cause"));
    }
  }
  // Closing interrupts the other one's read, which is a consequence.
  const { error } = await relay(new Failing(), new IdleConn());
  assertInstanceOf(error, Error);
  assertEquals(error.message, "the cause");
});

Deno.test("relay() lets go of a connection that waits on although it was closed", async () => {
  class Deaf extends IdleConn {
    override read(): Promise<number | null> {
      return new Promise(() => {});
    }
  }
  const reason = new Error("shutdown");
  assertEquals(
    (await relay(new Deaf(), new Deaf(), { signal: AbortSignal.abort(reason) })).error,
    reason,
  );
  const broken = new Source(NaN);
  const deaf = new Deaf();
  await relay(broken, deaf);
  assertEquals([broken.closed, deaf.closed], [true, true]);
});

/** A connection whose stream has ended, or that fills every buffer; it takes what is written. */
class TirelessConn extends IdleConn {
  /** The sizes of the buffers that it was asked to fill. */
  readonly asked: number[] = [];

  override async read(p: Uint8Array): Promise<number | null> {
    if (this.closed) return await super.read(p);
    this.asked.push(p.length);
    return p.length;
  }
}

class EndedConn extends IdleConn {
  override read(): Promise<null> {
    return Promise.resolve(null);
  }
}

Deno.test("relay() gives up when one stream has ended and the other one is silent", async () => {
  for (const swapped of [false, true]) {
    using timers = new FakeTimers();
    const [ended, silent] = [new EndedConn(), new IdleConn()];
    const done = swapped ? relay(silent, ended) : relay(ended, silent);
    for (let seconds = 0; seconds < 115; seconds += 23) {
      assertEquals(silent.closed, false);
      await timers.fire(23_000);
    }
    const { error } = await done;
    assertInstanceOf(error, DOMException);
    assertEquals([error.name, ended.closed, silent.closed], ["TimeoutError", true, true]);
    assertEquals(error.message, "The silence after the end of one stream took longer than 115 s");
    assertEquals(timers.pending, []);
  }
});

Deno.test("relay() counts that silence anew with each byte, and not while both streams go on", async () => {
  using timers = new FakeTimers();
  const reads: ((count: number | null) => void)[] = [];
  const slow = new IdleConn();
  slow.read = () => new Promise((resolve) => reads.push(resolve));
  const ender = new IdleConn();
  const ends = Promise.withResolvers<null>();
  ender.read = () => ends.promise;
  const written = spy(ender, "write");
  const done = relay(ender, slow);
  while (reads.length === 0) await Promise.resolve();
  assertEquals(timers.pending, []);
  reads.shift()?.(1);
  while (reads.length === 0) await Promise.resolve();
  assertEquals(timers.pending, []);
  ends.resolve(null);
  for (const _byte of [1, 2]) {
    for (let looks = 0; looks < 4; looks++) {
      await timers.fire(23_000);
      assertEquals(slow.closed, false);
    }
    reads.shift()?.(1);
    while (reads.length === 0) await Promise.resolve();
  }
  assertEquals([written.calls.length, timers.pending], [3, [23_000]]);
  reads.shift()?.(null);
  assertEquals((await done).error, null);
  assertEquals(timers.pending, []);
});

permitted(
  ["net"],
  "relay() between connections that never wait lets others have a turn",
  async () => {
    const conn = new TirelessConn();
    const done = relay(conn, new EndedConn());
    // Each of these needs a look at who else is ready.
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using server = await listener.accept();
    await client.write(bytes("hello"));
    assertEquals(await takeText(server, 5), "hello");
    conn.close();
    assertInstanceOf((await done).error, Deno.errors.Interrupted);
    assertEquals(conn.asked.slice(0, 3), [2 * 1024, 32 * 1024, 256 * 1024]);
  },
);

/** How often others had a turn while so many large buffers were filled. */
async function turnsIn(largeBuffers: number): Promise<number> {
  using digest = spy(crypto.subtle, "digest");
  // The first two are the small one and the medium one.
  const source = new Source(...Array(2 + largeBuffers).fill(Infinity));
  await relay(source, new EndedConn());
  return digest.calls.length;
}

Deno.test("relay() lets others have a turn after 256 KiB, and after 4 MiB where it is alone", async () => {
  const alone = async () => [await turnsIn(15), await turnsIn(16), await turnsIn(32)];
  assertEquals(await alone(), [0, 1, 2]);
  const end = new AbortController();
  const other = relay(new IdleConn(), new IdleConn(), { signal: end.signal });
  assertEquals([await turnsIn(0), await turnsIn(1), await turnsIn(5)], [0, 1, 5]);
  end.abort();
  await other;
  assertEquals(await alone(), [0, 1, 2]);
});

Deno.test("relay() has 64 large buffers for all, and gives them back at the end", async () => {
  for (let round = 0; round < 2; round++) {
    const conns: TirelessConn[] = [];
    const stalled: Promise<void>[] = [];
    const end = new AbortController();
    const relays = Array.from({ length: 100 }, () => {
      const [from, to] = [new TirelessConn(), new EndedConn()];
      const { promise, resolve } = Promise.withResolvers<void>();
      let writes = 0;
      // It takes some, and then no more: the reader behind it has stopped.
      to.write = async (p) => {
        if (++writes < 4) return p.length;
        resolve();
        await to.whenClosed;
        throw new Deno.errors.Interrupted("closed");
      };
      conns.push(from);
      stalled.push(promise);
      return relay(from, to, { signal: end.signal });
    });
    await Promise.all(stalled);
    const largest = conns.map(({ asked }) => asked.at(-1));
    assertEquals(largest.filter((size) => size === 256 * 1024).length, 64);
    assertEquals(largest.filter((size) => size === 32 * 1024).length, 36);
    end.abort();
    await Promise.all(relays);
  }
});

/** Fills the buffers that it is given with its mark, until it fails or ends. */
class MarkingConn extends IdleConn {
  readonly buffers: Uint8Array[] = [];
  #left: number;
  readonly #last: () => Promise<null>;

  constructor(reads: number, last: () => Promise<null>) {
    super();
    this.#left = reads;
    this.#last = last;
  }

  override read(p: Uint8Array): Promise<number | null> {
    this.buffers.push(p);
    if (this.#left-- === 0) return this.#last();
    return Promise.resolve(p.fill(7).length);
  }
}

Deno.test("relay() shows a connection nothing of what another one's buffer has carried", async () => {
  const before = new MarkingConn(4, () => Promise.resolve(null));
  await relay(before, new EndedConn());
  let dirty = 0;
  const after = new MarkingConn(0, () => Promise.resolve(null));
  after.read = async (p) => {
    if (after.buffers.push(p) > 4) return null;
    if (p.some((byte) => byte !== 0)) dirty++;
    return await Promise.resolve(p.length);
  };
  await relay(after, new EndedConn());
  assert(after.buffers.some((p) => before.buffers.some(({ buffer }) => buffer === p.buffer)));
  assertEquals(dirty, 0);
});

Deno.test("relay() does not use a buffer again that a failed read may still write into", async () => {
  const failed = new MarkingConn(1, () => Promise.reject(new Deno.errors.ConnectionReset()));
  await relay(failed, new EndedConn());
  const [, medium] = failed.buffers;
  const others = Array.from({ length: 40 }, () => new MarkingConn(2, () => new Promise(() => {})));
  const end = new AbortController();
  const relays = others.map((conn) => relay(conn, new EndedConn(), { signal: end.signal }));
  while (others.some(({ buffers }) => buffers.length < 3)) await pause(0);
  assert(others.every(({ buffers }) => buffers.every(({ buffer }) => buffer !== medium!.buffer)));
  end.abort();
  await Promise.all(relays);
});

/** The last buffers of so many relays at once, each after so many full reads. */
async function lastBuffers(count: number, reads: number): Promise<ArrayBufferLike[]> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const conns = Array.from({ length: count }, () => new MarkingConn(reads, () => promise));
  const relays = conns.map((conn) => relay(conn, new EndedConn()));
  while (conns.some(({ buffers }) => buffers.length <= reads)) await pause(0);
  resolve(null);
  await Promise.all(relays);
  return conns.map(({ buffers }) => buffers.at(-1)!.buffer);
}

Deno.test("relay() uses buffers again, and keeps 32 medium and 4 large ones for that", async () => {
  for (const [count, reads, size, kept] of [[50, 1, 32, 32], [20, 2, 256, 4]] as const) {
    const before = new Set(await lastBuffers(count, reads));
    const after = await lastBuffers(count, reads);
    assertEquals(new Set(after.map(({ byteLength }) => byteLength)), new Set([size * 1024]));
    assertEquals(after.filter((buffer) => before.has(buffer)).length, kept);
  }
});

Deno.test("relay() gives back a medium buffer when it takes a large one", async () => {
  const end = new AbortController();
  const mediums: ArrayBufferLike[] = [];
  const relays: Promise<Relayed>[] = [];
  for (let count = 0; count < 2; count++) {
    const conn = new MarkingConn(2, () => new Promise(() => {}));
    relays.push(relay(conn, new EndedConn(), { signal: end.signal }));
    while (conn.buffers.length < 3) await pause(0);
    mediums.push(conn.buffers[1]!.buffer);
  }
  assertEquals(mediums[0] === mediums[1], true);
  end.abort();
  await Promise.all(relays);
});

Deno.test("relay() leaves no timer where a pump ends behind it", async () => {
  using timers = new FakeTimers();
  const [broken, slow] = [new IdleConn(), new IdleConn()];
  const { promise, resolve } = Promise.withResolvers<number | null>();
  broken.read = () => Promise.reject(new Deno.errors.ConnectionReset());
  slow.read = () => promise;
  const { error } = await relay(broken, slow);
  assert(error instanceof Deno.errors.ConnectionReset);
  resolve(null);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assertEquals(timers.pending, []);
});

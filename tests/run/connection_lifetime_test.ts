import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { spy } from "@std/testing/mock";
import type { StreamConn } from "../../net/conn.ts";
import { checkConn, Lifetime } from "../../run/connection_lifetime.ts";
import { FakeTimers } from "../timers.ts";
import { IdleConn } from "../net/idle_conn.ts";

const NEVER = new AbortController().signal;

/** What `run()` does with a connection that a transport returns. */
const own = (life: Lifetime) => (conn: StreamConn) => life.own(checkConn(conn));

Deno.test("Lifetime closes everything it owns at its end, whatever one close throws", () => {
  const conns = [new IdleConn(), new IdleConn()] as const;
  const stubborn = {
    read: () => Promise.resolve(null),
    close() {
      throw new Deno.errors.BadResource("closed before");
    },
  };
  const life = new Lifetime(NEVER);
  const { signal } = life;
  assertStrictEquals(life.own(conns[0]), conns[0]);
  life.own(stubborn);
  life.own(conns[1]);
  assert(!conns[0].closed);
  life[Symbol.dispose]();
  assertEquals(conns.map((conn) => conn.closed), [true, true]);
  assertEquals(`${signal.reason}`, "AbortError: The connection has ended");
});

Deno.test("Lifetime has one signal, and one reason: the first", () => {
  const outer = new AbortController();
  const [asked, unasked] = [new Lifetime(outer.signal), new Lifetime(outer.signal)];
  const { signal } = asked;
  assertStrictEquals(asked.signal, signal);
  const reason = new Error("shutdown");
  outer.abort(reason);
  for (const life of [asked, unasked]) {
    life[Symbol.dispose]();
    assertStrictEquals(life.signal.reason, reason);
  }
  assertStrictEquals(signal.reason, reason);
});

Deno.test("Lifetime.endWith() ends it with another signal, also one that has aborted before", () => {
  const other = new AbortController();
  const reason = new Error("The user has gone");
  const [early, late] = [new Lifetime(NEVER), new Lifetime(NEVER)];
  early.endWith(other.signal);
  assert(!early.signal.aborted);
  other.abort(reason);
  late.endWith(other.signal);
  for (const life of [early, late]) assertStrictEquals(life.signal.reason, reason);
});

Deno.test("Lifetime.carry() does not wait where life is over", async () => {
  const life = new Lifetime(NEVER);
  life[Symbol.dispose]();
  const carried = life.carry(60_000, () => new Promise<StreamConn>(() => {}), own(life));
  await assertRejects(() => carried, DOMException, "The connection has ended");
});

Deno.test("Lifetime.waitUntil() stops the clock, which starts anew behind the last promise", async () => {
  using timers = new FakeTimers();
  const life = new Lifetime(NEVER);
  const result = Promise.withResolvers<StreamConn>();
  const promises = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const carried = life.carry(60_000, () => result.promise, own(life));
  assertEquals(timers.pending, [60_000]);
  for (const { promise } of promises) life.waitUntil(promise);
  assertEquals(timers.pending, []);
  promises[0].reject(new Error("failed"));
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assertEquals(timers.pending, []);
  promises[1].resolve();
  while (timers.pending.length === 0) await Promise.resolve();
  assertEquals(timers.pending, [60_000]);
  result.resolve(new IdleConn());
  await carried;
  assertEquals(timers.pending, []);
  // Behind that there is no clock.
  life.waitUntil(Promise.resolve());
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assertEquals(timers.pending, []);
  life[Symbol.dispose]();
});

Deno.test("Lifetime aborts its signal with the outer one's reason", () => {
  const outer = new AbortController();
  using life = new Lifetime(outer.signal);
  const reason = new Error("shutdown");
  outer.abort(reason);
  assertStrictEquals(life.signal.reason, reason);
});

Deno.test("Lifetime is over at once when the outer signal has aborted before", () => {
  using life = new Lifetime(AbortSignal.abort());
  assert(life.signal.aborted);
});

Deno.test("Lifetime aborts its signal at its end, and leaves no listener at the outer one", () => {
  const { signal } = new AbortController();
  using added = spy(signal, "addEventListener");
  using removed = spy(signal, "removeEventListener");
  const life = new Lifetime(signal);
  life[Symbol.dispose]();
  assertEquals(life.signal.reason.name, "AbortError");
  assertEquals(added.calls.map(({ args }) => args), removed.calls.map(({ args }) => args));
});

Deno.test("Lifetime does not cost more where thousands end with the same signal", () => {
  const outer = new AbortController();
  using added = spy(outer.signal, "addEventListener");
  const lives = Array.from({ length: 1_000 }, () => new Lifetime(outer.signal));
  const conns = lives.map((life) => life.own(new IdleConn()));
  assertEquals(added.calls.length, 1);
  outer.abort();
  for (const life of lives) life[Symbol.dispose]();
  assert(conns.every(({ closed }) => closed));
});

Deno.test("Lifetime.own() closes what comes after the end", () => {
  const life = new Lifetime(NEVER);
  life[Symbol.dispose]();
  assert(life.own(new IdleConn()).closed);
});

Deno.test("Lifetime.carry() owns the connection that the transport returns", async () => {
  const conn = new IdleConn();
  {
    using life = new Lifetime(NEVER);
    assertStrictEquals(await life.carry(1_000, () => conn, own(life)), conn);
    assert(!conn.closed);
  }
  assert(conn.closed);
});

Deno.test("Lifetime.carry() passes on what the transport throws, and ends", async () => {
  const failure = new Error("no secret");
  const transports: readonly (() => Promise<StreamConn>)[] = [
    () => Promise.reject(failure),
    () => {
      throw failure;
    },
  ];
  for (const transport of transports) {
    using life = new Lifetime(NEVER);
    assertStrictEquals(
      await life.carry(1_000, transport, own(life)).catch((error) => error),
      failure,
    );
    assertStrictEquals(life.signal.reason, failure);
  }
});

Deno.test("Lifetime.carry() takes nothing that is no connection", async () => {
  const { read, write, closeWrite } = new IdleConn();
  for (const value of [undefined, null, 5, {}, { read, write, closeWrite }]) {
    using life = new Lifetime(NEVER);
    const transport = () => value as StreamConn;
    await assertRejects(() => life.carry(1_000, transport, own(life)), TypeError, "a connection");
  }
});

Deno.test("Lifetime.carry() ends a transport that hangs, and closes what it returns later", async () => {
  using timers = new FakeTimers();
  const late = Promise.withResolvers<StreamConn>();
  const conn = new IdleConn();
  using life = new Lifetime(NEVER);
  const carried = assertRejects(
    () => life.carry(60_000, () => late.promise, own(life)),
    DOMException,
    "The transport's handshake took longer than 60 s",
  );
  await timers.fire(60_000);
  await carried;
  assert(life.signal.aborted);
  late.resolve(conn);
  await conn.whenClosed;
});

Deno.test("Lifetime.carry() drops what a transport that hung throws later", async () => {
  using timers = new FakeTimers();
  const late = Promise.withResolvers<StreamConn>();
  using life = new Lifetime(NEVER);
  const carried = assertRejects(
    () => life.carry(60_000, () => late.promise, own(life)),
    DOMException,
    "longer than 60 s",
  );
  await timers.fire(60_000);
  await carried;
  // Nobody may be left to whom this would be an unhandled rejection.
  late.reject(new Error("too late to matter"));
  await late.promise.catch(() => {});
});

Deno.test("Lifetime.carry() ends with the outer signal", async () => {
  const outer = new AbortController();
  using life = new Lifetime(outer.signal);
  const reason = new Error("shutdown");
  const carried = life.carry(60_000, () => new Promise<StreamConn>(() => {}), own(life));
  outer.abort(reason);
  assertStrictEquals(await carried.catch((error) => error), reason);
});

Deno.test("Lifetime.finish() leaves alone what is closed, and reads the others to their ends", async () => {
  const [closed, wrapped] = [new IdleConn(), new IdleConn()];
  let left = 3;
  wrapped.read = () => Promise.resolve(left-- > 0 ? 1 : null);
  const life = new Lifetime(NEVER);
  life.own(closed);
  life.own(wrapped);
  const { signal } = life;
  const finished = life.finish([closed]);
  assert(signal.aborted);
  assertEquals([closed.closed, wrapped.closed], [false, false]);
  await finished;
  assertEquals([closed.closed, wrapped.closed, left], [false, true, -1]);
});

Deno.test("Lifetime.finish() waits a second for the end of a connection, and for no more than 64 KiB", async () => {
  using timers = new FakeTimers();
  const [silent, endless] = [new IdleConn(), new IdleConn()];
  let read = 0;
  endless.read = (p) => {
    read += p.length;
    return Promise.resolve(p.length);
  };
  const life = new Lifetime(NEVER);
  life.own(silent);
  life.own(endless);
  const finished = life.finish([]);
  await endless.whenClosed;
  assertEquals([silent.closed, read], [false, 64 * 1024]);
  await timers.fire(1_000);
  await finished;
  assert(silent.closed);
});

Deno.test("Lifetime forgets closed connections, where many are opened one after the other", () => {
  const life = new Lifetime(NEVER);
  const kept = Array.from({ length: 8 }, () => life.own(new IdleConn()));
  const closes: string[] = [];
  class DisposableConn extends IdleConn {
    [Symbol.dispose]() {
      closes.push("disposed");
    }
    override close() {
      closes.push("closed");
    }
  }
  for (let i = 0; i < 100; i++) {
    const conn = life.own(i % 2 === 0 ? new IdleConn() : new DisposableConn());
    if (i % 4 === 3) (conn as DisposableConn)[Symbol.dispose]();
    else conn.close();
    if (i % 2 === 0) assert(conn.closed);
  }
  const last = life.own(new IdleConn());
  life[Symbol.dispose]();
  // What is forgotten is not closed once more.
  assertEquals(closes, new Array(25).fill(["closed", "disposed"]).flat());
  assert(last.closed && kept.every((conn) => conn.closed));
});

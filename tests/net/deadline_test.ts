import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { spy } from "@std/testing/mock";
import { unlessAborted, whenAborted, withDeadline } from "../../net/deadline.ts";
import { closeQuietly, Deadline, handshake } from "../../net/mod.ts";
import { FakeTimers } from "../timers.ts";
import { IdleConn } from "./idle_conn.ts";

Deno.test("Deadline aborts with a TimeoutError that says what took how long", async () => {
  using timers = new FakeTimers();
  using deadline = new Deadline(1_500, "The greeting");
  assert(!deadline.signal.aborted);
  await timers.fire(1_500);
  assertEquals(deadline.signal.reason.name, "TimeoutError");
  assertEquals(deadline.signal.reason.message, "The greeting took longer than 1.5 s");
});

Deno.test("Deadline waits for as long as a timer can where it is longer", () => {
  // A timer takes these for 1 ms.
  for (const milliseconds of [2 ** 31, Infinity]) {
    using timers = new FakeTimers();
    using _ = new Deadline(milliseconds, "The greeting");
    assertEquals(timers.pending, [2 ** 31 - 1]);
  }
});

Deno.test("Deadline aborts with the reason of the outer signal", () => {
  const outer = new AbortController();
  const reason = new Error("shutdown");
  using deadline = new Deadline(60_000, "The greeting", outer.signal);
  outer.abort(reason);
  assertStrictEquals(deadline.signal.reason, reason);
});

Deno.test("Deadline aborts at once when the outer signal has aborted before", () => {
  const reason = new Error("shutdown");
  using deadline = new Deadline(60_000, "The greeting", AbortSignal.abort(reason));
  assertStrictEquals(deadline.signal.reason, reason);
});

Deno.test("Deadline does not abort any more when it is disposed of, and leaves no timer", () => {
  using timers = new FakeTimers();
  const outer = new AbortController();
  const deadline = new Deadline(60_000, "The greeting", outer.signal);
  deadline[Symbol.dispose]();
  outer.abort();
  assertEquals(timers.pending, []);
  assert(!deadline.signal.aborted);
});

Deno.test("handshake() leaves the connection open when its steps succeed", async () => {
  const end = new AbortController();
  const conn = new IdleConn();
  assertEquals(await handshake(conn, end.signal, () => Promise.resolve(42)), 42);
  end.abort();
  assert(!conn.closed);
});

Deno.test("handshake() closes the connection when a step fails", async () => {
  const conn = new IdleConn();
  const steps = () => Promise.reject(new Error("malformed"));
  await assertRejects(
    () => handshake(conn, new AbortController().signal, steps),
    Error,
    "malformed",
  );
  assert(conn.closed);
});

Deno.test("handshake() closes the connection under a waiting step when the signal aborts", async () => {
  const end = new AbortController();
  const conn = new IdleConn();
  const reason = new Error("too late");
  const waiting = handshake(conn, end.signal, () => conn.read(new Uint8Array(1)));
  end.abort(reason);
  // Not what the interrupted step threw.
  assertStrictEquals(await waiting.catch((error) => error), reason);
  assert(conn.closed);
});

Deno.test("handshake() takes no step when the signal has aborted before", async () => {
  const conn = new IdleConn();
  let stepped = false;
  const steps = () => Promise.resolve(stepped = true);
  await assertRejects(() => handshake(conn, AbortSignal.abort(), steps), DOMException);
  assert(conn.closed && !stepped);
});

Deno.test("handshake() fails when the signal aborts behind the last step", async () => {
  const end = new AbortController();
  const conn = new IdleConn();
  const steps = () => Promise.resolve(end.abort());
  await assertRejects(() => handshake(conn, end.signal, steps), DOMException);
  assert(conn.closed);
});

Deno.test("closeQuietly() says nothing about a connection that is closed", () => {
  closeQuietly({
    close() {
      throw new Deno.errors.BadResource("Bad resource ID");
    },
  });
});

Deno.test("closeQuietly() disposes of what can be disposed of", () => {
  const called: string[] = [];
  closeQuietly({
    close: () => void called.push("close"),
    [Symbol.dispose]: () => void called.push("dispose"),
  });
  assertEquals(called, ["dispose"]);
});

Deno.test("withDeadline() ends the work in time, also where a signal could end it earlier", async () => {
  for (const outer of [undefined, new AbortController().signal]) {
    using timers = new FakeTimers();
    const work = withDeadline(
      10,
      "The work",
      outer,
      (signal) => unlessAborted(new Promise(() => {}), signal),
    );
    await timers.fire(10);
    await assertRejects(() => work, DOMException, "The work took longer than 0.01 s");
  }
});

Deno.test("withDeadline() always gives the work a signal", async () => {
  const work = (signal: AbortSignal) => Promise.resolve(signal instanceof AbortSignal);
  assert(await withDeadline(Infinity, "The greeting", undefined, work));
});

Deno.test("withDeadline() leaves it to the signal where there is no time", async () => {
  using timers = new FakeTimers();
  const stop = new AbortController();
  const work = withDeadline(
    Infinity,
    "The work",
    stop.signal,
    (signal) => unlessAborted(new Promise(() => {}), signal),
  );
  assertEquals(timers.pending, []);
  stop.abort(new Error("enough"));
  await assertRejects(() => work, Error, "enough");
});

Deno.test("unlessAborted() leaves no listener behind", async () => {
  const { signal } = new AbortController();
  using added = spy(signal, "addEventListener");
  using removed = spy(signal, "removeEventListener");
  assertEquals(await unlessAborted(Promise.resolve(5), signal), 5);
  assertEquals(added.calls.map(({ args }) => args), removed.calls.map(({ args }) => args));
  assertEquals(added.calls.length, 1);
});

Deno.test("whenAborted() puts one listener at a signal, for as long as anybody waits", () => {
  const controller = new AbortController();
  using added = spy(controller.signal, "addEventListener");
  using removed = spy(controller.signal, "removeEventListener");
  const called: number[] = [];
  const wait = (number: number) => whenAborted(controller.signal, () => called.push(number));
  const release = [wait(1), wait(2)];
  release.forEach((end) => end());
  assertEquals(added.calls.length, 1);
  assertEquals(removed.calls.map(({ args }) => args), added.calls.map(({ args }) => args));
  const [, , third] = [wait(3), wait(4), wait(5)];
  third?.();
  third?.();
  controller.abort();
  wait(6)();
  assertEquals(called, [3, 4, 6]);
  assertEquals(added.calls.length, 2);
});

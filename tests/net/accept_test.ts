import { assert, assertEquals } from "@std/assert";
import { spy } from "@std/testing/mock";
import {
  acceptAll,
  acceptHandshakes,
  handleEach,
  handshake,
  type HandshakeOptions,
  readFull,
} from "../../net/mod.ts";
import { isShortage } from "../../net/accept.ts";
import { permitted } from "../permitted.ts";
import { FakeTimers } from "../timers.ts";
import { IdleConn } from "./idle_conn.ts";
import { connectResettable, readToEnd } from "../../testing/mod.ts";
import { untilRefused } from "./until_refused.ts";

type Accept = () => Promise<Deno.TcpConn>;

/** A listener whose `accept()` plays these in turn, and then waits until it is closed. */
class ScriptedListener {
  readonly #turns: Accept[];
  readonly #closed = Promise.withResolvers<never>();
  closed = false;

  constructor(...turns: Accept[]) {
    this.#turns = turns;
    this.#closed.promise.catch(() => {});
  }

  accept(): Promise<Deno.TcpConn> {
    return this.#turns.shift()?.() ?? this.#closed.promise;
  }

  close(): void {
    if (this.closed) throw new Deno.errors.BadResource("Bad resource ID");
    this.closed = true;
    this.#closed.reject(new Deno.errors.BadResource("Listener has been closed"));
  }

  /** As what it stands in for. */
  get listener(): Deno.TcpListener {
    return this as unknown as Deno.TcpListener;
  }
}

/** What Deno throws for an error of the system. */
function systemError(code: string): Accept {
  return () => Promise.reject(Object.assign(new Error(`${code} (os error)`), { code }));
}

const tooManyFiles = systemError("EMFILE");
const aborted: Accept = () => Promise.reject(new Deno.errors.ConnectionAborted());

/** An accepted connection that needs no socket. */
function accepted(conn: IdleConn, setNoDelay = () => {}): Accept {
  const tcp = Object.assign(conn, { setNoDelay, remoteAddr: { hostname: "127.0.0.1" } });
  return () => Promise.resolve(tcp as unknown as Deno.TcpConn);
}

Deno.test("acceptAll() pauses for a lack of resources, longer as it goes on", async () => {
  for (const code of ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]) {
    using timers = new FakeTimers();
    const [first, second] = [new IdleConn(), new IdleConn()];
    const { listener } = new ScriptedListener(
      ...new Array(10).fill(systemError(code)),
      accepted(first),
      systemError(code),
      accepted(second),
    );
    const conns = acceptAll(listener);
    let next = conns.next();
    for (const pause of [5, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]) await timers.fire(pause);
    assertEquals((await next).value as unknown, first);
    // It goes well again, so the next pause is the shortest.
    next = conns.next();
    await timers.fire(5);
    assertEquals((await next).value as unknown, second);
    await conns.return();
  }
});

Deno.test("acceptAll() does not pause for peers that reset their connections", async () => {
  using timers = new FakeTimers();
  const conn = new IdleConn();
  const resets = [
    () => Promise.reject(new Deno.errors.NotConnected()),
    aborted,
    () => Promise.reject(new Deno.errors.ConnectionReset()),
    systemError("EPROTO"),
  ];
  const { listener } = new ScriptedListener(
    ...new Array(50).fill(resets).flat(),
    accepted(conn),
  );
  const conns = acceptAll(listener);
  assertEquals((await conns.next()).value as unknown, conn);
  assertEquals(timers.pending, []);
  await conns.return();
});

Deno.test("acceptAll() pauses for what fails a thousand times in a row", async () => {
  using timers = new FakeTimers();
  const conn = new IdleConn();
  const { listener } = new ScriptedListener(...new Array(1_000).fill(aborted), accepted(conn));
  const conns = acceptAll(listener);
  const next = conns.next();
  await timers.fire(5);
  assertEquals((await next).value as unknown, conn);
  await conns.return();
});

Deno.test("acceptAll() ends when accept() is interrupted, and leaves no listener behind", async () => {
  const { signal } = new AbortController();
  using added = spy(signal, "addEventListener");
  using removed = spy(signal, "removeEventListener");
  const scripted = new ScriptedListener(() => Promise.reject(new Deno.errors.Interrupted()));
  assert((await acceptAll(scripted.listener, { signal }).next()).done);
  assert(scripted.closed);
  assertEquals(added.calls.length, 1);
  assertEquals(added.calls.map(({ args }) => args), removed.calls.map(({ args }) => args));
});

permitted(["net"], "acceptAll() accepts at once after forty resets in the queue", async () => {
  using timers = new FakeTimers();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  for (let i = 0; i < 40; i++) (await connectResettable(port)).reset();
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  for await (const conn of acceptAll(listener)) {
    const found = conn.remoteAddr.port === client.localAddr.port;
    conn.close();
    if (found) break;
  }
  assertEquals(timers.pending, []);
});

Deno.test("acceptAll() ends in a pause when the signal aborts", async () => {
  using timers = new FakeTimers();
  const stop = new AbortController();
  const scripted = new ScriptedListener(tooManyFiles);
  const next = acceptAll(scripted.listener, { signal: stop.signal }).next();
  await Promise.resolve();
  assertEquals(timers.pending, [5]);
  stop.abort();
  assert((await next).done);
  assertEquals(timers.pending, []);
  assert(scripted.closed);
});

Deno.test("acceptAll() does not begin to pause when the signal has aborted", async () => {
  using timers = new FakeTimers();
  const stop = new AbortController();
  const { listener } = new ScriptedListener(tooManyFiles);
  const onShortage = () => stop.abort();
  assert((await acceptAll(listener, { signal: stop.signal, onShortage }).next()).done);
  assertEquals(timers.pending, []);
});

Deno.test("acceptAll() leaves no listener of a pause behind", async () => {
  using timers = new FakeTimers();
  const { signal } = new AbortController();
  using added = spy(signal, "addEventListener");
  using removed = spy(signal, "removeEventListener");
  const { listener } = new ScriptedListener(tooManyFiles, accepted(new IdleConn()));
  const conns = acceptAll(listener, { signal });
  const next = conns.next();
  await timers.fire(5);
  await next;
  await conns.return();
  const names = ({ calls }: typeof added) => calls.map(({ args: [name] }) => name);
  assertEquals([names(added), names(removed)], [["abort", "abort"], ["abort", "abort"]]);
});

Deno.test("a shortage is known by its cause, and causes in a circle have an end", () => {
  const shortage = Object.assign(new Error(), { code: "EMFILE" });
  assert(isShortage(new Error("dial", { cause: new Error("connect", { cause: shortage }) })));
  assert(!isShortage(new Error("dial", { cause: "EMFILE" })));
  const circle = new Error();
  circle.cause = new Error("back", { cause: circle });
  assert(!isShortage(circle));
});

Deno.test("acceptAll() has small writes sent at once", async () => {
  let calls = 0;
  const { listener } = new ScriptedListener(accepted(new IdleConn(), () => calls++));
  const conns = acceptAll(listener);
  await conns.next();
  assertEquals(calls, 1);
  await conns.return();
});

Deno.test("acceptAll() closes a connection that it cannot set up, and goes on", async () => {
  const gone = new IdleConn();
  const conn = new IdleConn();
  const broken = () => {
    throw new Error("Invalid argument (os error 22)");
  };
  const { listener } = new ScriptedListener(accepted(gone, broken), accepted(conn));
  const conns = acceptAll(listener);
  assertEquals((await conns.next()).value as unknown, conn);
  assert(gone.closed);
  await conns.return();
});

permitted(["net"], "acceptAll() ends and stops listening when the signal aborts", async () => {
  const stop = new AbortController();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const next = acceptAll(listener, { signal: stop.signal }).next();
  stop.abort();
  assert((await next).done);
  await untilRefused(port);
});

permitted(["net"], "acceptAll() accepts nothing when the signal has aborted before", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using _client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  assert((await acceptAll(listener, { signal: AbortSignal.abort() }).next()).done);
});

permitted(["net"], "acceptAll() ends when somebody else closes the listener", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const next = acceptAll(listener).next();
  listener.close();
  assert((await next).done);
});

permitted(["net"], "acceptAll() stops listening when its reader leaves", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  using _client = await Deno.connect({ hostname: "127.0.0.1", port });
  for await (const conn of acceptAll(listener)) {
    conn.close();
    break;
  }
  await untilRefused(port);
});

/** A handshake of one byte, which it refuses when it is "x". */
const greeting: HandshakeOptions<{ conn: Deno.TcpConn; byte: number | undefined }> = {
  timeout: 10_000,
  handshake: (conn, signal) =>
    handshake(conn, signal, async () => {
      const [byte] = await readFull(conn, new Uint8Array(1));
      if (byte === 0x78) throw new Error("refused");
      return { conn, byte };
    }),
  discard: ({ conn }) => conn.close(),
};

/** A listener, connections to it, and whether each is closed in the end. */
class Clients implements Disposable {
  readonly listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.TcpConn[] = [];

  async connect(first = ""): Promise<Deno.TcpConn> {
    const { port } = this.listener.addr;
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    this.#conns.push(conn);
    if (first !== "") await conn.write(new TextEncoder().encode(first));
    return conn;
  }

  [Symbol.dispose](): void {
    this.#conns.forEach((conn) => conn.close());
  }
}

permitted(
  ["net"],
  "acceptHandshakes() lets nobody wait for 200 silent clients and one that is refused",
  async () => {
    using clients = new Clients();
    for (let i = 0; i < 200; i++) await clients.connect();
    await clients.connect("x");
    await clients.connect("!");
    const results = acceptHandshakes(clients.listener, greeting);
    const { value } = await results.next();
    assertEquals(value?.byte, 0x21);
    value?.conn.close();
    await results.return();
  },
);

permitted(["net"], "acceptHandshakes() leaves no listener behind", async () => {
  using clients = new Clients();
  const { signal } = new AbortController();
  using added = spy(signal, "addEventListener");
  using removed = spy(signal, "removeEventListener");
  const results = acceptHandshakes(clients.listener, { ...greeting, signal });
  await clients.connect("!");
  (await results.next()).value?.conn.close();
  await results.return();
  assertEquals(added.calls.length, 1);
  assertEquals(
    removed.calls.map(({ args }) => args.slice(0, 2)),
    added.calls.map(({ args }) => args.slice(0, 2)),
  );
});

permitted(["net"], "acceptHandshakes() yields results in the order they come", async () => {
  using clients = new Clients();
  const results = acceptHandshakes(clients.listener, greeting);
  const slow = await clients.connect();
  for (const byte of ["1", "2", "3"]) {
    await clients.connect(byte);
    const { value } = await results.next();
    assertEquals(value?.byte, byte.charCodeAt(0));
    value?.conn.close();
  }
  await slow.write(Uint8Array.of(0x34));
  const { value } = await results.next();
  assertEquals(value?.byte, 0x34);
  value?.conn.close();
  await results.return();
});

permitted(["net"], "acceptHandshakes() gives a silent client its time and no more", async () => {
  using timers = new FakeTimers();
  using clients = new Clients();
  const silent = await clients.connect();
  let reason: unknown;
  const results = acceptHandshakes(clients.listener, {
    ...greeting,
    handshake(conn, signal) {
      signal.addEventListener("abort", () => reason ??= signal.reason);
      return greeting.handshake(conn, signal);
    },
  });
  const next = results.next();
  await timers.fire(10_000);
  assertEquals((await readToEnd(silent)).length, 0);
  assertEquals(`${reason}`, "TimeoutError: A handshake took longer than 10 s");
  await clients.connect("!");
  const { value } = await next;
  value?.conn.close();
  await results.return();
  assertEquals(timers.pending, []);
});

permitted(
  ["net"],
  "acceptHandshakes() ends the listener and the handshakes under way when the signal aborts",
  async () => {
    using timers = new FakeTimers();
    using clients = new Clients();
    const { port } = clients.listener.addr;
    const silent = await clients.connect();
    const stop = new AbortController();
    const started = Promise.withResolvers<void>();
    const results = acceptHandshakes(clients.listener, {
      ...greeting,
      signal: stop.signal,
      handshake(conn, signal) {
        started.resolve();
        return greeting.handshake(conn, signal);
      },
    });
    const next = results.next();
    await started.promise;
    stop.abort();
    assert((await next).done);
    assertEquals((await readToEnd(silent)).length, 0);
    await untilRefused(port);
    assertEquals(timers.pending, []);
  },
);

permitted(
  ["net"],
  "acceptHandshakes() yields nothing when the signal has aborted before",
  async () => {
    using clients = new Clients();
    await clients.connect("!");
    const signal = AbortSignal.abort();
    assert((await acceptHandshakes(clients.listener, { ...greeting, signal }).next()).done);
  },
);

permitted(["net"], "acceptHandshakes() ends when somebody else closes the listener", async () => {
  using clients = new Clients();
  const results = acceptHandshakes(clients.listener, greeting);
  const next = results.next();
  clients.listener.close();
  assert((await next).done);
});

Deno.test("acceptHandshakes() discards what nobody has taken when its reader leaves", async () => {
  const conns = [new IdleConn(), new IdleConn(), new IdleConn()];
  const { listener } = new ScriptedListener(...conns.map((conn) => accepted(conn)));
  const results = acceptHandshakes<IdleConn>(listener, {
    timeout: 10_000,
    handshake: (conn) => Promise.resolve(conn as unknown as IdleConn),
    discard: (conn) => conn.close(),
  });
  assertEquals((await results.next()).value, conns[0]);
  await results.return();
  await Promise.all([conns[1]?.whenClosed, conns[2]?.whenClosed]);
  assertEquals(conns[0]?.closed, false);
});

Deno.test("acceptHandshakes() discards what a handshake comes to behind the end", async () => {
  const conn = new IdleConn();
  const { listener } = new ScriptedListener(accepted(conn));
  const stop = new AbortController();
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const results = acceptHandshakes<IdleConn>(listener, {
    timeout: 10_000,
    signal: stop.signal,
    // It does not look at its signal.
    async handshake() {
      begun.resolve();
      await finish.promise;
      return conn;
    },
    discard: (conn) => conn.close(),
  });
  const next = results.next();
  await begun.promise;
  stop.abort();
  assert((await next).done);
  finish.resolve();
  await conn.whenClosed;
});

Deno.test("handleEach() handles side by side and waits for the last", async () => {
  async function* numbers() {
    yield* [1, 2];
  }
  const first = Promise.withResolvers<void>();
  const events: string[] = [];
  const handled = handleEach(numbers(), async (number) => {
    events.push(`${number} begins`);
    if (number === 1) await first.promise;
    events.push(`${number} ends`);
  }).then(() => events.push("all done"));
  // Whatever does not wait is done before a task of its own.
  await new Promise((resolve) => setTimeout(resolve));
  first.resolve();
  await handled;
  assertEquals(events, ["1 begins", "2 begins", "2 ends", "1 ends", "all done"]);
});

Deno.test("handleEach() lets the error of one end nothing else", async () => {
  async function* numbers() {
    yield* [1, 2, 3];
  }
  const handled: number[] = [];
  await handleEach(numbers(), (number) => {
    if (number === 1) return Promise.reject(new Error("one"));
    if (number === 2) throw new Error("two");
    handled.push(number);
    return Promise.resolve();
  });
  assertEquals(handled, [3]);
});

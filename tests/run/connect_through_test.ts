import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { spy } from "@std/testing/mock";
import type { Address } from "../../address.ts";
import { DialError, type StreamConn, writeAll } from "../../net/mod.ts";
import { launchServer } from "../../parent/mod.ts";
import { type ClientContext, connectThrough, type Transport } from "../../run/run.ts";
import { EchoServer } from "../echo.ts";
import { IdleConn } from "../net/idle_conn.ts";
import { bytes, takeText } from "../net/scripted_peer.ts";
import { SCHEMES, UpstreamProxy } from "../net/upstream_proxy.ts";
import { permitted, withDirectory } from "../permitted.ts";
import { runToEnd } from "../raw_child.ts";
import { FakeTimers } from "../timers.ts";

const TARGET: Address = ["192.0.2.7", 443];

/** Hands on what it dials. */
const PLAIN: Transport = { client: ({ dial }) => dial() };

/** A transport that says what it was told, by connecting. */
function telling(): { transport: Transport; told: Promise<ClientContext> } {
  const { promise, resolve } = Promise.withResolvers<ClientContext>();
  const client = async (context: ClientContext) => {
    resolve(context);
    return await context.dial();
  };
  return { transport: { client }, told: promise };
}

/** Ways to connect without a network, all of which are remembered. */
class Dialled {
  readonly conns: IdleConn[] = [];
  readonly targets: Readonly<Address>[] = [];
  readonly signals: AbortSignal[] = [];
  readonly dial = (target: Readonly<Address>, { signal }: { signal: AbortSignal }) => {
    const conn = new IdleConn();
    this.conns.push(conn);
    this.targets.push(target);
    this.signals.push(signal);
    return Promise.resolve(conn);
  };

  get closed(): boolean[] {
    return this.conns.map(({ closed }) => closed);
  }
}

Deno.test("connectThrough() wants a transport with a client", async () => {
  const server = { server: (conn: StreamConn) => conn };
  const { dial, targets } = new Dialled();
  await assertRejects(() => connectThrough(server, TARGET, { dial }), TypeError, "no client half");
  assertEquals(targets, []);
});

Deno.test("connectThrough() takes no dial that could go around the proxy", async () => {
  const client = spy(({ dial }: ClientContext) => dial());
  const { dial, targets } = new Dialled();
  const proxy = { scheme: "socks5", host: "127.0.0.1", port: 1 } as const;
  const connected = () => connectThrough({ client }, TARGET, { dial, proxy });
  await assertRejects(connected, TypeError, "exclude each other");
  assertEquals([client.calls.length, targets.length], [0, 0]);
  (await connectThrough({ client }, TARGET, { dial, proxy: null })).close();
});

Deno.test("connectThrough() takes nothing that is no connection, and closes what was dialled", async () => {
  const { read, write, closeWrite } = new IdleConn();
  for (const value of [undefined, null, {}, { read, write, closeWrite }]) {
    const dialled = new Dialled();
    const client = async ({ dial }: ClientContext) => {
      await dial();
      return value as StreamConn;
    };
    const connected = () => connectThrough({ client }, TARGET, dialled);
    await assertRejects(connected, TypeError, "a connection");
    assertEquals(dialled.closed, [true]);
  }
});

Deno.test("connectThrough() hands on the arguments, each as often as it is there", async () => {
  const rows: [Iterable<readonly [string, string]> | undefined, [string, string][]][] = [
    [undefined, []],
    [[["k", "v"], ["cert", "a+b/c"], ["k", "w"]], [["k", "v"], ["cert", "a+b/c"], ["k", "w"]]],
    [new URLSearchParams("k=v&k=w"), [["k", "v"], ["k", "w"]]],
    [new Map([["k", "v"]]), [["k", "v"]]],
  ];
  for (const [args, expected] of rows) {
    const { transport, told } = telling();
    await connectThrough(transport, TARGET, { args, ...new Dialled() });
    assertEquals([...(await told).args], expected);
  }
});

Deno.test("connectThrough() hands on target and flags", async () => {
  const { transport, told } = telling();
  const flags = { level: "all" };
  await connectThrough(transport, TARGET, { flags, ...new Dialled() });
  assertEquals((await told).target, TARGET);
  assertEquals((await told).flags, flags);
  const { transport: other, told: defaults } = telling();
  await connectThrough(other, TARGET, new Dialled());
  assertEquals((await defaults).flags, {});
});

Deno.test("connectThrough() dials the target, or where else the transport wants to go", async () => {
  const dialled = new Dialled();
  const client = async ({ dial }: ClientContext) => {
    await dial(["198.51.100.7", 80]);
    return await dial();
  };
  await connectThrough({ client }, TARGET, dialled);
  assertEquals(dialled.targets, [["198.51.100.7", 80], TARGET]);
});

Deno.test("connectThrough() gives the dial a signal that aborts with the connection", async () => {
  const dialled = new Dialled();
  const { transport, told } = telling();
  const conn = await connectThrough(transport, TARGET, dialled);
  const { signal } = await told;
  assertEquals(dialled.signals, [signal]);
  assert(!signal.aborted);
  conn.close();
  assert(signal.aborted);
});

Deno.test("connectThrough() carries bytes and the ends of both streams", async () => {
  const inner = new IdleConn();
  const written: number[] = [];
  const wrapped: StreamConn = {
    read: (p) => Promise.resolve(p.fill(7).length),
    write: (p) => Promise.resolve(written.push(...p)),
    closeWrite: () => inner.closeWrite(),
    close: () => inner.close(),
  };
  const conn = await connectThrough({ client: () => wrapped }, TARGET);
  const into = new Uint8Array(2);
  assertEquals(await conn.read(into), 2);
  assertEquals(into, Uint8Array.of(7, 7));
  assertEquals(await conn.write(Uint8Array.of(1, 2, 3)), 3);
  assertEquals(written, [1, 2, 3]);
  await conn.closeWrite();
  assertEquals([inner.writeClosed, inner.closed], [true, false]);
  conn.close();
  assert(inner.closed);
});

Deno.test("connectThrough() closes with the connection everything that was dialled for it", async () => {
  const dialled = new Dialled();
  const own = new IdleConn();
  const client = async ({ dial }: ClientContext) => {
    await Promise.all([dial(), dial(["198.51.100.7", 80])]);
    return own;
  };
  const conn = await connectThrough({ client }, TARGET, dialled);
  assertEquals([own.closed, ...dialled.closed], [false, false, false]);
  conn.close();
  assertEquals([own.closed, ...dialled.closed], [true, true, true]);
  conn.close();
});

Deno.test("connectThrough() leaves the peer time to read to the end behind a half-close", async () => {
  const { dial, conns } = new Dialled();
  const returned = new IdleConn();
  const client = async ({ dial }: ClientContext) => {
    await dial();
    return returned;
  };
  const conn = await connectThrough({ client }, TARGET, { dial });
  const [dialled] = conns;
  const end = Promise.withResolvers<null>();
  dialled!.read = () => end.promise;
  using read = spy(returned, "read");
  await conn.closeWrite();
  assert(returned.writeClosed);
  conn.close();
  assertEquals([returned.closed, dialled!.closed], [true, false]);
  end.resolve(null);
  await dialled!.whenClosed;
  assertEquals(read.calls.length, 0);
});

Deno.test("connectThrough() closes what a transport dials when the connection is closed", async () => {
  const dialled = new Dialled();
  const { transport, told } = telling();
  const conn = await connectThrough(transport, TARGET, dialled);
  const { dial } = await told;
  conn.close();
  await dial();
  assertEquals(dialled.closed, [true, true]);
});

Deno.test("connectThrough() throws what the transport throws, and closes what it dialled", async () => {
  const failure = new Error("no such key");
  const clients: NonNullable<Transport["client"]>[] = [
    async ({ dial }) => {
      await dial();
      throw failure;
    },
    () => {
      throw failure;
    },
  ];
  for (const client of clients) {
    const dialled = new Dialled();
    const connected = connectThrough({ client }, TARGET, dialled);
    assertStrictEquals(await connected.catch((error) => error), failure);
    assert(!dialled.closed.includes(false));
  }
});

Deno.test("connectThrough() throws what the dial throws", async () => {
  const failure = new DialError("refused");
  const dial = () => Promise.reject(failure);
  const connected = connectThrough(PLAIN, TARGET, { dial });
  assertStrictEquals(await connected.catch((error) => error), failure);
});

/** What an attempt ends with. */
const REASON = new Error("the user went away");

Deno.test("connectThrough() does nothing when the signal has aborted before", async () => {
  const clients: NonNullable<Transport["client"]>[] = [
    ({ dial }) => dial(),
    () => new IdleConn(),
  ];
  for (const client of clients) {
    const asked = spy(client);
    const dialled = new Dialled();
    const signal = AbortSignal.abort(REASON);
    const connected = connectThrough({ client: asked }, TARGET, { ...dialled, signal });
    assertStrictEquals(await connected.catch((error) => error), REASON);
    assertEquals([asked.calls.length, dialled.targets.length], [0, 0]);
  }
});

Deno.test("connectThrough() ends an attempt with the signal's reason, and what it dialled", async () => {
  const outer = new AbortController();
  const dialled = new Dialled();
  const waiting = Promise.withResolvers<void>();
  const client = async ({ dial }: ClientContext) => {
    await dial();
    waiting.resolve();
    return await new Promise<StreamConn>(() => {});
  };
  const { signal } = outer;
  const connected = connectThrough({ client }, TARGET, { ...dialled, signal });
  await waiting.promise;
  assertEquals(dialled.closed, [false]);
  outer.abort(REASON);
  assertStrictEquals(await connected.catch((error) => error), REASON);
  assertEquals(dialled.closed, [true]);
  assertStrictEquals(dialled.signals[0]?.reason, REASON);
});

Deno.test("connectThrough() ends an attempt that takes too long, and closes what comes later", async () => {
  const rows = [[{}, 60_000, "60 s"], [{ timeout: 7_000 }, 7_000, "7 s"]] as const;
  for (const [options, milliseconds, words] of rows) {
    using timers = new FakeTimers();
    const dialled = new Dialled();
    const late = Promise.withResolvers<StreamConn>();
    const conn = new IdleConn();
    const client = async ({ dial }: ClientContext) => {
      await dial();
      return await late.promise;
    };
    const connected = assertRejects(
      () => connectThrough({ client }, TARGET, { ...options, dial: dialled.dial }),
      DOMException,
      `longer than ${words}`,
    );
    await timers.fire(milliseconds);
    assertEquals((await connected).name, "TimeoutError");
    assertEquals([dialled.closed, dialled.signals[0]?.aborted], [[true], true]);
    late.resolve(conn);
    await conn.whenClosed;
  }
});

Deno.test("connectThrough() closes what is dialled too late", async () => {
  const outer = new AbortController();
  const late = Promise.withResolvers<StreamConn>();
  const conn = new IdleConn();
  const { signal } = outer;
  const connected = connectThrough(PLAIN, TARGET, { dial: () => late.promise, signal });
  outer.abort(REASON);
  assertStrictEquals(await connected.catch((error) => error), REASON);
  late.resolve(conn);
  await conn.whenClosed;
});

Deno.test("connectThrough() drops what a transport throws too late", async () => {
  const outer = new AbortController();
  const late = Promise.withResolvers<StreamConn>();
  const { signal } = outer;
  const connected = connectThrough({ client: () => late.promise }, TARGET, { signal });
  outer.abort(REASON);
  assertStrictEquals(await connected.catch((error) => error), REASON);
  // Nobody may be left to whom this would be an unhandled rejection.
  late.reject(new Error("too late to matter"));
  await late.promise.catch(() => {});
});

Deno.test("connectThrough() leaves neither timer nor listener behind once it is connected", async () => {
  using timers = new FakeTimers();
  const outer = new AbortController();
  using added = spy(outer.signal, "addEventListener");
  using removed = spy(outer.signal, "removeEventListener");
  const dialled = new Dialled();
  const { signal } = outer;
  const conn = await connectThrough(PLAIN, TARGET, { ...dialled, signal });
  assertEquals(timers.pending, []);
  assert(added.calls.length > 0);
  assertEquals(added.calls.map(({ args }) => args), removed.calls.map(({ args }) => args));
  outer.abort(REASON);
  assertEquals([dialled.closed, dialled.signals[0]?.aborted], [[false], false]);
  conn.close();
  assertEquals(dialled.closed, [true]);
});

permitted(
  ["read", "write"],
  "connectThrough() creates a state directory when the transport asks for it, and not before",
  () =>
    withDirectory(async (directory) => {
      const stateDirectory = `${directory}/of/a/transport`;
      const { transport, told } = telling();
      await connectThrough(transport, TARGET, { stateDirectory, ...new Dialled() });
      const context = await told;
      assertEquals(context.state_loc, stateDirectory);
      await assertRejects(() => Deno.stat(`${directory}/of`), Deno.errors.NotFound);
      assertEquals(await context.stateDirectory(), stateDirectory);
      assertEquals((await Deno.stat(stateDirectory)).mode! & 0o777, 0o700);
    }),
);

Deno.test("connectThrough() says that a transport wants a state directory where there is none", async () => {
  const client = async ({ stateDirectory, dial }: ClientContext) => {
    await stateDirectory();
    return await dial();
  };
  const { dial, targets } = new Dialled();
  const connected = () => connectThrough({ client }, TARGET, { dial });
  const error = await assertRejects(connected, TypeError);
  assertStringIncludes(error.message, "stateDirectory");
  assertEquals(targets, []);
});

Deno.test("connectThrough() has an empty state_loc where there is no state directory", async () => {
  const { transport, told } = telling();
  (await connectThrough(transport, TARGET, new Dialled())).close();
  assertEquals((await told).state_loc, "");
});

Deno.test("connectThrough() puts one transport inside another, and closes both", async () => {
  const dialled = new Dialled();
  const own = new IdleConn();
  const outer: Transport = {
    async client({ dial, args }) {
      await dial();
      return args.get("of") === "outer" ? own : await dial();
    },
  };
  const conn = await connectThrough(PLAIN, TARGET, {
    dial: (to, { signal }) =>
      connectThrough(outer, to, { args: [["of", "outer"]], dial: dialled.dial, signal }),
  });
  assertEquals(dialled.targets, [TARGET]);
  assertEquals([own.closed, ...dialled.closed], [false, false]);
  conn.close();
  assertEquals([own.closed, ...dialled.closed], [true, true]);
});

permitted(["net"], "connectThrough() gives a dial as long as it may take itself", async () => {
  const outer = new AbortController();
  using proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using timers = new FakeTimers();
  const connected = connectThrough(PLAIN, TARGET, {
    proxy: { scheme: "http", host: "127.0.0.1", port: proxy.addr.port },
    timeout: 120_000,
    signal: outer.signal,
  });
  const failed = assertRejects(() => connected, Error, REASON.message);
  using _conn = await Promise.race([proxy.accept(), failed.then(() => null)]);
  const pending = timers.pending;
  outer.abort(REASON);
  await failed;
  assertEquals(pending.filter((milliseconds) => milliseconds < 120_000), []);
});

permitted(
  ["net"],
  "connectThrough() connects by itself where it is told no other way",
  async () => {
    using echo = new EchoServer();
    const conn = await connectThrough(PLAIN, echo.address);
    await writeAll(conn, bytes("there and back"));
    assertEquals(await takeText(conn, 14), "there and back");
    conn.close();
    const dead = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    dead.close();
    await assertRejects(() => connectThrough(PLAIN, ["127.0.0.1", dead.addr.port]), DialError);
  },
);

const KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

const FRAMES = new URL("../../examples/frames.ts", import.meta.url).pathname;

/** Runs a program that sends a text through `sealed` of `examples/frames.ts`, behind a proxy. */
async function through(
  allowNet: string,
  target: Address,
  scheme: string,
  proxyPort: number,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = new URL("./through_proxy.ts", import.meta.url).pathname;
  return await runToEnd([
    ...[Deno.execPath(), "run", "--no-prompt", "--quiet", `--allow-net=${allowNet}`, program],
    target.join(":"),
    KEY,
    `${scheme}://127.0.0.1:${proxyPort}`,
  ], {});
}

for (const scheme of SCHEMES) {
  permitted(
    ["net", "read", "write", "run"],
    `connectThrough() carries a transport through a proxy, and connects to nothing else (${scheme})`,
    () =>
      withDirectory(async (stateDirectory) => {
        using echo = new EchoServer();
        const granted = ["--allow-env=TOR_PT_*", "--allow-net=127.0.0.1"];
        const command = [Deno.execPath(), "run", "--no-prompt", "--quiet", ...granted, FRAMES];
        await using server = await launchServer(command, {
          transports: { sealed: { bindAddress: ["127.0.0.1", 0], options: [["key", KEY]] } },
          orport: echo.address,
          stateDirectory,
        });
        const bridge = server.methods["sealed"]!.address;
        using proxy = new UpstreamProxy(scheme);
        const { port } = proxy.info;
        const outcome = await through(`127.0.0.1:${port}`, bridge, scheme, port);
        assertEquals(outcome, { code: 0, stdout: "there and back", stderr: "" });
        assertEquals(proxy.requests.map(({ target }) => target), [bridge]);
        assertEquals([proxy.clients.length, echo.accepted], [1, 1]);
      }),
  );

  permitted(
    ["net", "read", "run"],
    `connectThrough() connects nowhere when the proxy refuses (${scheme})`,
    async () => {
      const refusals = {
        http: bytes("HTTP/1.1 403 Forbidden\r\n\r\n"),
        socks4a: Uint8Array.of(0, 91, 0, 0, 0, 0, 0, 0),
        socks5: Uint8Array.of(5, 255),
      };
      // It may go around the proxy here.
      using target = new EchoServer();
      using proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const refuse = async () => {
        using conn = await proxy.accept();
        await conn.read(new Uint8Array(512));
        await writeAll(conn, refusals[scheme]);
        await conn.read(new Uint8Array(512));
      };
      refuse().catch(() => {}); // It may never be asked.
      const outcome = await through("127.0.0.1", target.address, scheme, proxy.addr.port);
      assertEquals([outcome.code, outcome.stdout], [1, ""]);
      assertStringIncludes(outcome.stderr, "DialError: The upstream proxy did not connect");
      // Who connects now would be the second one.
      const [hostname, port] = target.address;
      using user = await Deno.connect({ hostname, port });
      await writeAll(user, bytes("me"));
      assertEquals(await takeText(user, 2), "me");
      assertEquals(target.accepted, 1);
    },
  );
}

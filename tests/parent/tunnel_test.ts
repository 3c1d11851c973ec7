import { assertEquals, assertRejects } from "@std/assert";
import { readFull } from "../../net/mod.ts";
import type { SocksReplyError } from "../../net/proxy.ts";
import {
  type BridgeTrouble,
  dialTransport,
  launchClient,
  launchServer,
  listenExtOrPort,
  tunnelClient,
  type TunnelledConnection,
  tunnelServer,
} from "../../parent/mod.ts";
import { permitted, withDirectory } from "../permitted.ts";

const utf8 = new TextEncoder();

const PLAIN = [
  Deno.execPath(),
  "run",
  "--no-config",
  "--no-prompt",
  "--allow-all",
  new URL("./plain_transport.ts", import.meta.url).href,
];

/** A test with a directory for state. */
function tunnelling(name: string, use: (state: string) => Promise<void>): void {
  permitted(["net", "run", "read", "write"], name, () => withDirectory(use));
}

/** A service that reads to the end, and only then answers with what it has read. */
function listenPatiently(): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  serve(listener);
  return listener;
}

async function serve(listener: Deno.TcpListener): Promise<void> {
  for await (const conn of listener) answer(conn);
}

async function answer(conn: Deno.TcpConn): Promise<void> {
  using _conn = conn;
  const bytes = new Uint8Array(await new Response(copy(conn)).arrayBuffer());
  await conn.write(bytes);
}

/** The bytes of a connection that stays open when they have ended. */
function copy(conn: Deno.TcpConn): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const into = new Uint8Array(1024);
      const length = await conn.read(into);
      if (length === null) controller.close();
      else controller.enqueue(into.subarray(0, length));
    },
  });
}

tunnelling(
  "tunnelClient() and tunnelServer() carry bytes and half-closes to a service and back",
  async (state) => {
    using service = listenPatiently();
    const farEnded = Promise.withResolvers<TunnelledConnection>();
    await using far = await tunnelServer(PLAIN, {
      transport: "plain",
      listen: ["127.0.0.1", 0],
      forward: ["127.0.0.1", service.addr.port],
      stateDirectory: `${state}/server`,
      onEnd: farEnded.resolve,
    });
    const ended = Promise.withResolvers<TunnelledConnection>();
    await using near = await tunnelClient(PLAIN, {
      transport: "plain",
      listen: ["127.0.0.1", 0],
      bridge: far.address,
      args: far.args,
      stateDirectory: `${state}/client`,
      onEnd: ended.resolve,
    });
    assertEquals([...near.args], [["key", "a;b"]]);
    const [hostname, port] = near.address;
    using conn = await Deno.connect({ hostname, port });
    await conn.write(utf8.encode("hello"));
    await conn.closeWrite();
    assertEquals(await readFull(conn, new Uint8Array(5)), utf8.encode("hello"));
    assertEquals(await conn.read(new Uint8Array(1)), null);
    assertEquals(await ended.promise, { sent: 5, received: 5, error: null });
    assertEquals(await farEnded.promise, { sent: 5, received: 5, error: null });
    await Promise.all([near.close(), far.close()]);
    const expected = { open: 0, connections: 1, sent: 5, received: 5 };
    assertEquals({ ...near.traffic }, expected);
    assertEquals({ ...far.traffic }, expected);
  },
);

tunnelling(
  "tunnelClient() closes a connection for which there is no way, and tells why",
  async (state) => {
    const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    closed.close();
    const ended = Promise.withResolvers<TunnelledConnection>();
    await using near = await tunnelClient(PLAIN, {
      transport: "plain",
      listen: ["127.0.0.1", 0],
      bridge: ["127.0.0.1", closed.addr.port],
      stateDirectory: state,
      onEnd: ended.resolve,
    });
    const [hostname, port] = near.address;
    using conn = await Deno.connect({ hostname, port });
    assertEquals(await conn.read(new Uint8Array(1)), null);
    const { error } = await ended.promise;
    assertEquals((error as Error).message.includes("connection refused (5)"), true);
  },
);

tunnelling("tunnelClient() stays with the bridge that it has reached", async (state) => {
  using service = listenPatiently();
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  const troubles: BridgeTrouble[] = [];
  await using near = await tunnelClient(PLAIN, {
    transport: "plain",
    listen: ["127.0.0.1", 0],
    bridge: ["127.0.0.1", closed.addr.port],
    onTrouble: (trouble) => troubles.push(trouble),
    fallbacks: [
      { transport: "other", address: ["127.0.0.1", 1] },
      { transport: "plain", address: ["127.0.0.1", service.addr.port] },
    ],
    stateDirectory: state,
  });
  const [hostname, port] = near.address;
  const hello = async () => {
    using conn = await Deno.connect({ hostname, port });
    await conn.write(utf8.encode("hello"));
    await conn.closeWrite();
    assertEquals(await readFull(conn, new Uint8Array(5)), utf8.encode("hello"));
  };
  await hello();
  // Whoever came back to the first bridge would wait for an answer here.
  using _silent = Deno.listen({ hostname: "127.0.0.1", port: closed.addr.port });
  await hello();
  assertEquals(troubles.map(({ bridge, bridges }) => [bridge, bridges]), [[1, 3]]);
});

tunnelling("tunnelClient() goes on when onEnd throws, and reports that", async (state) => {
  const reported: unknown[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", onError);
  try {
    const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const failure = new Error("onEnd is broken");
    let count = 0;
    await using near = await tunnelClient(PLAIN, {
      transport: "plain",
      listen: ["127.0.0.1", 0],
      bridge: ["127.0.0.1", 1],
      stateDirectory: state,
      onEnd() {
        ends[count++]?.resolve();
        throw failure;
      },
    });
    const [hostname, port] = near.address;
    for (const { promise } of ends) {
      using conn = await Deno.connect({ hostname, port });
      assertEquals(await conn.read(new Uint8Array(1)), null);
      await promise;
    }
    assertEquals(reported, [failure, failure]);
  } finally {
    removeEventListener("error", onError);
  }
});

tunnelling("Tunnel.close() ends its listener, its connections and its program", async (state) => {
  using service = listenPatiently();
  let ended: TunnelledConnection | undefined;
  const near = await tunnelClient(PLAIN, {
    transport: "plain",
    listen: ["127.0.0.1", 0],
    bridge: ["127.0.0.1", service.addr.port],
    stateDirectory: state,
    onEnd: (connection) => void (ended = connection),
  });
  const [hostname, port] = near.address;
  using conn = await Deno.connect({ hostname, port });
  await conn.write(utf8.encode("x"));
  const exit = await near.close();
  assertEquals([exit.code, exit.signal], [0, null]);
  const { name, message } = ended?.error as DOMException;
  assertEquals([name, message], ["AbortError", "The tunnel was closed"]);
  assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  await assertRejects(() => Deno.connect({ hostname, port }), Deno.errors.ConnectionRefused);
});

tunnelling(
  "Tunnel.exited resolves when the program dies, and with it the tunnel",
  async (state) => {
    const near = await tunnelClient(PLAIN, {
      transport: "plain",
      listen: ["127.0.0.1", 0],
      bridge: ["127.0.0.1", 1],
      stateDirectory: state,
    });
    const [hostname, port] = near.address;
    Deno.kill(near.process.pid, "SIGKILL");
    assertEquals((await near.exited).signal, "SIGKILL");
    await assertRejects(() => Deno.connect({ hostname, port }), Deno.errors.ConnectionRefused);
  },
);

tunnelling("tunnelClient() frees its port when the program cannot be launched", async (state) => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listen: [string, number] = ["127.0.0.1", taken.addr.port];
  const options = { transport: "plain", bridge: listen, listen, stateDirectory: state };
  await assertRejects(() => tunnelClient(PLAIN, options), Deno.errors.AddrInUse);
  taken.close();
  await assertRejects(() => tunnelClient(["no-such-program"], options), Error, "no program");
  Deno.listen({ hostname: "127.0.0.1", port: taken.addr.port }).close();
});

tunnelling(
  "launchServer() and listenExtOrPort() bring a client with its address, and dialTransport() its replies",
  async (state) => {
    await using extOrPort = await listenExtOrPort();
    await using server = await launchServer(PLAIN, {
      transports: { plain: { bindAddress: ["127.0.0.1", 0] } },
      extOrPort,
      stateDirectory: `${state}/server`,
    });
    await using client = await launchClient(PLAIN, {
      transports: ["plain"],
      stateDirectory: `${state}/client`,
    });
    const [near, far] = [client.methods["plain"]!, server.methods["plain"]!];
    const refused = await assertRejects(
      () => dialTransport(near, far.address, [["key", "wrong"]]),
      Error,
    );
    assertEquals((refused.cause as SocksReplyError).code, 2);
    using through = await dialTransport(near, far.address, far.args);
    await through.write(utf8.encode("early"));
    for await (const { conn, clientAddress, transport } of extOrPort) {
      using _conn = conn;
      assertEquals([clientAddress?.[0], transport], ["127.0.0.1", "plain"]);
      assertEquals(await readFull(conn, new Uint8Array(5)), utf8.encode("early"));
      break;
    }
  },
);

import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { stub } from "@std/testing/mock";
import { connectFrom, sourceAddress } from "../../net/source_address.ts";
import type { StreamConn } from "../../net/conn.ts";
import { dial, DialError, replyFor, writeAll } from "../../net/mod.ts";
import { granted, permitted } from "../permitted.ts";
import { FakeTimers } from "../timers.ts";
import { FAR, NEAR } from "./bind_namespace.ts";
import { namespaced, seenInNamespace } from "./namespace.ts";
import { bytes, ScriptedPeer, takeText } from "./scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";

const SOURCES: readonly [host: string, source: string | null][] = [
  ["192.0.2.1", "203.0.113.7"],
  ["128.0.0.1", "203.0.113.7"],
  ["2001:db8::1", "2001:db8::7"],
  ["::ffff:192.0.2.1", "203.0.113.7"],
  ["::ffff:7.241.0.1", "203.0.113.7"],
  ["::2", "2001:db8::7"],
  ["127.0.0.1", null],
  ["127.255.255.255", null],
  ["::1", null],
  ["0:0:0:0:0:0:0:1", null],
  ["::ffff:127.0.0.1", null],
];

Deno.test("sourceAddress() gives each family its own address, and loopback none", () => {
  for (const [host, source] of SOURCES) {
    assertEquals(sourceAddress(host, { v4: "203.0.113.7", v6: "2001:db8::7" }), source, host);
  }
});

Deno.test("sourceAddress() gives a family without an address none", () => {
  assertEquals(sourceAddress("192.0.2.1", { v4: null, v6: "2001:db8::7" }), null);
  assertEquals(sourceAddress("2001:db8::1", { v4: "203.0.113.7", v6: null }), null);
});

Deno.test("sourceAddress() takes no name", () => {
  assertThrows(
    () => sourceAddress("localhost", { v4: null, v6: null }),
    TypeError,
    "A source address goes with an IP address, not a name",
  );
});

/** Registers a test that may use no more of the network than `net`. */
function confined(net: string[], name: string, fn: () => Promise<void>): void {
  const ignore = !granted(["net"]);
  Deno.test({
    name: ignore ? `${name} [needs --allow-net]` : name,
    ignore,
    permissions: { net },
    fn,
  });
}

const TARGETS = ["192.0.2.1", "[2001:db8::1]"];

confined(TARGETS, "dial() says that Deno was not granted the source address", async () => {
  for (
    const [host, outboundBindAddress] of [
      ["192.0.2.1", { v4: "192.0.2.7", v6: null }],
      ["192.0.2.1", { v4: "192.0.2.7", v6: "::7" }],
      ["2001:db8::1", { v4: null, v6: "2001:db8::7" }],
    ] as const
  ) {
    const error = await assertRejects(() => dial([host, 443], { outboundBindAddress }), DialError);
    assertEquals(
      error.message,
      "The connection to the target failed: Deno was not granted the source address of " +
        "TOR_PT_OUTBOUND_BIND_ADDRESS; add it with port 0 to --allow-net",
    );
    assertEquals(replyFor(error), 2);
  }
});

confined(
  ["127.0.0.9:0"],
  "dial() from a source address says without an address that the target is not granted",
  async () => {
    const outboundBindAddress = { v4: "127.0.0.9", v6: null };
    const error = await assertRejects(
      () => dial(["192.0.2.1", 443], { outboundBindAddress }),
      DialError,
    );
    assertEquals(
      error.message,
      "The connection to the target failed: Deno was not granted it; add its address and port to --allow-net",
    );
    assertEquals(replyFor(error), 2);
  },
);

confined(
  ["127.0.0.9:0"],
  "dial() from a source address says that Deno was not granted to resolve a name",
  async () => {
    const outboundBindAddress = { v4: "127.0.0.9", v6: null };
    const error = await assertRejects(
      () => dial(["localhost", 443], { outboundBindAddress }),
      DialError,
    );
    assertStringIncludes(error.message, "run it with --allow-net");
    assertEquals(replyFor(error), 2);
    assertInstanceOf(error.cause, Deno.errors.NotCapable);
    assertInstanceOf(error.cause.cause, Error);
  },
);

const never = () => new AbortController().signal;

/** A connection by way of `node:net`, which `dial()` never makes to loopback. */
function bound(peer: { port: number }): Promise<StreamConn> {
  return connectFrom("127.0.0.1", ["127.0.0.1", peer.port], never());
}

permitted(
  ["net"],
  "connectFrom() makes a connection that half-closes in both directions",
  async () => {
    for (const first of ["near", "far"]) {
      await using peer = new ScriptedPeer(async (conn) => {
        if (first === "near") assertEquals(await readToEnd(conn), bytes("from near"));
        await conn.write(bytes("from far"));
        await conn.closeWrite();
        if (first === "far") assertEquals(await readToEnd(conn), bytes("from near"));
      });
      const conn = await bound(peer);
      if (first === "far") assertEquals(await readToEnd(conn), bytes("from far"));
      await writeAll(conn, bytes("from near"));
      await conn.closeWrite();
      if (first === "near") assertEquals(await readToEnd(conn), bytes("from far"));
      conn.close();
    }
  },
);

permitted(
  ["net"],
  "connectFrom() makes a connection that carries 8 MiB whole each way",
  async () => {
    const sent = new Uint8Array(8 * 1024 * 1024).map((_, index) => index * 7 + (index >> 11));
    await using peer = new ScriptedPeer(async (conn) => {
      await writeAll(conn, await readToEnd(conn));
    });
    const conn = await bound(peer);
    const [, back] = await Promise.all([
      writeAll(conn, sent).then(() => conn.closeWrite()),
      readToEnd(conn),
    ]);
    assertEquals(
      await crypto.subtle.digest("SHA-256", back),
      await crypto.subtle.digest("SHA-256", sent),
    );
    conn.close();
  },
);

permitted(["net"], "connectFrom() makes a connection that reads into small buffers", async () => {
  await using peer = new ScriptedPeer(async (conn) => {
    await conn.write(bytes("abc"));
    await readToEnd(conn);
  });
  const conn = await bound(peer);
  assertEquals([await takeText(conn, 1), await takeText(conn, 2)], ["a", "bc"]);
  conn.close();
});

permitted(
  ["net"],
  "connectFrom() makes a connection whose write waits for the receiver",
  async () => {
    const stalled = Promise.withResolvers<void>();
    await using peer = new ScriptedPeer(() => stalled.promise);
    const conn = await bound(peer);
    const chunk = new Uint8Array(1024 * 1024);
    let taken = 0;
    const writing = (async () => {
      for (;;) taken += await conn.write(chunk);
    })();
    const failed = assertRejects(() => writing);
    // Socket buffers end somewhere: then there is a round in which nothing more is taken.
    for (let before = -1; before < taken;) {
      before = taken;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    conn.close();
    assertInstanceOf(await failed, Deno.errors.Interrupted);
    stalled.resolve();
  },
);

permitted(
  ["net"],
  "connectFrom() makes a connection that fails like Deno's on a reset",
  async () => {
    const { createServer } = await import("node:net");
    const server = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const listening = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const conn = await bound(address);
    await writeAll(conn, bytes("x"));
    await assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    conn.close();
    const closed = Promise.withResolvers<unknown>();
    server.close(closed.resolve);
    await closed.promise;
  },
);

permitted(["net"], "connectFrom() makes a connection whose close interrupts a read", async () => {
  await using peer = new ScriptedPeer(async (conn) => {
    await readToEnd(conn);
  });
  const conn = await bound(peer);
  const reading = assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.Interrupted);
  conn.close();
  await reading;
  conn.close();
  await assertRejects(() => conn.write(new Uint8Array(1)));
});

permitted(["net"], "connectFrom() fails like Deno.connect when the target refuses", async () => {
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  const error = await assertRejects(() => bound(closed.addr), Deno.errors.ConnectionRefused);
  assertEquals(error.message, "Connection refused");
  assertEquals(replyFor(error), 5);
});

permitted(
  ["net"],
  "connectFrom() says that the source address is not one of this machine",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const error = await assertRejects(
      () => connectFrom("192.0.2.1", ["127.0.0.1", listener.addr.port], never()),
      Deno.errors.AddrNotAvailable,
    );
    assertEquals(
      error.message,
      "The source address of TOR_PT_OUTBOUND_BIND_ADDRESS is not one of this machine",
    );
    assertInstanceOf(error.cause, Error);
  },
);

permitted(["net"], "connectFrom() ends with its signal", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const controller = new AbortController();
  const target: [string, number] = ["127.0.0.1", listener.addr.port];
  const connecting = connectFrom("127.0.0.1", target, controller.signal);
  const reason = new Error("never mind");
  controller.abort(reason);
  assertEquals(await connecting.catch((error) => error), reason);
});

if (Deno.build.os === "linux") { // Only there all of 127.0.0.0/8 is this machine's from the start.
  confined(
    ["127.0.0.1", "127.0.0.9:0"],
    "connectFrom() needs no permission but the target and the source address with port 0",
    async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const conn = await connectFrom("127.0.0.9", ["127.0.0.1", listener.addr.port], never());
      using accepted = await listener.accept();
      assertEquals(accepted.remoteAddr.hostname, "127.0.0.9");
      conn.close();
    },
  );
}

permitted(["net"], "dial() from a source address gives each address of a name 10 s", async () => {
  const { setTimeout } = globalThis;
  using timers = new FakeTimers();
  using _ = stub(Deno, "connect", (options) => {
    const signal: AbortSignal = Reflect.get(options, "signal");
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  });
  let over = false;
  const dialled = dial(["localhost", 443], { outboundBindAddress: { v4: "192.0.2.7", v6: null } })
    .catch((error) => error)
    .finally(() => over = true);
  while (!over) {
    if (timers.pending.includes(10_000)) await timers.fire(10_000);
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(
    (await dialled).message,
    "The connection to the target failed: The connection to an address of it took longer than 10 s",
  );
});

permitted(
  ["net"],
  "dial() from a source address ends a look-up with the signal's reason",
  async () => {
    const reason = Object.assign(new Error("enough"), { code: "ECONNRESET" });
    const outboundBindAddress = { v4: "192.0.2.7", v6: null };
    const signal = AbortSignal.abort(reason);
    const dialled = dial(["localhost", 443], { outboundBindAddress, signal });
    assertEquals(await dialled.catch((error) => error), reason);
  },
);

namespaced("dial() connects from the source address of each family", async () => {
  assertEquals(await seenInNamespace("bind_namespace.ts", ["--allow-all"]), {
    v4: NEAR.v4,
    v6: NEAR.v6,
    mapped: NEAR.v4,
    otherFamily: FAR.v6,
    loopback: "127.0.0.1",
    loopbackName: "127.0.0.1",
    nameV4: NEAR.v4,
    nameV6: NEAR.v6,
    proxied: NEAR.v4,
    nobody: 1,
    unknownName: 4,
    unreachable: 3,
    refused: 5,
    silent: 6,
    silentBound: 6,
    preferred: NEAR.v6,
    noPort: "EADDRINUSE",
  });
});

import { assert, assertEquals } from "@std/assert";
import { readFull, writeAll } from "../../net/mod.ts";
import { EchoServer } from "../echo.ts";
import { permitted } from "../permitted.ts";
import type { RawChild } from "../raw_child.ts";
import { Chain, randomBytes, sendAll } from "./dummies.ts";

const MIB = 1024 * 1024;

permitted(
  ["net", "read", "run"],
  "the dummies carry 200 connections at once, each whole",
  async () => {
    using echo = new EchoServer();
    await using chain = new Chain(echo.address);
    await chain.start();
    const conns = await Promise.all(Array.from({ length: 200 }, () => chain.connect()));
    // All of them are there before the first one ends.
    await Promise.all(conns.map(async (conn) => {
      await writeAll(conn, Uint8Array.of(42));
      assertEquals(await readFull(conn, new Uint8Array(1)), Uint8Array.of(42));
    }));
    assertEquals(echo.accepted, 200);
    const carry = async (conn: Deno.TcpConn) => {
      using _conn = conn;
      const bytes = randomBytes(100_000);
      const [back] = await Promise.all([
        readFull(conn, new Uint8Array(bytes.length)),
        sendAll(conn, bytes),
      ]);
      assert(back.every((byte, i) => byte === bytes[i]));
      assertEquals(await conn.read(new Uint8Array(1)), null);
    };
    await Promise.all(conns.map(carry));
  },
);

/** The memory of a process that is in use now, in bytes; 0 where Linux does not tell. */
async function residentBytes({ pid }: RawChild): Promise<number> {
  if (Deno.build.os !== "linux") return 0;
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/** Writes all of some bytes, and keeps count. */
class Sender {
  taken = 0;
  readonly done: Promise<void>;

  constructor(conn: Deno.TcpConn, bytes: Uint8Array) {
    this.done = this.#write(conn, bytes);
  }

  async #write(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    while (this.taken < bytes.length) {
      this.taken += await conn.write(bytes.subarray(this.taken, this.taken + 65536));
    }
  }

  /** Resolves when nothing has been taken for a while; a slow machine only makes that sooner. */
  async untilStalled(): Promise<void> {
    for (let before = -1; before < this.taken;) {
      before = this.taken;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

permitted(
  ["net", "read", "run"],
  "the dummies stop a sender whose receiver stalls, and on Linux grow by less than 8 MiB",
  async () => {
    using orport = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using chain = new Chain(["127.0.0.1", orport.addr.port]);
    await chain.start();
    const bytes = randomBytes(64 * MIB);
    {
      // What any traffic brings along does not count.
      using conn = await chain.connect();
      using receiver = await orport.accept();
      const sender = new Sender(conn, bytes.subarray(0, 16 * MIB));
      await Promise.all([readFull(receiver, new Uint8Array(16 * MIB)), sender.done]);
    }
    const halves = [chain.client, chain.server] as const;
    const before = await Promise.all(halves.map(residentBytes));
    using conn = await chain.connect();
    using receiver = await orport.accept();
    const sender = new Sender(conn, bytes);
    await sender.untilStalled();
    const after = await Promise.all(halves.map(residentBytes));
    assert(sender.taken < bytes.length, "the sender was never stopped");
    for (const [index, name] of ["client", "server"].entries()) {
      const growth = (after[index]! - before[index]!) / MIB;
      assert(growth < 8, `the ${name} has grown by ${growth} MiB`);
    }
    const [received] = await Promise.all([
      readFull(receiver, new Uint8Array(bytes.length)),
      sender.done,
    ]);
    assert(received.every((byte, i) => byte === bytes[i]));
  },
);

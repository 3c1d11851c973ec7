/**
 * The load generator, a process of its own: it is the user's program in front of a transport's
 * client, and tor's ORPort behind its server. It takes one order a line on stdin, as JSON, and
 * answers each with a line.
 */

import type { Address } from "@ptlib/ptlib";
import { closeQuietly, readFull, writeAll } from "@ptlib/ptlib/net";
import { LineReader } from "@ptlib/ptlib/line";
import { dialTransport } from "@ptlib/ptlib/parent";

/** The way through a transport. */
export interface Way {
  /** Where its client takes SOCKS requests. */
  socks: Address;
  /** Where its server listens. */
  bridge: Address;
}

/** What can be ordered. */
export type Order =
  /** Sends so many bytes on one connection. Answers the seconds. */
  | { kind: "transfer"; way: Way; bytes: number }
  /** Opens so many connections, some at a time, each with a byte there and back. The seconds. */
  | { kind: "connect"; way: Way; connections: number; atOnce: number }
  /** Opens so many connections, each with a byte there and back, and keeps them. Answers 0. */
  | { kind: "hold"; way: Way; connections: number }
  /** Sends until nothing more is taken, and nothing is read at the other end. The bytes taken. */
  | { kind: "stall"; way: Way }
  /** Closes everything that `hold` and `stall` have left open. Answers 0. */
  | { kind: "release" };

/** The answer to an order. */
export interface Answer {
  value: number;
}

const BUFFER = 512 * 1024;
/** How long a write has to wait before nothing more is taken, in milliseconds. */
const STALLED = 1_000;

const orport = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const held: Deno.TcpConn[] = [];

/** Opens one connection through a transport. No other is being opened. */
async function open({ socks, bridge }: Way): Promise<[user: Deno.TcpConn, tor: Deno.TcpConn]> {
  const [user, tor] = await Promise.all([
    dialTransport({ socksVersion: 5, address: socks }, bridge),
    orport.accept(),
  ]);
  return [user, tor];
}

async function transfer(way: Way, bytes: number): Promise<number> {
  const [user, tor] = await open(way);
  const [full, into] = [new Uint8Array(BUFFER), new Uint8Array(BUFFER)];
  const start = performance.now();
  const send = async () => {
    for (let left = bytes; left > 0; left -= BUFFER) {
      await writeAll(user, left < BUFFER ? full.subarray(0, left) : full);
    }
  };
  const receive = async () => {
    for (let count = 0; count < bytes;) count += await tor.read(into) ?? NaN;
  };
  await Promise.all([send(), receive()]);
  const seconds = (performance.now() - start) / 1000;
  user.close();
  tor.close();
  return seconds;
}

/** Answers a byte with itself. */
async function echo(tor: Deno.TcpConn): Promise<void> {
  await writeAll(tor, await readFull(tor, new Uint8Array(1)));
}

async function exchangeByte(user: Deno.TcpConn): Promise<void> {
  await writeAll(user, Uint8Array.of(42));
  await readFull(user, new Uint8Array(1));
}

async function connect({ socks, bridge }: Way, connections: number, atOnce: number) {
  const start = performance.now();
  let left = connections;
  const use = async () => {
    while (left-- > 0) {
      using user = await dialTransport({ socksVersion: 5, address: socks }, bridge);
      await exchangeByte(user);
    }
  };
  const serve = async () => {
    const open: Promise<void>[] = [];
    for (let count = 0; count < connections; count++) {
      const tor = await orport.accept();
      open.push(echo(tor).finally(() => tor.close()));
    }
    await Promise.all(open);
  };
  await Promise.all([serve(), ...Array.from({ length: atOnce }, use)]);
  return (performance.now() - start) / 1000;
}

async function hold(way: Way, connections: number): Promise<number> {
  for (let count = 0; count < connections; count++) {
    const [user, tor] = await open(way);
    held.push(user, tor);
    await Promise.all([exchangeByte(user), echo(tor)]);
  }
  return 0;
}

async function stall(way: Way): Promise<number> {
  const [user, tor] = await open(way);
  held.push(user, tor);
  const full = new Uint8Array(BUFFER);
  for (let taken = 0;;) {
    const writing = user.write(full);
    writing.catch(() => {}); // It ends when the connection is released.
    const late = new Promise<null>((resolve) => setTimeout(resolve, STALLED, null));
    const count = await Promise.race([writing, late]);
    if (count === null) return taken;
    taken += count;
  }
}

function release(): number {
  held.splice(0).forEach(closeQuietly);
  return 0;
}

async function obey(order: Order): Promise<number> {
  switch (order.kind) {
    case "transfer":
      return await transfer(order.way, order.bytes);
    case "connect":
      return await connect(order.way, order.connections, order.atOnce);
    case "hold":
      return await hold(order.way, order.connections);
    case "stall":
      return await stall(order.way);
    case "release":
      return release();
  }
}

if (import.meta.main) {
  console.log(JSON.stringify({ orport: [orport.addr.hostname, orport.addr.port] }));
  const lines = new LineReader();
  for await (const chunk of Deno.stdin.readable) {
    for (const line of lines.push(chunk)) {
      const answer: Answer = { value: await obey(JSON.parse(line ?? "")) };
      console.log(JSON.stringify(answer));
    }
  }
  Deno.exit(0);
}

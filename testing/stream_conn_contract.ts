/**
 * What every `StreamConn` must hold, as tests: bytes, ends, back-pressure and closing.
 *
 * @module
 */

import { closeQuietly, type StreamConn } from "../net/conn.ts";
import type { ConnPair } from "./conn_pair.ts";

/** How long a step may take, in milliseconds; only a connection that is broken waits it out. */
const TIMEOUT = 10_000;

/** How long nothing moves until a writer is taken for one that waits, in milliseconds. */
const STANDSTILL = 200;

/** What no chain of buffers holds: TCP on loopback holds some megabytes. */
const MOST_BUFFERED = 64 * 1024 * 1024;

const MANY = 300_000;
const WRITES = [1, 4, 13, 1_460, 40_000, 100_000];
const READS = [1, 2, 3, 7, 64, 1_000, 70_000];

/**
 * A connection does not hold a rule of the contract; the message says what it did.
 *
 * @example
 * ```ts
 * import { ContractError, dribbling, memoryPair, streamConnContract } from "@ptlib/ptlib/testing";
 *
 * const [first] = streamConnContract(() => {
 *   const { client, server } = memoryPair();
 *   return { client: { ...dribbling(client), read: () => Promise.resolve(null) }, server };
 * });
 * const error = await first?.check().catch((error) => error);
 * if (!(error instanceof ContractError)) throw new Error();
 * ```
 */
export class ContractError extends Error {
  /** The name of the class. */
  override readonly name: string = "ContractError";
}

/**
 * One rule, to be made a test.
 *
 * @example
 * ```ts
 * import { type ContractRule, memoryPair, streamConnContract } from "@ptlib/ptlib/testing";
 *
 * const rules: ContractRule[] = streamConnContract(memoryPair);
 * // In a file of tests: Deno.test(name, check)
 * for (const { check } of rules) await check();
 * ```
 */
export interface ContractRule {
  /** What a connection does that holds it, such as "carries every byte unchanged". */
  readonly name: string;
  /**
   * Opens connections and tries it, from the client's end and from the server's. It closes them.
   *
   * @throws {ContractError} When the connection does not hold the rule.
   * @throws {Error} What the connection throws where it should work.
   */
  readonly check: () => Promise<void>;
}

/**
 * How the rules are checked.
 *
 * @example
 * ```ts
 * import type { ContractOptions } from "@ptlib/ptlib/testing";
 *
 * const patient: ContractOptions = { timeout: 60_000 };
 * ```
 */
export interface ContractOptions {
  /**
   * How long each step may take, in milliseconds. Default: 10,000. A good connection never waits it
   * out, but one that is slowed down, as by `dribbling()`, may need more.
   */
  readonly timeout?: number | undefined;
}

/** What a rule works with: one end, the other, and a limit for what it waits for. */
interface Trial {
  readonly near: StreamConn;
  readonly far: StreamConn;
  within<T>(promise: Promise<T>, what: string): Promise<T>;
}

/** Bytes in which every loss, repetition and exchange shows. */
function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  });
}

function* endless(sizes: readonly number[]): Generator<number, never> {
  for (;;) yield* sizes;
}

/** One `read` into the middle of a buffer; null at the end of the stream. */
async function readOnce(conn: StreamConn, size: number): Promise<Uint8Array | null> {
  const margin = 8;
  const buffer = new Uint8Array(margin + size + margin).fill(0xa5);
  const count = await conn.read(buffer.subarray(margin, margin + size));
  const outside = [...buffer.subarray(0, margin), ...buffer.subarray(margin + size)];
  if (outside.some((byte) => byte !== 0xa5)) {
    throw new ContractError("read() wrote outside of the array that it was given");
  }
  if (count === null) return null;
  if (!Number.isInteger(count) || count < 1 || count > size) {
    throw new ContractError(`read() into ${size} bytes gave ${count}, which is no such number`);
  }
  return buffer.subarray(margin, margin + count);
}

/** One `write` of bytes that nobody else has; how many it took. */
async function writeOnce(conn: StreamConn, bytes: Uint8Array): Promise<number> {
  const count = await conn.write(bytes.slice());
  if (!Number.isInteger(count) || count < 1 || count > bytes.length) {
    throw new ContractError(
      `write() of ${bytes.length} bytes gave ${count}, which is no such number`,
    );
  }
  return count;
}

/** Writes in pieces of many sizes. */
async function send(conn: StreamConn, bytes: Uint8Array): Promise<void> {
  const sizes = endless(WRITES);
  for (let at = 0; at < bytes.length;) {
    at += await writeOnce(conn, bytes.subarray(at, at + sizes.next().value));
  }
}

/** Reads in pieces of many sizes, and compares. */
async function expectBytes(
  conn: StreamConn,
  expected: Uint8Array,
  reads: readonly number[] = READS,
): Promise<void> {
  const sizes = endless(reads);
  for (let at = 0; at < expected.length;) {
    const size = Math.min(sizes.next().value, expected.length - at);
    const got = await readOnce(conn, size);
    if (got === null) {
      throw new ContractError(`The stream ended after ${at} of ${expected.length} bytes`);
    }
    const wrong = got.findIndex((byte, i) => byte !== expected[at + i]);
    if (wrong !== -1) {
      throw new ContractError(
        `Byte ${at + wrong} of the stream is ${got[wrong]}, and ${
          expected[at + wrong]
        } was written`,
      );
    }
    at += got.length;
  }
}

async function expectEnd(conn: StreamConn): Promise<void> {
  const got = await readOnce(conn, 64);
  if (got !== null) {
    throw new ContractError(`${got.length} bytes came where the stream should have ended`);
  }
}

/** Fails where a promise is fulfilled. */
async function expectError(promise: Promise<unknown>, what: string): Promise<void> {
  let value: unknown;
  try {
    value = await promise;
  } catch {
    return;
  }
  throw new ContractError(`${what} should have been rejected, and it gave ${value}`);
}

/** Writes on and on. */
class Flood {
  readonly #conn: StreamConn;
  readonly #block = pattern(65_536, 7);
  #wanted = true;
  /** How many bytes were taken. */
  written = 0;
  /** Is settled when it writes no more. */
  readonly done: Promise<void>;

  constructor(conn: StreamConn) {
    this.#conn = conn;
    this.done = this.#run();
    this.done.catch(() => {}); // Whoever waits for it hears it.
  }

  async #run(): Promise<void> {
    while (this.#wanted && this.written <= MOST_BUFFERED) {
      const at = this.written % this.#block.length;
      this.written += await writeOnce(this.#conn, this.#block.subarray(at));
    }
  }

  /** Waits until it waits itself, or has ended. It is no fault to be wrong about that. */
  async untilStandstill(): Promise<void> {
    for (let before = -1; before !== this.written && this.written <= MOST_BUFFERED;) {
      before = this.written;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, STANDSTILL);
      await Promise.race([promise, this.done.catch(() => {})]);
      clearTimeout(timer);
    }
  }

  /** Writes no more when what it waits for has been taken. */
  stop(): void {
    this.#wanted = false;
  }

  /** Reads and compares everything up to the end of the stream. */
  async expectAll(conn: StreamConn): Promise<number> {
    let at = 0;
    for (let got; (got = await readOnce(conn, 10_000)) !== null; at += got.length) {
      const wrong = got.findIndex((byte, i) => byte !== this.#block[(at + i) % this.#block.length]);
      if (wrong !== -1) throw new ContractError(`Byte ${at + wrong} arrived changed`);
    }
    return at;
  }
}

const RULES: Readonly<Record<string, (trial: Trial) => Promise<void>>> = {
  async "carries every byte unchanged, both ways at once"({ near, far, within }) {
    const [up, down] = [pattern(MANY, 1), pattern(MANY, 2)];
    await within(
      Promise.all([
        send(near, up),
        send(far, down),
        expectBytes(far, up),
        expectBytes(near, down),
      ]),
      `Carrying ${MANY} bytes both ways`,
    );
  },

  async "gives its bytes to reads of any size"({ near, far, within }) {
    const bytes = pattern(1_000, 3);
    const arriving = expectBytes(far, bytes, [1, 2, 3, 7]);
    await within(Promise.all([send(near, bytes), arriving]), "Reading 1,000 bytes in small pieces");
  },

  async "delivers each byte without waiting for more"({ near, far, within }) {
    for (const byte of [0, 255, 10]) {
      const one = Uint8Array.of(byte);
      await within(writeOnce(near, one), "Writing one byte");
      await within(expectBytes(far, one), "The arrival of a single byte");
      await within(writeOnce(far, one), "Writing one byte");
      await within(expectBytes(near, one), "The arrival of a single byte");
    }
  },

  async "leaves the written array to its owner again"({ near, far, within }) {
    const bytes = pattern(5_000, 4);
    const reused = new Uint8Array(100);
    const writing = async () => {
      for (let at = 0; at < bytes.length;) {
        const piece = reused.subarray(0, Math.min(reused.length, bytes.length - at));
        piece.set(bytes.subarray(at, at + piece.length));
        at += await near.write(piece);
        reused.fill(0x5a);
      }
    };
    await within(Promise.all([writing(), expectBytes(far, bytes)]), "Writing from one array");
  },

  async "writes while it waits in a read"({ near, far, within }) {
    const [question, answer] = [pattern(10, 5), pattern(10, 6)];
    const reading = expectBytes(near, answer);
    reading.catch(() => {}); // It is heard below.
    await within(send(near, question), "A write during a read that waits");
    await within(expectBytes(far, question), "The arrival of what was written during a read");
    await within(send(far, answer), "The answer");
    await within(reading, "The read that waited");
  },

  async "ends the stream behind every byte by closeWrite()"({ near, far, within }) {
    const bytes = pattern(MANY, 8);
    const sending = async () => {
      await send(near, bytes);
      await near.closeWrite();
    };
    await within(Promise.all([sending(), expectBytes(far, bytes)]), "The bytes before the end");
    await within(expectEnd(far), "The end of the stream");
    await within(expectEnd(far), "The end of the stream when it is read again");
  },

  async "reads on after closeWrite()"({ near, far, within }) {
    const bytes = pattern(MANY, 9);
    await within(near.closeWrite(), "closeWrite()");
    await within(expectEnd(far), "The end of the stream");
    const answering = async () => {
      await send(far, bytes);
      await far.closeWrite();
    };
    await within(Promise.all([answering(), expectBytes(near, bytes)]), "The other direction");
    await within(expectEnd(near), "The end of the other direction");
  },

  async "takes nothing after closeWrite()"({ near, within }) {
    await within(near.closeWrite(), "closeWrite()");
    const writing = near.write(Uint8Array.of(1));
    await within(expectError(writing, "write() after closeWrite()"), "write()");
  },

  async "lets a writer wait for its reader, and loses nothing"({ near, far, within }) {
    const flood = new Flood(near);
    await flood.untilStandstill();
    if (flood.written > MOST_BUFFERED) {
      throw new ContractError(`It took ${flood.written} bytes that nobody read`);
    }
    flood.stop();
    const ending = async () => {
      await flood.done;
      await near.closeWrite();
    };
    const [, count] = await within(
      Promise.all([ending(), flood.expectAll(far)]),
      "Reading what had been held back",
    );
    if (count !== flood.written) {
      throw new ContractError(`${count} of ${flood.written} bytes arrived that had to wait`);
    }
  },

  async "interrupts a read that waits by close()"({ near, within }) {
    const reading = near.read(new Uint8Array(16));
    reading.catch(() => {}); // It is heard below.
    near.close();
    await within(expectError(reading, "A read at close()"), "The end of a read after close()");
  },

  async "interrupts a write that waits by close()"({ near, within }) {
    const flood = new Flood(near);
    await flood.untilStandstill();
    near.close();
    await within(expectError(flood.done, "A write at close()"), "The end of a write after close()");
  },

  async "tells the other end of its close()"({ near, far, within }) {
    const reading = far.read(new Uint8Array(16)).catch(() => null);
    near.close();
    const count = await within(reading, "The end at the other side of close()");
    if (count !== null) throw new ContractError(`${count} bytes came that nobody had written`);
  },
};

/** A limit for everything that is waited for. */
function limited(timeout: number): Trial["within"] {
  return async (promise, what) => {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new ContractError(`${what} took longer than ${timeout / 1000} s`)),
      timeout,
    );
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  };
}

/**
 * What every {@linkcode StreamConn} must hold, whoever made it: its bytes arrive unchanged in reads
 * and writes of any size, it can be half-closed, a writer waits for its reader, and `close()` ends
 * whatever waits. Make a test of each rule.
 *
 * Each rule opens two connections and tries itself in both directions. To see that a writer waits
 * takes a moment, so that all of them take about two seconds.
 *
 * @param open Opens a fresh connection and gives both its ends, such as a {@linkcode memoryPair}
 * whose ends your transport has wrapped. The rules close them.
 * @param options How long a step may take.
 * @returns The rules.
 *
 * @example A transport whose halves greet each other
 * ```ts
 * import { prefixed, readFull, type StreamConn } from "@ptlib/ptlib/net";
 * import { memoryPair, streamConnContract } from "@ptlib/ptlib/testing";
 *
 * async function greet(conn: StreamConn): Promise<StreamConn> {
 *   await conn.write(Uint8Array.of(0x42));
 *   await readFull(conn, new Uint8Array(1));
 *   return prefixed(conn, new Uint8Array(0));
 * }
 *
 * const rules = streamConnContract(async () => {
 *   const pair = memoryPair();
 *   const [client, server] = await Promise.all([greet(pair.client), greet(pair.server)]);
 *   return { client, server };
 * });
 * // In a file of tests: Deno.test(`greet ${name}`, check)
 * for (const { check } of rules) await check();
 * ```
 */
export function streamConnContract(
  open: () => ConnPair | Promise<ConnPair>,
  options: ContractOptions = {},
): ContractRule[] {
  const within = limited(options.timeout ?? TIMEOUT);
  return Object.entries(RULES).map(([name, rule]) => ({
    name,
    async check() {
      for (const turned of [false, true]) {
        const { client, server } = await open();
        const [near, far] = turned ? [server, client] : [client, server];
        try {
          await rule({ near, far, within });
        } finally {
          closeQuietly(near);
          closeQuietly(far);
        }
      }
    },
  }));
}

/**
 * Moving bytes between two connections until both are done.
 *
 * @module
 */

import { checkCount, checkTaken, closeQuietly, type StreamConn, writeAll } from "./conn.ts";
import { timeoutError, whenAborted } from "./deadline.ts";

/**
 * What a relay has moved.
 *
 * @example
 * ```ts
 * import type { Relayed } from "@ptlib/ptlib/net";
 *
 * const total = ({ sent, received }: Relayed) => sent + received;
 * ```
 */
export interface Relayed {
  /** Bytes from the first connection to the second. */
  sent: number;
  /** Bytes from the second connection to the first. */
  received: number;
  /** What ended it early, such as a reset or the signal's reason; `null` after a normal end. */
  error: unknown;
}

// A connection that waits holds the small buffer, as a rule. One that fills it goes up in steps while
// its reads stay full, and back to the small one as soon as there was clearly less to read: less than
// the medium one, or, where it has that, half of it, which is what a full record of TLS brings.
const SMALL = 2 * 1024;
const MEDIUM = 32 * 1024;
const LARGE = 256 * 1024;

/**
 * How many large buffers there are for all connections together: whoever sends to readers that have
 * stopped holds one for ever. Whoever gets none keeps the medium one.
 */
const MOST_LARGE = 64;
let large = 0;

/** Buffers of one size. Some are used again: what is thrown away waits for the garbage collector. */
class Pool {
  readonly #idle: Uint8Array[] = [];
  readonly #size: number;
  readonly #mostIdle: number;

  constructor(size: number, mostIdle: number) {
    this.#size = size;
    this.#mostIdle = mostIdle;
  }

  take(): Uint8Array {
    return this.#idle.pop() ?? new Uint8Array(this.#size);
  }

  giveBack(bytes: Uint8Array): void {
    // What one connection has carried is not for another one, whatever its transport does wrong.
    if (this.#idle.length < this.#mostIdle) this.#idle.push(bytes.fill(0));
  }
}

const mediumBuffers = new Pool(MEDIUM, 32);
const largeBuffers = new Pool(LARGE, 4);

/** How many bytes a connection moves in one direction before it is everybody else's turn. */
const TURN = 256 * 1024;
/** The same where there is no other relay, and only who comes newly has to wait. */
const TURN_ALONE = 4 * 1024 * 1024;

/** How many relays there are. */
let relays = 0;

const NOTHING = new Uint8Array(0);
let turn: Promise<unknown> | null = null;

/**
 * Lets everybody else have a turn. What reads and writes without ever waiting keeps Deno from
 * looking who else is ready; it looks when nothing is left to do here but wait for another thread,
 * which is what a digest is for. A timer would wait a millisecond.
 */
function othersFirst(): Promise<unknown> {
  return turn ??= crypto.subtle.digest("SHA-256", NOTHING).finally(() => turn = null);
}

/** The buffer of one direction. */
class Buffer {
  readonly #small: Uint8Array;
  bytes: Uint8Array;

  constructor(small: Uint8Array) {
    this.#small = small;
    this.bytes = small;
  }

  /** Chooses the next one by how much came. */
  adapt(length: number): void {
    const size = this.bytes.length;
    if (length < (size === MEDIUM ? MEDIUM / 2 : Math.min(MEDIUM, size))) return this.shrink();
    if (size === SMALL) this.bytes = mediumBuffers.take();
    else if (size === MEDIUM && length === MEDIUM && large < MOST_LARGE) {
      this.shrink();
      large++;
      this.bytes = largeBuffers.take();
    }
  }

  /** Gives back what is more than the small one. */
  shrink(): void {
    if (this.bytes.length === MEDIUM) mediumBuffers.giveBack(this.bytes);
    if (this.bytes.length === LARGE) largeBuffers.giveBack(this.bytes);
    this.abandon();
  }

  /** Drops what is more than the small one: a read or write that failed may still be at it. */
  abandon(): void {
    if (this.bytes.length === LARGE) large--;
    this.bytes = this.#small;
  }
}

async function pump(
  from: StreamConn,
  to: StreamConn,
  buffer: Buffer,
  count: (bytes: number) => void,
): Promise<void> {
  try {
    for (let moved = 0;;) {
      const length = await from.read(buffer.bytes);
      if (length === null) break;
      const bytes = buffer.bytes.subarray(0, checkCount(length));
      // As a rule all of them are taken at once.
      const taken = checkTaken(await to.write(bytes));
      if (taken < length) await writeAll(to, bytes.subarray(taken));
      count(length);
      buffer.adapt(length);
      moved += length;
      if (moved < (relays > 1 ? TURN : TURN_ALONE)) continue;
      moved = 0;
      await othersFirst();
    }
    buffer.shrink();
  } finally {
    buffer.abandon();
  }
  await to.closeWrite();
}

/**
 * How often a relay with one end is looked at, in milliseconds, and how often in a row it may have
 * been silent. Its other peer may have gone without a word: a connection that only waits never hears
 * of that.
 */
const LOOK = 23_000;
const MOST_SILENT = 5;

/**
 * Moves bytes both ways until both streams have ended, then closes both connections.
 *
 * The end of one stream half-closes the other connection and lets the opposite direction finish.
 * A reset, a failed write or the signal closes both at once, and so does a silence of two minutes
 * after one stream has ended. Each direction buffers at most one chunk, of 2 KiB when little is sent
 * and up to 256 KiB when much is sent; all relays together buffer no more than 64 of the largest.
 * After 256 KiB everybody else has a turn; after 4 MiB where there is no other relay.
 *
 * @param a One connection.
 * @param b The other.
 * @param options `signal` ends it at once.
 * @returns How much was moved each way, and what ended it early. It never rejects.
 *
 * @example
 * ```ts
 * import { relay } from "@ptlib/ptlib/net";
 *
 * async function forward(accepted: Deno.TcpConn, port: number): Promise<void> {
 *   using conn = accepted; // Closed also when there is nobody to connect to.
 *   const { sent, error } = await relay(conn, await Deno.connect({ hostname: "127.0.0.1", port }));
 *   if (error !== null) console.error(`It broke after ${sent} bytes`);
 * }
 * ```
 */
export async function relay(
  a: StreamConn,
  b: StreamConn,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Relayed> {
  const relayed: Relayed = { sent: 0, received: 0, error: null };
  const { signal } = options;
  relays++;
  const close = () => {
    closeQuietly(a);
    closeQuietly(b);
  };
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  // A connection that does not close as it should may never let go of its pump.
  const fail = (error: unknown) => {
    relayed.error ??= error;
    close();
    end();
  };
  const release = signal && whenAborted(signal, () => fail(signal.reason));

  let timer: ReturnType<typeof setTimeout> | undefined;
  let silent = 0;
  let over = false;
  const look = () => {
    if (over) return;
    if (silent++ < MOST_SILENT) timer = setTimeout(look, LOOK);
    else fail(timeoutError("The silence after the end of one stream", MOST_SILENT * LOOK));
  };
  let moving = 2;
  const moved = () => {
    if (--moving === 0) end();
    else look();
  };
  const small = new ArrayBuffer(2 * SMALL); // In one piece, it costs less.
  pump(a, b, new Buffer(new Uint8Array(small, 0, SMALL)), (bytes) => {
    relayed.sent += bytes;
    silent = 0;
  }).then(moved, fail);
  pump(b, a, new Buffer(new Uint8Array(small, SMALL)), (bytes) => {
    relayed.received += bytes;
    silent = 0;
  }).then(moved, fail);
  await ended;
  over = true;
  relays--;
  clearTimeout(timer);
  release?.();
  close();
  return relayed;
}

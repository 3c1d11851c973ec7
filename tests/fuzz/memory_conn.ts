/** Connections without sockets, whose bytes arrive in pieces as small as one likes. */

import fc from "npm:fast-check@4.10.2";
import type { StreamConn } from "../../net/conn.ts";

/** The sizes of the pieces in which bytes arrive; the last one is that of all others, too. */
export type Arrival = readonly number[];

/** Everything at once. */
export const WHOLE: Arrival = [Infinity];

/** Byte by byte. */
export const DRIBBLE: Arrival = [1];

/** Pieces of any sizes. */
export const arrival: fc.Arbitrary<Arrival> = fc.array(fc.integer({ min: 1, max: 40 }), {
  minLength: 1,
  maxLength: 8,
});

/** Whole, byte by byte, in two pieces for each place to split at. */
export function* everyArrival(length: number): Generator<Arrival> {
  yield WHOLE;
  yield DRIBBLE;
  for (let at = 1; at < length; at++) yield [at, Infinity];
}

/** How the stream ends behind the last byte. */
export type End = "end" | "reset";

/** Each of them. */
export const end: fc.Arbitrary<End> = fc.constantFrom("end", "reset");

/**
 * Gives the bytes that it was given, and then its end. It takes what is written in pieces of the
 * same sizes.
 */
export class MemoryConn implements StreamConn {
  readonly #input: Uint8Array;
  readonly #end: End;
  readonly #sizes: readonly number[];
  readonly #close = Promise.withResolvers<void>();
  #at = 0;
  #piece = 0;
  #left: number;
  /** Everything that was written. */
  readonly written: number[] = [];
  /** Whether `close` was called. */
  closed = false;
  /** Whether `closeWrite` was called. */
  writeClosed = false;
  /** Resolves when it is closed. */
  readonly whenClosed: Promise<void> = this.#close.promise;

  constructor(input: Uint8Array, sizes: Arrival = WHOLE, end: End = "end") {
    this.#input = input;
    this.#sizes = sizes;
    this.#left = sizes[0] ?? Infinity;
    this.#end = end;
  }

  read(p: Uint8Array): Promise<number | null> {
    if (this.closed) return Promise.reject(new Deno.errors.Interrupted("It was closed"));
    if (this.#at === this.#input.length) {
      return this.#end === "end"
        ? Promise.resolve(null)
        : Promise.reject(new Deno.errors.ConnectionReset("Connection reset by peer"));
    }
    const count = Math.min(p.length, this.#left, this.#input.length - this.#at);
    p.set(this.#input.subarray(this.#at, this.#at + count));
    this.#at += count;
    this.#left -= count;
    if (this.#left === 0) {
      this.#piece = Math.min(this.#piece + 1, this.#sizes.length - 1);
      this.#left = this.#sizes[this.#piece] ?? Infinity;
    }
    return Promise.resolve(count);
  }

  write(p: Uint8Array): Promise<number> {
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("It was closed"));
    if (this.writeClosed) return Promise.reject(new Deno.errors.BrokenPipe("Broken pipe"));
    const count = Math.min(p.length, this.#sizes.at(-1) ?? Infinity);
    for (const byte of p.subarray(0, count)) this.written.push(byte);
    return Promise.resolve(count);
  }

  closeWrite(): Promise<void> {
    this.writeClosed = true;
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#close.resolve();
  }

  /** What is asked of each connection of a listener of Deno's. */
  setNoDelay(): void {}
  readonly remoteAddr = { hostname: "127.0.0.1" };

  /** How many bytes were read. */
  get consumed(): number {
    return this.#at;
  }

  /** It in place of one of Deno's, for what asks for no more than is here. */
  get tcp(): Deno.TcpConn {
    return this as unknown as Deno.TcpConn;
  }
}

/** Accepts one connection, and then none until it is closed. */
export class MemoryListener {
  readonly #conn: MemoryConn;
  readonly #end = Promise.withResolvers<never>();
  #accepted = false;
  readonly addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;

  constructor(conn: MemoryConn) {
    this.#conn = conn;
    this.#end.promise.catch(() => {});
  }

  accept(): Promise<MemoryConn> {
    if (this.#accepted) return this.#end.promise;
    this.#accepted = true;
    return Promise.resolve(this.#conn);
  }

  close(): void {
    this.#end.reject(new Deno.errors.Interrupted("It was closed"));
  }

  /** It in place of one of Deno's. */
  get tcp(): Deno.TcpListener {
    return this as unknown as Deno.TcpListener;
  }
}

/** A result that can be compared: a value, or the class and message of an error. */
export type Outcome<T> = { value: T } | { error: string; message: string };

/** What comes of something that may reject. */
export async function outcome<T>(promise: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { error: error.name, message: error.message };
  }
}

/**
 * Puts functions in the place of Deno's or others' until it is disposed of.
 *
 * @param object Whose functions they are.
 * @param functions The other functions, by name.
 */
export function replace(object: object, functions: Record<string, unknown>): Disposable {
  const before = Object.keys(functions).map((name) =>
    [name, Object.getOwnPropertyDescriptor(object, name)] as const
  );
  for (const [name, value] of Object.entries(functions)) {
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
  }
  return {
    [Symbol.dispose]() {
      for (const [name, descriptor] of before) {
        if (descriptor === undefined) Reflect.deleteProperty(object, name);
        else Object.defineProperty(object, name, descriptor);
      }
    },
  };
}

/**
 * Lets no timer run until it is disposed of. A wait that only a deadline would end has no end then,
 * and whoever runs the property notices.
 */
export function withoutDeadlines(): Disposable {
  return replace(globalThis, { setTimeout: () => 0, clearTimeout: () => {} });
}

/** Reads to the end or to a reset, in small pieces. */
export async function readAll(
  conn: { read(p: Uint8Array): Promise<number | null> },
): Promise<number[]> {
  const all: number[] = [];
  const into = new Uint8Array(7);
  try {
    for (let count; (count = await conn.read(into)) !== null;) {
      all.push(...into.subarray(0, count));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return all;
}

/** A connection in memory to a server that answers a request. */

import { IdleConn } from "../net/idle_conn.ts";

/** Gives these chunks, each in one read where it fits, and then what it is told to. */
export class AnsweringConn extends IdleConn {
  readonly #chunks: Uint8Array[];
  readonly #end: "end" | "wait" | Error;
  /** What was written before the first read, and all of it. */
  beforeReading: string | null = null;
  written = "";

  constructor(chunks: readonly Uint8Array[], end: "end" | "wait" | Error = "wait") {
    super();
    this.#chunks = chunks.filter(({ length }) => length > 0);
    this.#end = end;
  }

  override async read(p: Uint8Array): Promise<number | null> {
    this.beforeReading ??= this.written;
    const [chunk] = this.#chunks;
    if (chunk === undefined) {
      if (this.#end === "wait") return await super.read(p);
      if (this.#end === "end") return null;
      throw this.#end;
    }
    const count = Math.min(p.length, chunk.length);
    p.set(chunk.subarray(0, count));
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    return count;
  }

  /** Takes half of what it is given, as a connection may. */
  override write(p: Uint8Array): Promise<number> {
    const count = Math.ceil(p.length / 2);
    this.written += new TextDecoder().decode(p.subarray(0, count));
    return Promise.resolve(count);
  }
}

/** The same bytes whole, byte by byte, and in two chunks for each place to split them at. */
export function* arrivals(all: Uint8Array): Generator<Uint8Array[]> {
  yield [all];
  yield Array.from(all, (byte) => Uint8Array.of(byte));
  for (let at = 1; at < all.length; at++) yield [all.subarray(0, at), all.subarray(at)];
}

/**
 * A connection of a check: whole reads with a deadline, and an end that can be waited for.
 *
 * @module
 */

import { closeQuietly, type StreamConn, writeAll } from "../net/conn.ts";
import { Failed } from "./verdict.ts";
import { resultWithin } from "../parent/result_within.ts";

/** What came next on a connection. */
export type Arrival = "bytes" | "end" | "reset" | "silence";

const WORDS = {
  end: "the connection ended",
  reset: "the connection was reset",
  silence: "nothing more came",
} as const;

/** A hash is shown whole. */
const MOST_SHOWN = 32;

/** Bytes for people: in hexadecimal, cut where there are many. */
export function hex(bytes: Uint8Array): string {
  if (bytes.length === 0) return "no byte";
  const shown = bytes.subarray(0, MOST_SHOWN).toHex().replace(/(..)(?=.)/g, "$1 ");
  return bytes.length > MOST_SHOWN ? `${shown} ... (${bytes.length} bytes)` : shown;
}

/** Whether two are the same to the last byte, which what people are shown does not tell. */
export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** A connection with timeout. It reads only when it is asked to, so that it can also stall. */
export class Probe implements Disposable {
  /** What was read and not yet taken. */
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #buffered = 0;
  #reading: Promise<Arrival> | null = null;
  /** Set when the stream is over. */
  #over: "end" | "reset" | null = null;
  readonly #scratch = new Uint8Array(1 << 16);

  /** Is told what is read and written, where somebody watches. */
  narrator: ((what: "got" | "sent", bytes: Uint8Array) => void) | null = null;

  readonly conn: StreamConn;
  readonly timeout: number;

  constructor(conn: StreamConn, timeout: number) {
    this.conn = conn;
    this.timeout = timeout;
  }

  async #read(): Promise<Arrival> {
    try {
      const count = await this.conn.read(this.#scratch);
      if (count === null) return this.#over = "end";
      this.#pieces.push(this.#scratch.slice(0, count));
      this.narrator?.("got", this.#scratch.subarray(0, count));
      this.#buffered += count;
      return "bytes";
    } catch {
      return this.#over = "reset";
    }
  }

  /** Waits for more; a read that is still pending is gone on with by the next call. */
  async next(milliseconds: number = this.timeout): Promise<Arrival> {
    if (this.#over !== null) return this.#over;
    this.#reading ??= this.#read();
    const arrival = await resultWithin(this.#reading, milliseconds);
    if (arrival === null) return "silence";
    this.#reading = null;
    return arrival;
  }

  /** Resolves when the peer ends the connection before it says anything; never where it does not. */
  async endedSilently(): Promise<void> {
    if (this.#buffered > 0) await Promise.withResolvers<never>().promise;
    if (this.#over !== null) return;
    // The next call goes on with what was read.
    this.#reading ??= this.#read();
    if (await this.#reading === "bytes") await Promise.withResolvers<never>().promise;
  }

  /** What there is: bytes that were read and not taken, or whatever comes next. */
  async peek(milliseconds: number = this.timeout): Promise<Arrival> {
    return this.#buffered > 0 ? "bytes" : await this.next(milliseconds);
  }

  /** How many bytes have been read and not taken. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Takes what has been read. */
  take(count: number = this.#buffered): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#buffered);
    let offset = 0;
    for (const piece of this.#pieces) {
      all.set(piece, offset);
      offset += piece.length;
    }
    const [taken, rest] = [all.slice(0, count), all.slice(count)];
    this.#pieces = [rest];
    this.#buffered = rest.length;
    return taken;
  }

  /**
   * Takes exactly `count` bytes.
   *
   * @throws {Failed} When they do not come.
   */
  async receive(count: number, expected: string): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#buffered < count) {
      const arrival = await this.next();
      if (arrival !== "bytes") {
        throw new Failed(expected, `${hex(this.take())}, then ${WORDS[arrival]}`);
      }
    }
    return this.take(count);
  }

  /**
   * Waits until the peer has ended or reset the connection, at most so long in silence.
   *
   * @returns What came before.
   * @throws {Failed} When it stays open.
   */
  async ended(expected: string, milliseconds?: number): Promise<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const arrival = await this.next(milliseconds);
      if (arrival === "end" || arrival === "reset") return this.take();
      if (arrival === "silence") {
        throw new Failed(expected, `${hex(this.take())}; the connection stays open`);
      }
    }
  }

  /** Writes all bytes, or as many as the peer takes; a peer that is gone is noticed in reading. */
  async send(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(this.conn, bytes);
      this.narrator?.("sent", bytes);
    } catch {
      // The following read says how the connection ended.
    }
  }

  /** Ends the stream that is written. */
  async closeWrite(): Promise<void> {
    await this.conn.closeWrite().catch(() => {}); // As in `send`.
  }

  [Symbol.dispose](): void {
    closeQuietly(this.conn);
  }
}

/** Plays one end of a connection by its script, and says what has come of it. */

import { closeQuietly, type StreamConn, writeAll } from "@ptlib/ptlib/net";
import { pause } from "../waiting.ts";
import { bytesOf, findFault, LONGEST_PIECE } from "./pattern.ts";
import { isWhole, type Part, READ_SIZE, type Script, type Side, SLOW_READ_SIZE } from "./script.ts";

/** A connection that can perhaps be reset. */
export type End = StreamConn & { reset?(): void };

/** One end while it is played. */
class Player {
  sent = 0;
  received = 0;
  /** Whether the other end's stream has ended as one does. */
  ended = false;
  /** The first bytes that were wrong, in words. */
  fault: string | null = null;
  readonly #conn: End;
  readonly #script: Script;
  readonly #side: Side;
  readonly #mine: Part;
  readonly #theirs: Part;
  readonly #carried: (bytes: number) => void;

  constructor(conn: End, script: Script, side: Side, carried: (bytes: number) => void) {
    this.#conn = conn;
    this.#script = script;
    this.#side = side;
    this.#mine = script[side];
    this.#theirs = script[side === "user" ? "destination" : "user"];
    this.#carried = carried;
  }

  async #send(): Promise<void> {
    const { send, pieces, rest } = this.#mine;
    const direction = this.#side === "user" ? "up" : "down";
    for (let piece = 1; piece <= pieces; piece++) {
      const until = Math.floor(send * piece / pieces);
      while (this.sent < until) {
        const length = Math.min(until - this.sent, LONGEST_PIECE);
        await writeAll(this.#conn, bytesOf(this.#script.id, direction, this.sent, length));
        this.sent += length;
      }
      if (rest > 0) await pause(rest);
    }
    if (this.#mine.end === "half-close") await this.#conn.closeWrite();
  }

  async #receive(): Promise<void> {
    const { read, readRest } = this.#mine;
    const direction = this.#side === "user" ? "down" : "up";
    const buffer = new Uint8Array(readRest > 0 ? SLOW_READ_SIZE : READ_SIZE);
    while (read === null || this.received < read) {
      const most = Math.min(buffer.length, (read ?? Infinity) - this.received);
      const count = await this.#conn.read(buffer.subarray(0, most));
      if (count === null) {
        this.ended = true;
        return;
      }
      const bytes = buffer.subarray(0, count);
      this.fault ??= findFault(this.#script.id, direction, this.received, bytes);
      this.received += count;
      this.#carried(count);
      if (readRest > 0) await pause(readRest);
    }
  }

  /** Resolves to the first error. */
  async #both(): Promise<unknown> {
    const tasks = this.#mine.answers
      ? [this.#receive().then(() => this.#send())]
      : [this.#receive(), this.#send()];
    const results = await Promise.allSettled(tasks);
    return results.find(({ status }) => status === "rejected");
  }

  /** Plays it to the end; what is wrong then, in words. */
  async play(): Promise<string | null> {
    const failed = await this.#both();
    const { pieces, rest } = this.#mine;
    if (failed === undefined && this.#mine.end === "silence") await pause(pieces * rest);
    if (this.#mine.end === "reset" && this.#conn.reset !== undefined) this.#conn.reset();
    else closeQuietly(this.#conn);
    if (this.fault !== null) return this.fault;
    if (this.received > this.#theirs.send) {
      return `it got ${this.received} bytes where ${this.#theirs.send} were sent`;
    }
    if (!isWhole(this.#script)) return null;
    const complete = this.ended && this.received === this.#theirs.send;
    if (complete && failed === undefined) return null;
    const why = (failed as PromiseRejectedResult | undefined)?.reason ?? "an end";
    return `it got ${this.received} of ${this.#theirs.send} bytes and sent ${this.sent} of ` +
      `${this.#mine.send}, then came: ${why}`;
  }
}

/**
 * Plays one end of a connection, and closes it.
 *
 * @param carried Is told how many bytes have come, as they do.
 * @returns What is wrong, in words; null where nothing is.
 */
export async function play(
  conn: End,
  script: Script,
  side: Side,
  carried: (bytes: number) => void,
): Promise<string | null> {
  const fault = await new Player(conn, script, side, carried).play();
  return fault && `connection ${script.id} (${script.kind}), the ${side}: ${fault}`;
}

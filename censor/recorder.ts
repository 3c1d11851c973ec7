/**
 * The censor's place: between client and server, where everything passes and is written down.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { acceptAll } from "../net/accept.ts";
import { closeQuietly, connectTcp, type StreamConn } from "../net/conn.ts";
import { whenAborted } from "../net/deadline.ts";
import { relay } from "../net/relay.ts";
import { bursts, type Flow, type Segment } from "./flow.ts";

/** What is written down of one direction at most, in bytes; what comes then passes unseen. */
const MOST_BYTES = 512 * 1024;

/** So many connections are written down at most before they are taken; others are closed. */
const MOST_CONNECTIONS = 10_000;

/**
 * How long what a server says first is held back for its client, in milliseconds: one that speaks by
 * itself has done so by then, on the busiest machine.
 */
const PATIENCE = 3_000;

/** What is empty is an end. */
const NOTHING = new Uint8Array();

/** Writes one connection down. */
class Notes {
  readonly segments: Segment[] = [];
  readonly #left = { client: MOST_BYTES, server: MOST_BYTES };
  readonly #begin = Promise.withResolvers<void>();
  /** Resolves when the client has said something, or has ended. */
  readonly begun: Promise<void> = this.#begin.promise;
  /** Whether it has. */
  hasBegun = false;

  /**
   * The same connection, of which everything that is read is written down.
   *
   * @param turn What is waited for before anything is.
   */
  watch(conn: StreamConn, fromClient: boolean, turn: () => Promise<void>): StreamConn {
    return {
      read: async (into) => {
        try {
          const count = await conn.read(into);
          await turn();
          if (count === null) this.#end(fromClient, "fin");
          else this.#add(fromClient, into.subarray(0, count));
          return count;
        } catch (error) {
          if (error instanceof Deno.errors.ConnectionReset) this.#end(fromClient, "rst");
          throw error;
        } finally {
          if (fromClient) {
            this.hasBegun = true;
            this.#begin.resolve();
          }
        }
      },
      write: (bytes) => conn.write(bytes),
      closeWrite: () => conn.closeWrite(),
      close: () => conn.close(),
    };
  }

  #add(fromClient: boolean, bytes: Uint8Array): void {
    const side = fromClient ? "client" : "server";
    const kept = bytes.slice(0, this.#left[side]);
    if (kept.length === 0) return;
    this.#left[side] -= kept.length;
    this.segments.push({ fromClient, time: now(), bytes: kept });
  }

  #end(fromClient: boolean, end: "fin" | "rst"): void {
    this.segments.push({ fromClient, time: now(), bytes: NOTHING, end });
  }
}

/** Milliseconds since 1970, and parts of them. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Lets connections on loopback pass, and writes them down. Where both sides speak at once, a censor
 * sees them in any order; here the client is always first, so that what is seen does not depend on
 * the machine.
 */
export class Recorder implements AsyncDisposable {
  /** Where it listens. */
  readonly address: Readonly<Address>;
  /** Where the connections go; before it is set, they are closed. */
  target: Readonly<Address> | null = null;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #ending = new AbortController();
  readonly #carried = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #notes: Notes[] = [];
  /** Whether clients say nothing until the server has spoken. */
  #serverBegins = false;

  constructor() {
    this.address = ["127.0.0.1", this.#listener.addr.port];
    this.#accepting = this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const conn of acceptAll(this.#listener, this.#ending)) {
      const carried = this.#carry(conn);
      this.#carried.add(carried);
      carried.finally(() => this.#carried.delete(carried));
    }
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    if (this.#notes.length >= MOST_CONNECTIONS) return closeQuietly(client);
    const notes = new Notes();
    this.#notes.push(notes);
    const { signal } = this.#ending;
    try {
      if (this.target === null) throw new Error("There is no server yet");
      const server = await connectTcp(this.target, signal);
      const [up, down] = [
        notes.watch(client, true, () => Promise.resolve()),
        notes.watch(server, false, () => this.#letBegin(notes)),
      ];
      await relay(up, down, { signal });
    } catch {
      closeQuietly(client); // Whoever connects sees that the server is not there.
    }
  }

  /** Waits for the client to begin, but where clients do not. */
  async #letBegin({ begun, hasBegun }: Notes): Promise<void> {
    if (hasBegun || this.#serverBegins) return;
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(true), PATIENCE);
    const release = whenAborted(this.#ending.signal, () => resolve(false));
    this.#serverBegins = await Promise.race([begun.then(() => false), late]);
    clearTimeout(timer);
    release();
  }

  /**
   * The connections that have begun since the last time, and in which something was said. What
   * passes yet is added to them.
   */
  take(): Flow[] {
    const taken = this.#notes;
    this.#notes = [];
    return taken.map(({ segments }) => segments).filter((flow) => bursts(flow).length > 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#accepting;
    await Promise.all(this.#carried);
  }
}

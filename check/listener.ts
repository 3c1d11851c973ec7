/**
 * Where a transport's connections arrive: a bridge, an ORPort or a proxy of ours.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { closeQuietly } from "../net/conn.ts";
import { resultWithin } from "../parent/result_within.ts";
import { hex, Probe } from "./probe.ts";
import { Failed } from "./verdict.ts";

/** Where connections arrive, one by one. */
export interface Listener {
  readonly address: Address;
  /** Takes the next connection; null when none comes. */
  accept(): Promise<Probe | null>;
}

/**
 * Takes the connection that a user's makes; null when none comes. A user whose connection is over
 * gets none any more.
 */
export async function arrival(user: Probe, backend: Listener): Promise<Probe | null> {
  return await Promise.race([backend.accept(), user.endedSilently().then(() => null)]);
}

/** How long a connection may be silent before it counts as one that goes on, in milliseconds. */
const GLANCE = 200;

/** A listener that takes connections at once and hands them out one by one. */
export class TestListener implements Listener, Disposable {
  readonly address: Address;
  readonly #listener: Deno.TcpListener;
  readonly #timeout: number;
  readonly #probes: Probe[] = [];
  readonly #all: Probe[] = [];
  /** What it says to whoever comes once the check is over, where that is more than nothing. */
  attendant: ((probe: Probe) => Promise<unknown>) | null = null;
  #wake = Promise.withResolvers<void>();
  #closed = false;
  /** Why it takes no more connections, when that is not its end. */
  #problem: unknown = null;

  constructor(timeout: number, hostname = "127.0.0.1", port = 0) {
    this.#listener = Deno.listen({ hostname, port });
    this.#timeout = timeout;
    this.address = [this.#listener.addr.hostname, this.#listener.addr.port];
    this.#acceptAll();
  }

  async #acceptAll(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        const probe = new Probe(conn, this.#timeout);
        this.#probes.push(probe);
        this.#all.push(probe);
        this.#wake.resolve();
      }
    } catch (error) {
      this.#problem = error;
      this.#wake.resolve();
    }
  }

  /**
   * Takes the next connection; null when none comes. One that ends before anything was said may
   * only have been to see who listens, or have lost a race (RFC 8305): it counts where no other
   * comes.
   *
   * @throws {Error} When none can be taken, which is no program's fault: too many files are open.
   */
  async accept(): Promise<Probe | null> {
    const deadline = Date.now() + this.#timeout;
    let passing: Probe | null = null;
    for (;;) {
      const probe = await this.#next(deadline);
      if (probe === null) return passing;
      const first = await probe.peek(GLANCE);
      if (first === "bytes" || first === "silence") return probe;
      passing ??= probe;
    }
  }

  /** Takes the next connection, whatever becomes of it. */
  async #next(deadline = Date.now() + this.#timeout): Promise<Probe | null> {
    for (;;) {
      const probe = this.#probes.shift();
      if (probe !== undefined) return probe;
      if (this.#closed) return null;
      if (this.#problem !== null) throw this.#problem;
      this.#wake = Promise.withResolvers();
      const left = deadline - Date.now();
      if (left <= 0 || await resultWithin(this.#wake.promise.then(() => true), left) === null) {
        return null;
      }
    }
  }

  /**
   * How many connections came that nobody has taken. One of our own is made and waited for, so
   * that whatever was on its way before it has arrived.
   */
  async uninvited(): Promise<number> {
    const [hostname, port] = this.address;
    const sentinel = await Deno.connect({ hostname, port });
    const isSentinel = ({ conn }: Probe) =>
      (conn as Deno.TcpConn).remoteAddr.port === sentinel.localAddr.port;
    let count = 0;
    for (;; count++) {
      const probe = await this.#next();
      if (probe === null || isSentinel(probe)) break;
    }
    sentinel.close();
    return count;
  }

  /** Answers whoever comes from now on, and tells what they send, until it is closed. */
  async attend(tell: (text: string) => void): Promise<void> {
    try {
      while (!this.#closed) {
        const probe = await this.#next();
        if (probe !== null) void this.#attendTo(probe, tell);
      }
    } catch (error) {
      tell(`${formatAddress(this.address)}: no connection can be taken any more: ${error}`);
    }
  }

  async #attendTo(probe: Probe, tell: (text: string) => void): Promise<void> {
    const place = formatAddress(this.address);
    const { hostname, port } = (probe.conn as Deno.TcpConn).remoteAddr;
    tell(`${place}: a connection from ${formatAddress([hostname, port])}`);
    probe.narrator = (what, bytes) => tell(`${place}: ${what} ${hex(bytes)}`);
    try {
      await this.attendant?.(probe);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      tell(`${place}: expected ${error.expected}, got ${error.got}`);
    }
    for (;;) {
      const arrival = await probe.next();
      probe.take();
      if (arrival === "end" || arrival === "reset") return tell(`${place}: its ${arrival}`);
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#wake.resolve();
    closeQuietly(this.#listener);
    for (const probe of this.#all) probe[Symbol.dispose]();
  }
}

/**
 * A loopback address where nobody listens, or null where none could be found.
 *
 * The port has just been ours, so the system gives it to nobody for a while.
 */
export async function refusingAddress(hostname = "127.0.0.1"): Promise<Address | null> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    listener.close();
    if (await refuses([hostname, port])) return [hostname, port];
  }
  return null;
}

/** What a connection says of the address: nobody takes it there. */
const UNREACHABLE = [
  Deno.errors.ConnectionRefused,
  Deno.errors.ConnectionReset,
  Deno.errors.ConnectionAborted,
  Deno.errors.NetworkUnreachable,
  Deno.errors.TimedOut,
];

/** Whether an error in connecting is that of the address, and not of ours: we may lack something. */
export function isUnreachable(error: unknown): error is Error {
  return UNREACHABLE.some((kind) => error instanceof kind);
}

/** Whether nobody listens at an address. */
export async function refuses([hostname, port]: Readonly<Address>): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return false;
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    return true;
  }
}

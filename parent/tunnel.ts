/**
 * A tunnel that is open, whichever end of it: connections come, each is carried to the other side,
 * and all of it ends with the program.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { TransportExit, TransportProcess } from "./launch.ts";
import type { ClientMethod, ServerMethod } from "./line.ts";
import { Traffic, type TunnelTraffic } from "./traffic.ts";

/**
 * What became of one connection through a tunnel.
 *
 * @example
 * ```ts
 * import type { TunnelledConnection } from "@ptlib/ptlib/parent";
 *
 * const total = ({ sent, received }: TunnelledConnection) => sent + received;
 * ```
 */
export interface TunnelledConnection {
  /** Bytes that went into the transport. */
  sent: number;
  /** Bytes that came out of it. */
  received: number;
  /**
   * What ended it early: a {@linkcode DialError} when there was no way to the bridge, otherwise
   * for instance a reset; `null` after a normal end.
   */
  error: unknown;
}

/**
 * One end of a tunnel. Disposing of it ends it.
 *
 * @example
 * ```ts
 * import type { Tunnel } from "@ptlib/ptlib/parent";
 *
 * async function untilItDies(tunnel: Tunnel): Promise<void> {
 *   const { code } = await tunnel.exited;
 *   throw new Error(`the transport ended with status ${code}`);
 * }
 * ```
 */
export interface Tunnel<A = Address> extends AsyncDisposable {
  /** Where it listens; of a server, where it says that clients shall connect to. */
  readonly address: A;
  /**
   * What the other end needs to know, on a server such as its certificate; the client's end
   * passes on what it was given.
   */
  readonly args: URLSearchParams;
  /** What has gone through it so far. */
  readonly traffic: TunnelTraffic;
  /** The program that runs the transport. */
  readonly process: TransportProcess<ClientMethod | ServerMethod>;
  /** Resolves when the program has ended, and with it the tunnel. */
  readonly exited: Promise<TransportExit>;
  /** Ends the listener, the connections and the program. */
  close(): Promise<TransportExit>;
}

/** What makes an end of a tunnel the client's or the server's. */
export interface TunnelEnd<A, T> {
  /** Where it listens. */
  address: A;
  /** What the other end needs to know. */
  args: URLSearchParams;
  /** The program that runs the transport. */
  process: TransportProcess<ClientMethod | ServerMethod>;
  /** The connections as they come, until the signal aborts. */
  arrivals(signal: AbortSignal): AsyncIterable<T>;
  /** Carries one of them to the other side, until it ends. It closes it even if it throws. */
  carry(arrival: T, traffic: Traffic, signal: AbortSignal): Promise<TunnelledConnection>;
  /** Gives back what the end holds, when there are no connections any more. */
  release(): Promise<void>;
  /** Is told what became of each connection. */
  onEnd: ((connection: TunnelledConnection) => void) | undefined;
}

/** An end of a tunnel whose program runs. */
export class OpenTunnel<A, T> implements Tunnel<A> {
  readonly traffic: Traffic = new Traffic();
  readonly exited: Promise<TransportExit>;
  readonly #end: TunnelEnd<A, T>;
  readonly #ending = new AbortController();
  readonly #carried = new Set<Promise<void>>();

  /** Takes connections from now on. */
  constructor(end: TunnelEnd<A, T>) {
    this.#end = end;
    this.exited = this.#exit(this.#accept());
  }

  get address(): A {
    return this.#end.address;
  }

  get args(): URLSearchParams {
    return this.#end.args;
  }

  get process(): TransportProcess<ClientMethod | ServerMethod> {
    return this.#end.process;
  }

  async #accept(): Promise<void> {
    for await (const arrival of this.#end.arrivals(this.#ending.signal)) {
      const carried = this.traffic.during(() => this.#carry(arrival));
      this.#carried.add(carried);
      carried.finally(() => this.#carried.delete(carried));
    }
  }

  async #carry(arrival: T): Promise<void> {
    let connection: TunnelledConnection;
    try {
      connection = await this.#end.carry(arrival, this.traffic, this.#ending.signal);
    } catch (error) {
      connection = { sent: 0, received: 0, error };
    }
    try {
      this.#end.onEnd?.(connection);
    } catch (error) {
      reportError(error); // As an event listener's.
    }
  }

  async #exit(accepting: Promise<void>): Promise<TransportExit> {
    const exit = await this.process.exited;
    this.#ending.abort(new DOMException("The program of the transport has ended", "AbortError"));
    await accepting;
    await Promise.all(this.#carried);
    await this.#end.release();
    return exit;
  }

  async close(): Promise<TransportExit> {
    this.#ending.abort(new DOMException("The tunnel was closed", "AbortError"));
    await this.process.close();
    return await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

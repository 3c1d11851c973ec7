/**
 * An address where a connection is neither made nor refused, as behind a firewall: that of a
 * listener which accepts none, and whose queue is full.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { closeQuietly } from "../net/conn.ts";
import { Skipped } from "./verdict.ts";

/** How long a connection may take that finds a place in the queue, in milliseconds. */
const QUEUED = 300;
/** Where so many find one, the queue has another measure than the one it was given. */
const MOST = 8;

/** Such a listener. */
export class SilentListener implements Disposable {
  readonly address: Address;
  readonly #listener: Deno.TcpListener;
  readonly #queue: Deno.TcpConn[] = [];

  constructor() {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
    this.address = [this.#listener.addr.hostname, this.#listener.addr.port];
  }

  /**
   * Fills the queue.
   *
   * @throws {Skipped} When connections then are not left without an answer, as on other systems.
   */
  async fill(): Promise<void> {
    const [hostname, port] = this.address;
    while (this.#queue.length < MOST) {
      const signal = AbortSignal.timeout(QUEUED);
      try {
        this.#queue.push(await Deno.connect({ hostname, port, signal }));
      } catch {
        if (signal.aborted) return;
        break;
      }
    }
    throw new Skipped("needs an address that does not answer, which this system does not give");
  }

  [Symbol.dispose](): void {
    closeQuietly(this.#listener);
    for (const conn of this.#queue) closeQuietly(conn);
  }
}

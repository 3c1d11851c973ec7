/** A peer that takes every connection and never says a word. */

import type { Address } from "../../address.ts";
import { acceptAll } from "../../net/accept.ts";
import { closeQuietly } from "../../net/conn.ts";

/** Disposing of it closes all it has. */
export class SilentPeer implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.TcpConn[] = [];

  constructor() {
    this.#serve();
  }

  async #serve(): Promise<void> {
    for await (const conn of acceptAll(this.#listener)) this.#conns.push(conn);
  }

  get address(): Address {
    return ["127.0.0.1", this.#listener.addr.port];
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.#conns.forEach(closeQuietly);
  }
}

/** Where nobody listens. The system gives this port to none of the programs that run beside. */
export const CLOSED_PORT: Readonly<Address> = ["127.0.0.1", 1];

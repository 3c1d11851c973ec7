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

/** A port on which nobody listens. */
export function closedAddress(): Address {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return ["127.0.0.1", listener.addr.port];
}

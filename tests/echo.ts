/** A service on loopback that sends back what it gets. */

import type { Address } from "../address.ts";
import { acceptAll } from "../net/accept.ts";
import { closeQuietly, writeAll } from "../net/conn.ts";

/** Echoes every connection, and its end. Disposing of it closes all it has. */
export class EchoServer implements Disposable {
  /** Where it listens. */
  readonly address: Address;
  /** How many connections have come. */
  accepted = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns = new Set<Deno.TcpConn>();

  constructor() {
    this.address = [this.#listener.addr.hostname, this.#listener.addr.port];
    this.#serve();
  }

  async #serve(): Promise<void> {
    for await (const conn of acceptAll(this.#listener)) {
      this.accepted++;
      this.#conns.add(conn);
      // A client that goes in the middle is none of the tests' business.
      this.#echo(conn).catch(() => closeQuietly(conn));
    }
  }

  async #echo(conn: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(256 * 1024);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      await writeAll(conn, buffer.subarray(0, count));
    }
    await conn.closeWrite();
  }

  /** Closes the listener and every connection. */
  [Symbol.dispose](): void {
    this.#listener.close();
    this.#conns.forEach(closeQuietly);
  }
}

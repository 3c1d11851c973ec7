/**
 * The connection between the two halves of a transport, led through the checker, which so sees
 * which of them has sent or ended something.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { closeQuietly, writeAll } from "../net/conn.ts";
import type { Role } from "./verdict.ts";

/** What one half has done on the wire. */
export interface Side {
  /** How many bytes it has sent since the mark. */
  sent: number;
  /** Whether it has ended what it sends, or reset the connection. */
  ended: boolean;
}

/** A listener in front of a server half. What it sees is that of its last connection. */
export class Wire implements Disposable {
  /** Where the client half connects. */
  readonly address: Address;
  readonly #server: Readonly<Address>;
  readonly #listener: Deno.TcpListener;
  readonly #conns: Deno.TcpConn[] = [];
  #sides: Record<Role, Side> | null = null;

  constructor(server: Readonly<Address>) {
    this.#server = server;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.address = [this.#listener.addr.hostname, this.#listener.addr.port];
    this.#acceptAll();
  }

  /** What the halves have done; null when no client half has come. */
  get sides(): Readonly<Record<Role, Readonly<Side>>> | null {
    return this.#sides;
  }

  /** From now on counts what is sent. */
  mark(): void {
    if (this.#sides === null) return;
    this.#sides.client.sent = 0;
    this.#sides.server.sent = 0;
  }

  async #acceptAll(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        this.#conns.push(conn);
        this.#join(conn).catch(() => closeQuietly(conn));
      }
    } catch {
      // Closed.
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    const sides = { client: { sent: 0, ended: false }, server: { sent: 0, ended: false } };
    this.#sides = sides;
    const [hostname, port] = this.#server;
    const server = await Deno.connect({ hostname, port });
    this.#conns.push(server);
    const link = new Link(client, server);
    await Promise.all([
      link.pump(client, server, sides.client, sides.server),
      link.pump(server, client, sides.server, sides.client),
    ]);
  }

  [Symbol.dispose](): void {
    closeQuietly(this.#listener);
    for (const conn of this.#conns) closeQuietly(conn);
  }
}

/** Two connections that are one to the halves. */
class Link {
  readonly #conns: readonly Deno.TcpConn[];
  /** Whether we have closed them, so that their errors are our own. */
  #closed = false;

  constructor(...conns: readonly Deno.TcpConn[]) {
    this.#conns = conns;
  }

  /** Passes on what one half sends, and its end; a reset of either half ends both. */
  async pump(from: Deno.TcpConn, to: Deno.TcpConn, own: Side, other: Side): Promise<void> {
    const buffer = new Uint8Array(1 << 16);
    for (;;) {
      const count = await from.read(buffer).catch(() => this.#broken(own));
      if (count === undefined) return;
      if (count === null) break;
      own.sent += count;
      const written = await writeAll(to, buffer.subarray(0, count))
        .then(() => true, () => this.#broken(other));
      if (written === undefined) return;
    }
    own.ended = true;
    await to.closeWrite().catch(() => {}); // The other pump says how it is gone.
  }

  #broken(by: Side): undefined {
    if (!this.#closed) by.ended = true;
    this.#closed = true;
    this.#conns.forEach(closeQuietly);
  }
}

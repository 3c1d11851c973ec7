/**
 * Connections that can be reset, which a `Deno.TcpConn` cannot.
 *
 * @module
 */

import type { Server, Socket } from "node:net";
import type { StreamConn } from "../net/conn.ts";
import { fromDuplex } from "../net/duplex.ts";

/**
 * A TCP connection, and how to tear it down.
 *
 * @example
 * ```ts
 * import type { ResettableConn } from "@ptlib/ptlib/testing";
 *
 * async function breakOff(conn: ResettableConn): Promise<void> {
 *   await conn.write(Uint8Array.of(1));
 *   conn.reset();
 * }
 * ```
 */
export interface ResettableConn extends StreamConn, Disposable {
  /** Ends it with a reset instead of an end of stream. */
  reset(): void;
}

function resettable(socket: Socket): ResettableConn {
  const conn = fromDuplex(socket);
  return Object.assign(conn, {
    reset: () => void socket.resetAndDestroy(),
    [Symbol.dispose]: () => conn.close(),
  });
}

/**
 * Connects by TCP.
 *
 * @param port The port.
 * @param hostname The host. Default: 127.0.0.1.
 * @returns The connection.
 * @throws {Error} When nobody listens there.
 *
 * @example
 * ```ts
 * import { connectResettable } from "@ptlib/ptlib/testing";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const conn = await connectResettable(listener.addr.port);
 * using accepted = await listener.accept();
 * conn.reset();
 * const error = await accepted.read(new Uint8Array(1)).catch((error) => error);
 * if (!(error instanceof Deno.errors.ConnectionReset)) throw new Error();
 * ```
 */
export async function connectResettable(
  port: number,
  hostname = "127.0.0.1",
): Promise<ResettableConn> {
  const { connect } = await import("node:net");
  const { default: events } = await import("node:events");
  const socket = connect({ host: hostname, port, allowHalfOpen: true });
  await events.once(socket, "connect");
  return resettable(socket);
}

/**
 * A listener whose connections can be reset. Disposing of it closes those that nobody has accepted.
 *
 * @example
 * ```ts
 * import { ResettableListener } from "@ptlib/ptlib/testing";
 *
 * using listener = await ResettableListener.listen();
 * using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
 * (await listener.accept()).reset();
 * const error = await conn.read(new Uint8Array(1)).catch((error) => error);
 * if (!(error instanceof Deno.errors.ConnectionReset)) throw new Error();
 * ```
 */
export class ResettableListener implements Disposable {
  readonly #server: Server;
  readonly #waiting: Socket[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => this.#waiting.push(socket));
  }

  /**
   * Listens on a port that the system chooses.
   *
   * @param hostname The address. Default: 127.0.0.1.
   */
  static async listen(hostname = "127.0.0.1"): Promise<ResettableListener> {
    const { createServer } = await import("node:net");
    const { default: events } = await import("node:events");
    const server = createServer({ allowHalfOpen: true });
    const listener = new ResettableListener(server);
    server.listen(0, hostname);
    await events.once(server, "listening");
    return listener;
  }

  /** Where it listens. */
  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new TypeError("It listens no more");
    return address.port;
  }

  /**
   * Takes the next connection.
   *
   * @param signal Ends the wait.
   * @returns The connection.
   */
  async accept(signal?: AbortSignal): Promise<ResettableConn> {
    const { default: events } = await import("node:events");
    for (;;) {
      const socket = this.#waiting.shift();
      if (socket !== undefined) return resettable(socket);
      await events.once(this.#server, "connection", { signal });
    }
  }

  /** Listens no more, and closes what nobody has accepted. */
  [Symbol.dispose](): void {
    this.#waiting.forEach((socket) => socket.destroy());
    this.#server.close();
  }
}

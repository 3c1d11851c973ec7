/** A connection that can be reset, which a `Deno.TcpConn` cannot. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { fromDuplex } from "../../net/duplex.ts";
import type { StreamConn } from "../../net/mod.ts";

/** A connection, and how to tear it down. */
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

/** Connects to a port of loopback. */
export async function connectResettable(
  port: number,
  hostname = "127.0.0.1",
): Promise<ResettableConn> {
  const socket = connect({ host: hostname, port, allowHalfOpen: true });
  await once(socket, "connect");
  return resettable(socket);
}

/** A listener whose connections can be reset. */
export class ResettableListener implements Disposable {
  readonly #server: Server;
  readonly #waiting: Socket[] = [];

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#waiting.push(socket));
  }

  /** Listens on a port that the system chooses. */
  static async listen(hostname = "127.0.0.1"): Promise<ResettableListener> {
    const listener = new ResettableListener();
    listener.#server.listen(0, hostname);
    await once(listener.#server, "listening");
    return listener;
  }

  /** Where it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes the next connection; rejects when the signal aborts before there is one. */
  async accept(signal?: AbortSignal): Promise<ResettableConn> {
    if (this.#waiting.length === 0) await once(this.#server, "connection", { signal });
    return resettable(this.#waiting.shift()!);
  }

  [Symbol.dispose](): void {
    this.#waiting.forEach((socket) => socket.destroy());
    this.#server.close();
  }
}

/**
 * Connections that can be reset. A `Deno.TcpConn` cannot send a reset, a socket of `node:net` can.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { Address } from "../address.ts";
import type { StreamConn } from "../net/conn.ts";
import type { Listener } from "./listener.ts";
import { resultWithin } from "../parent/result_within.ts";
import { Skipped } from "./verdict.ts";
import { Probe } from "./probe.ts";

/** A connection with a reset. */
class Resettable implements StreamConn {
  readonly #socket: Socket;
  readonly #chunks: ReadableStreamDefaultReader<Uint8Array>;
  #rest = new Uint8Array();

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#chunks = new ReadableStream<Uint8Array>({
      start(controller) {
        socket.on("data", (chunk: Uint8Array) => controller.enqueue(new Uint8Array(chunk)));
        socket.once("end", () => controller.close());
        socket.once("error", (error) => controller.error(error));
      },
    }).getReader();
    this.#chunks.closed.catch(() => {}); // The next read says so.
  }

  async read(p: Uint8Array): Promise<number | null> {
    while (this.#rest.length === 0) {
      const { value, done } = await this.#chunks.read();
      if (done) return null;
      this.#rest = new Uint8Array(value);
    }
    const taken = this.#rest.subarray(0, p.length);
    p.set(taken);
    this.#rest = this.#rest.slice(taken.length);
    return taken.length;
  }

  write(p: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#socket.write(p, (error) => error ? reject(error) : resolve(p.length))
    );
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** Resets a connection made here. */
export function reset(probe: Probe): void {
  if (probe.conn instanceof Resettable) probe.conn.reset();
}

/** Connects. */
export async function connectResettable(
  [host, port]: Readonly<Address>,
  timeout: number,
): Promise<Probe> {
  const { connect } = await import("node:net");
  const socket = connect({ host, port, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (error) => reject(new Skipped(`needs a listener: ${error.message}`)));
  });
  return new Probe(new Resettable(socket), timeout);
}

/** Listens. */
export async function listenResettable(timeout: number): Promise<Listener & Disposable> {
  const { createServer } = await import("node:net");
  const probes: Probe[] = [];
  const first = Promise.withResolvers<Probe | null>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const probe = new Probe(new Resettable(socket), timeout);
    probes.push(probe);
    first.resolve(probe);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The listener has no port");
  return {
    address: [address.address, address.port],
    accept: () => resultWithin(first.promise, timeout),
    [Symbol.dispose]() {
      first.resolve(null);
      server.close();
      for (const probe of probes) probe[Symbol.dispose]();
    },
  };
}

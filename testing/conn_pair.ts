/**
 * Both ends of one connection, in memory and over TCP.
 *
 * @module
 */

import type { StreamConn } from "../net/conn.ts";

/** How much a stream in memory holds until a writer has to wait, in bytes. */
const CAPACITY = 64 * 1024;

const CLOSED = "The connection was closed";

/**
 * Both ends of one connection.
 *
 * @example
 * ```ts
 * import { type ConnPair, dribbling, memoryPair } from "@ptlib/ptlib/testing";
 *
 * function slowPair(): ConnPair {
 *   const { client, server } = memoryPair();
 *   return { client: dribbling(client), server: dribbling(server) };
 * }
 * ```
 */
export interface ConnPair<T extends StreamConn = StreamConn> {
  /** The end that a transport's client would have. */
  readonly client: T;
  /** The end that its server would have. */
  readonly server: T;
}

/** One direction of a connection in memory. */
class MemoryStream {
  readonly #chunks: Uint8Array[] = [];
  #held = 0;
  /** Why nothing can be written any more. */
  #ended: Error | null = null;
  #abandoned = false;
  #change = Promise.withResolvers<void>();

  async read(p: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#abandoned) throw new Deno.errors.Interrupted(CLOSED);
      const [chunk] = this.#chunks;
      if (chunk !== undefined) return this.#take(chunk, p);
      if (this.#ended !== null) return null;
      await this.#change.promise;
    }
  }

  async write(p: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#ended !== null) throw this.#ended;
      if (this.#abandoned) throw new Deno.errors.BrokenPipe("The other end has been closed");
      const count = Math.min(p.length, CAPACITY - this.#held);
      if (count > 0 || p.length === 0) return this.#put(p.slice(0, count));
      await this.#change.promise;
    }
  }

  /** Lets the reader come to an end behind what there is, and the writer fail. */
  end(reason: Error): void {
    this.#ended = reason;
    this.#changed();
  }

  /** Lets the reader fail at once, and the writer, too. */
  abandon(): void {
    this.#abandoned = true;
    this.#changed();
  }

  #take(chunk: Uint8Array, p: Uint8Array): number {
    const count = Math.min(p.length, chunk.length);
    p.set(chunk.subarray(0, count));
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    this.#held -= count;
    this.#changed();
    return count;
  }

  #put(chunk: Uint8Array): number {
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.#held += chunk.length;
    this.#changed();
    return chunk.length;
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** One end of a connection in memory. */
class MemoryEnd implements StreamConn, Disposable {
  readonly #incoming: MemoryStream;
  readonly #outgoing: MemoryStream;

  constructor(incoming: MemoryStream, outgoing: MemoryStream) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#incoming.read(p);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#outgoing.write(p);
  }

  closeWrite(): Promise<void> {
    this.#outgoing.end(new Deno.errors.BrokenPipe("The written stream has ended"));
    return Promise.resolve();
  }

  close(): void {
    this.#incoming.abandon();
    this.#outgoing.end(new Deno.errors.Interrupted(CLOSED));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Makes a connection in memory: no permission, no port, and each direction holds 64 KiB before a
 * writer has to wait. It behaves as TCP does: it can be half-closed, and `close()` interrupts what
 * waits.
 *
 * @returns Both its ends; disposing of it closes them.
 *
 * @example
 * ```ts
 * import { memoryPair, readToEnd } from "@ptlib/ptlib/testing";
 *
 * using pair = memoryPair();
 * await pair.client.write(Uint8Array.of(1, 2, 3));
 * await pair.client.closeWrite();
 * if ((await readToEnd(pair.server)).length !== 3) throw new Error();
 * ```
 */
export function memoryPair(): ConnPair<StreamConn & Disposable> & Disposable {
  const [up, down] = [new MemoryStream(), new MemoryStream()];
  const [client, server] = [new MemoryEnd(down, up), new MemoryEnd(up, down)];
  return {
    client,
    server,
    [Symbol.dispose]() {
      client.close();
      server.close();
    },
  };
}

/**
 * Opens a TCP connection on loopback.
 *
 * @returns Both its ends; disposing of it closes them.
 * @throws {Deno.errors.NotCapable} Without `--allow-net=127.0.0.1`.
 *
 * @example
 * ```ts
 * import { readToEnd, tcpPair } from "@ptlib/ptlib/testing";
 *
 * using pair = await tcpPair();
 * await pair.client.write(Uint8Array.of(1, 2, 3));
 * await pair.client.closeWrite();
 * if ((await readToEnd(pair.server)).length !== 3) throw new Error();
 * ```
 */
export async function tcpPair(): Promise<ConnPair<Deno.TcpConn> & Disposable> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const [client, server] = await Promise.all([
      Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
      listener.accept(),
    ]);
    return {
      client,
      server,
      [Symbol.dispose]() {
        client[Symbol.dispose]();
        server[Symbol.dispose]();
      },
    };
  } finally {
    listener.close();
  }
}

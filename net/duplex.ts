/**
 * Between our connections and the streams of `node:net` and `node:tls`, in both directions.
 *
 * `node:stream` is loaded when it is used: a program that never does pays nothing for it.
 *
 * @module
 */

import type { Duplex } from "node:stream";
import { type StreamConn, writeAll } from "./conn.ts";
import { closeQuietly } from "./deadline.ts";

const CHUNK = 16 * 1024;

/** What Deno's own connections throw where node's have these codes. */
const CLASSES: Readonly<Record<string, new (message: string, options?: ErrorOptions) => Error>> = {
  EADDRNOTAVAIL: Deno.errors.AddrNotAvailable,
  ECANCELED: Deno.errors.Interrupted,
  ECONNABORTED: Deno.errors.ConnectionAborted,
  ECONNREFUSED: Deno.errors.ConnectionRefused,
  ECONNRESET: Deno.errors.ConnectionReset,
  ENETUNREACH: Deno.errors.NetworkUnreachable,
  EPIPE: Deno.errors.BrokenPipe,
  ERR_STREAM_DESTROYED: Deno.errors.Interrupted,
  ERR_STREAM_PREMATURE_CLOSE: Deno.errors.Interrupted,
  ETIMEDOUT: Deno.errors.TimedOut,
};

const CLOSED = "The connection was closed";

const MEANINGS: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: "Address not available",
  ECANCELED: CLOSED,
  EAI_AGAIN: "The name was not found for now",
  ECONNABORTED: "Connection aborted",
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  ENOTFOUND: "The name was not found",
  EPIPE: "Broken pipe",
  ERR_STREAM_DESTROYED: CLOSED,
  ERR_STREAM_PREMATURE_CLOSE: CLOSED,
  ETIMEDOUT: "Connection timed out",
};

/**
 * Turns an error of node's into the one that Deno throws in its place. Its message holds no
 * address, as node's does; its `code` stays.
 */
export function denoError(cause: unknown): unknown {
  if (!(cause instanceof Error) || !("code" in cause)) return cause;
  const { code } = cause;
  if (typeof code !== "string" || !/^E[A-Z_]+$/.test(code)) return cause;
  const Class = CLASSES[code] ?? Error;
  return Object.assign(new Class(MEANINGS[code] ?? code, { cause }), { code });
}

/** A stream of node's as a connection. */
class DuplexConn implements StreamConn {
  readonly #duplex: Duplex;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    this.#chunks = duplex.iterator({ destroyOnReturn: false });
    // Each error reaches who waits in read or write; as an event nobody hears it would be fatal.
    duplex.on("error", () => {});
  }

  async read(p: Uint8Array): Promise<number | null> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next().catch((error) => {
        throw denoError(error);
      });
      if (done) return null;
      this.#rest = value;
    }
    const count = Math.min(p.length, this.#rest.length);
    p.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }

  async write(p: Uint8Array): Promise<number> {
    // The callback comes when the kernel has the bytes, so that waiting is the back-pressure.
    await this.#settled((done) => this.#duplex.write(p, done));
    return p.length;
  }

  async closeWrite(): Promise<void> {
    await this.#settled((done) => this.#duplex.end(done));
  }

  /** Waits for a callback of the stream's, or for its end: it forgets its callbacks then. */
  #settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = () => done(this.#duplex.errored ?? new Deno.errors.Interrupted(CLOSED));
      const done = (error?: Error | null) => {
        this.#duplex.off("close", ended);
        if (error) reject(denoError(error));
        else resolve();
      };
      this.#duplex.once("close", ended);
      start(done);
    });
  }

  close(): void {
    this.#duplex.destroy();
  }
}

/**
 * Makes a connection of a stream of node's, such as a `Socket` or a `TLSSocket`.
 *
 * @param duplex The stream, with `allowHalfOpen` if the connection is to be half-closed by the
 * peer. From now on nobody else reads it.
 * @returns The connection. Closing it destroys the stream.
 */
export function fromDuplex(duplex: Duplex): StreamConn {
  return new DuplexConn(duplex);
}

/**
 * Makes a stream of node's from a connection, for what takes only those, such as `node:tls`.
 *
 * @param conn The connection. From now on nobody else reads or writes it.
 * @returns The stream. Destroying it closes the connection.
 */
export async function toDuplex(conn: StreamConn): Promise<Duplex> {
  const { Duplex } = await import("node:stream");
  return new Duplex({
    allowHalfOpen: true,
    read() {
      const chunk = new Uint8Array(CHUNK);
      conn.read(chunk).then(
        (count) => this.push(count === null ? null : chunk.subarray(0, count)),
        (error) => this.destroy(error),
      );
    },
    write(chunk: Uint8Array, _encoding, done) {
      writeAll(conn, chunk).then(() => done(), done);
    },
    final(done) {
      conn.closeWrite().then(() => done(), done);
    },
    destroy(error, done) {
      closeQuietly(conn);
      done(error);
    },
  });
}

/**
 * Connections as streams of node's and the other way round, for what takes only those, such as
 * `node:tls`. `node:` modules are loaded when they are used.
 *
 * @module
 */

import type { Duplex } from "node:stream";
import { ChunkReader, closeQuietly, type StreamConn, writeAll } from "./conn.ts";

/** What is said of a connection that we closed. */
export const CLOSED = "The connection was closed";

/** What Deno's own connections throw where node's have these codes: the words and the class. */
const MEANINGS: Readonly<
  Record<string, [words: string, Class?: new (words: string, options: ErrorOptions) => Error]>
> = {
  EADDRNOTAVAIL: ["Address not available", Deno.errors.AddrNotAvailable],
  EAI_AGAIN: ["The name was not found for now"],
  ECANCELED: [CLOSED, Deno.errors.Interrupted],
  ECONNABORTED: ["Connection aborted", Deno.errors.ConnectionAborted],
  ECONNREFUSED: ["Connection refused", Deno.errors.ConnectionRefused],
  ECONNRESET: ["Connection reset by peer", Deno.errors.ConnectionReset],
  EHOSTUNREACH: ["No route to host"],
  ENETUNREACH: ["Network is unreachable", Deno.errors.NetworkUnreachable],
  ENOTFOUND: ["The name was not found"],
  EPIPE: ["Broken pipe", Deno.errors.BrokenPipe],
  ERR_STREAM_DESTROYED: [CLOSED, Deno.errors.Interrupted],
  ERR_STREAM_PREMATURE_CLOSE: [CLOSED, Deno.errors.Interrupted],
  ETIMEDOUT: ["Connection timed out", Deno.errors.TimedOut],
};

/**
 * Turns an error of node's into the one that Deno throws in its place. Its message holds no
 * address, as node's does; its `code` stays.
 */
export function denoError(cause: unknown): unknown {
  if (!(cause instanceof Error) || !("code" in cause)) return cause;
  const { code } = cause;
  if (typeof code !== "string" || !/^E[A-Z_]+$/.test(code)) return cause;
  const [words, Class = Error] = MEANINGS[code] ?? [code];
  return Object.assign(new Class(words, { cause }), { code });
}

/** A stream of node's as a connection. */
class DuplexConn implements StreamConn {
  readonly #duplex: Duplex;
  readonly #reader: ChunkReader;

  constructor(duplex: Duplex, during: <T>(next: () => Promise<T>) => Promise<T>) {
    this.#duplex = duplex;
    const chunks = duplex.iterator({ destroyOnReturn: false });
    this.#reader = new ChunkReader(async () => {
      try {
        const { done, value } = await during(() => chunks.next());
        return done ? null : value;
      } catch (error) {
        throw denoError(error);
      }
    });
    // Each error reaches who waits in read or write; as an event nobody hears it would be fatal.
    duplex.on("error", () => {});
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#reader.read(p);
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
        if (error) reject(denoError(this.#duplex.errored ?? error));
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
 * @param during Does the waiting for the next chunk. Default: nothing but that.
 * @returns The connection. Closing it destroys the stream.
 */
export function fromDuplex(
  duplex: Duplex,
  during: <T>(next: () => Promise<T>) => Promise<T> = (next) => next(),
): StreamConn {
  return new DuplexConn(duplex, during);
}

// How much is read at once: little while little comes, which is what a connection holds that waits.
const SMALLEST_CHUNK = 4 * 1024;
const LARGEST_CHUNK = 64 * 1024;

/** How much to read next. */
function nextSize(size: number, count: number): number {
  if (count === size) return Math.min(4 * size, LARGEST_CHUNK);
  return count < size / 4 ? Math.max(size / 4, SMALLEST_CHUNK) : size;
}

/**
 * Makes a stream of node's from a connection, for what takes only those, such as `node:tls`.
 *
 * @param conn The connection. From now on nobody else reads or writes it.
 * @returns The stream. Destroying it closes the connection.
 */
export async function toDuplex(conn: StreamConn): Promise<Duplex> {
  const { Duplex } = await import("node:stream");
  let size = SMALLEST_CHUNK;
  return new Duplex({
    allowHalfOpen: true,
    read() {
      const chunk = new Uint8Array(size);
      conn.read(chunk).then(
        (count) => {
          size = nextSize(size, count ?? 0);
          this.push(count === null ? null : chunk.subarray(0, count));
        },
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

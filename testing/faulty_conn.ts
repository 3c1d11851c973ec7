/**
 * Connections whose bytes come one by one, stop coming, or are cut off by a reset.
 *
 * @module
 */

import { closeQuietly, type StreamConn } from "../net/conn.ts";

/**
 * Makes a connection that gives and takes little at once: whoever takes one read for one message
 * fails on it.
 *
 * @param conn The connection.
 * @param size How many bytes each `read` and each `write` moves at most. Default: 1.
 * @returns The same connection, in small pieces.
 * @throws {TypeError} When the size is not a whole number above 0.
 *
 * @example
 * ```ts
 * import { dribbling, memoryPair } from "@ptlib/ptlib/testing";
 *
 * using pair = memoryPair();
 * await pair.client.write(Uint8Array.of(5, 1, 0));
 * if (await dribbling(pair.server).read(new Uint8Array(3)) !== 1) throw new Error();
 * ```
 */
export function dribbling(conn: StreamConn, size = 1): StreamConn {
  if (!Number.isInteger(size) || size < 1) {
    throw new TypeError(`The size is ${size}; it has to be a whole number above 0`);
  }
  return {
    read: (p) => conn.read(p.subarray(0, size)),
    write: (p) => conn.write(p.subarray(0, size)),
    closeWrite: () => conn.closeWrite(),
    close: () => closeQuietly(conn),
  };
}

/**
 * Behind how many bytes a fault comes. A direction that is not named has none of its own.
 *
 * @example
 * ```ts
 * import type { FaultPlace } from "@ptlib/ptlib/testing";
 *
 * const inTheAnswer: FaultPlace = { read: 3 };
 * ```
 */
export interface FaultPlace {
  /** How many bytes can be read before. */
  readonly read?: number | undefined;
  /** How many bytes can be written before. */
  readonly write?: number | undefined;
}

/** A connection that works as far as a place, each direction by itself. */
class FaultyConn implements StreamConn {
  readonly #conn: StreamConn;
  readonly #fault: () => Promise<never>;
  readonly #onClose: () => void;
  readonly #rename: (error: unknown) => unknown;
  #readable: number;
  #writable: number;

  constructor(
    conn: StreamConn,
    place: FaultPlace,
    { fault, onClose = () => {}, rename = (error) => error }: {
      fault: () => Promise<never>;
      onClose?: () => void;
      rename?: (error: unknown) => unknown;
    },
  ) {
    this.#conn = conn;
    this.#readable = place.read ?? Infinity;
    this.#writable = place.write ?? Infinity;
    this.#fault = fault;
    this.#onClose = onClose;
    this.#rename = rename;
  }

  async read(p: Uint8Array): Promise<number | null> {
    if (this.#readable <= 0) return await this.#fault();
    const count = await this.#renamed(this.#conn.read(p.subarray(0, this.#readable)));
    this.#readable -= count ?? 0;
    return count;
  }

  async write(p: Uint8Array): Promise<number> {
    if (this.#writable <= 0) return await this.#fault();
    const count = await this.#renamed(this.#conn.write(p.subarray(0, this.#writable)));
    this.#writable -= count;
    return count;
  }

  async closeWrite(): Promise<void> {
    if (this.#writable <= 0) return await this.#fault();
    await this.#renamed(this.#conn.closeWrite());
  }

  close(): void {
    this.#onClose();
    closeQuietly(this.#conn);
  }

  async #renamed<T>(result: Promise<T>): Promise<T> {
    try {
      return await result;
    } catch (error) {
      throw this.#rename(error);
    }
  }
}

/**
 * Makes a connection that falls silent: behind the place, `read`, `write` and `closeWrite` wait until
 * it is closed. Whoever waits for it without a deadline waits for ever.
 *
 * @param conn The connection.
 * @param place Behind how many bytes it falls silent, in each direction.
 * @returns The connection that stalls.
 *
 * @example
 * ```ts
 * import { memoryPair, stalling } from "@ptlib/ptlib/testing";
 *
 * using pair = memoryPair();
 * await pair.client.write(Uint8Array.of(1, 2, 3));
 * const conn = stalling(pair.server, { read: 2 });
 * if (await conn.read(new Uint8Array(9)) !== 2) throw new Error();
 * const waiting = conn.read(new Uint8Array(9)).catch((error) => error.name);
 * conn.close();
 * if (await waiting !== "Interrupted") throw new Error();
 * ```
 */
export function stalling(conn: StreamConn, place: FaultPlace): StreamConn {
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => {}); // Perhaps nobody waits.
  return new FaultyConn(conn, place, {
    fault: () => closed.promise,
    onClose: () => closed.reject(new Deno.errors.Interrupted("The connection was closed")),
  });
}

/**
 * Makes a connection that is reset: behind the place it is closed, and everything that waits in it
 * or comes later fails with `Deno.errors.ConnectionReset`, in both directions. Its other end sees a
 * close; for a reset on the network there is {@linkcode connectResettable}.
 *
 * @param conn The connection.
 * @param place Behind how many bytes the reset comes, in each direction.
 * @returns The connection that is reset.
 *
 * @example
 * ```ts
 * import { memoryPair, resetting } from "@ptlib/ptlib/testing";
 *
 * using pair = memoryPair();
 * const conn = resetting(pair.client, { write: 2 });
 * if (await conn.write(Uint8Array.of(1, 2, 3)) !== 2) throw new Error();
 * const error = await conn.write(Uint8Array.of(3)).catch((error) => error);
 * if (!(error instanceof Deno.errors.ConnectionReset)) throw new Error();
 * ```
 */
export function resetting(conn: StreamConn, place: FaultPlace): StreamConn {
  let reset = false;
  const error = () => new Deno.errors.ConnectionReset("Connection reset by peer");
  return new FaultyConn(conn, place, {
    fault() {
      reset = true;
      closeQuietly(conn);
      return Promise.reject(error());
    },
    rename: (other) => reset ? error() : other,
  });
}

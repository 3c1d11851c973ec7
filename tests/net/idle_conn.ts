/** A connection without a socket, for tests that replace what matters to them. */

import type { StreamConn } from "../../net/conn.ts";

/** Gives nothing to read, takes everything, and is interrupted when it is closed. */
export class IdleConn implements StreamConn {
  /** Whether it has been closed. */
  closed = false;
  /** Whether the stream that is written has been ended. */
  writeClosed = false;
  /** Resolves when it is closed. */
  readonly whenClosed: Promise<void>;
  readonly #close = Promise.withResolvers<void>();

  constructor() {
    this.whenClosed = this.#close.promise;
  }

  async read(_p: Uint8Array): Promise<number | null> {
    await this.whenClosed;
    throw new Deno.errors.Interrupted("closed");
  }

  write(p: Uint8Array): Promise<number> {
    return Promise.resolve(p.length);
  }

  closeWrite(): Promise<void> {
    this.writeClosed = true;
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#close.resolve();
  }
}

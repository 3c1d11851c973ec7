/** An upstream proxy that does what it is told, one connection after the other. */

import type { Address } from "../../address.ts";
import { type ResettableConn, ResettableListener } from "../../testing/mod.ts";

/** What is played on a connection; the connection closes behind it. */
export type Script = (conn: ResettableConn) => Promise<void>;

/** Reads until the peer has ended the connection, in whatever way. */
export async function untilEnd(conn: ResettableConn): Promise<void> {
  const into = new Uint8Array(16 * 1024);
  try {
    while (await conn.read(into) !== null);
  } catch {
    // A reset is an end.
  }
}

/** A proxy that plays a script on each connection. Disposing of it makes it refuse. */
export class ScriptedProxy implements Disposable {
  /** Where it listens. */
  readonly address: Address;
  readonly #listener: ResettableListener;

  private constructor(listener: ResettableListener, host: string) {
    this.#listener = listener;
    this.address = [host, listener.port];
  }

  /** Listens at one of this machine's addresses. */
  static async listen(host: string): Promise<ScriptedProxy> {
    return new ScriptedProxy(await ResettableListener.listen(host), host);
  }

  /** Plays a script on the next connection, unless the signal aborts before there is one. */
  async play(script: Script, signal: AbortSignal): Promise<void> {
    using conn = await this.#listener.accept(signal);
    await script(conn);
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}

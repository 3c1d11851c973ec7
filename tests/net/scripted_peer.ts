/** A peer on loopback that does what a test tells it, and a client's side to test against it. */

import { readFull, writeAll } from "../../net/conn.ts";

/** What a peer does with the connection it accepts; the connection closes behind it. */
export type Script = (conn: Deno.TcpConn) => Promise<void>;

/** A listener that takes one connection and plays a script on it. */
export class ScriptedPeer implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #played: Promise<void>;

  constructor(script: Script, hostname = "127.0.0.1") {
    this.#listener = Deno.listen({ hostname, port: 0 });
    this.#played = this.#play(script);
    // Whoever disposes of the peer gets the error; until then it is nobody's.
    this.#played.catch(() => {});
  }

  async #play(script: Script): Promise<void> {
    using conn = await this.#listener.accept();
    await script(conn);
  }

  /** The peer's host, without brackets. */
  get host(): string {
    return this.#listener.addr.hostname;
  }

  /** The peer's port. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Waits for the script's end, and throws what it threw. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#played.finally(() => this.#listener.close());
  }
}

/** The bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Reads exactly `length` bytes. */
export async function take(
  conn: { read(p: Uint8Array): Promise<number | null> },
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  return await readFull(conn, new Uint8Array(length));
}

/** Reads exactly `length` bytes as text. */
export async function takeText(
  conn: { read(p: Uint8Array): Promise<number | null> },
  length: number,
): Promise<string> {
  return new TextDecoder().decode(await take(conn, length));
}

/** Writes the bytes one by one, each in a packet of its own. */
export async function dribble(
  conn: Pick<Deno.TcpConn, "write" | "setNoDelay">,
  all: Uint8Array,
): Promise<void> {
  conn.setNoDelay();
  for (const byte of all) await writeAll(conn, Uint8Array.of(byte));
}

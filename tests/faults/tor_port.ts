/** tor's Extended ORPort, which sends back whatever comes, and can go and come again. */

import type { Address } from "../../address.ts";
import { acceptAll } from "../../net/accept.ts";
import { closeQuietly, writeAll } from "../../net/conn.ts";
import { comesAbout, SOON } from "../waiting.ts";
import { CookieFile, OKAY, receive, reply } from "../net/scripted_ext_orport.ts";

/** From 1 to 254, at random. */
function byte(): number {
  return 1 + Math.floor(254 * Math.random());
}

/** What a server needs to know of tor. */
export interface TorPlace {
  /** What tor sets for a server. */
  readonly variables: Readonly<Record<string, string>>;
  readonly cookieFile: CookieFile;
}

/** An Extended ORPort with its cookie. Disposing of it closes all it has. */
export class TorPort implements AsyncDisposable, TorPlace {
  readonly cookieFile: CookieFile;
  /** How many connections have been let in. */
  welcomed = 0;
  /** Whether it keeps those waiting who come. */
  isSilent = false;
  // Of its own, so that nobody else takes the port while it is down.
  readonly #host = `127.${byte()}.${byte()}.${byte()}`;
  #listener = Deno.listen({ hostname: this.#host, port: 0 });
  readonly #conns = new Set<Deno.TcpConn>();

  private constructor(cookieFile: CookieFile) {
    this.cookieFile = cookieFile;
    this.#serve(this.#listener);
  }

  static async open(): Promise<TorPort> {
    return new TorPort(await CookieFile.create());
  }

  get address(): Address {
    return [this.#host, this.#listener.addr.port];
  }

  get variables(): Readonly<Record<string, string>> {
    return this.behind(this.address).variables;
  }

  /** The same tor for a server that reaches it by another address. */
  behind(address: Readonly<Address>): TorPlace {
    const { cookieFile } = this;
    const EXTENDED_SERVER_PORT = address.join(":");
    return { cookieFile, variables: { EXTENDED_SERVER_PORT, AUTH_COOKIE_FILE: cookieFile.path } };
  }

  async #serve(listener: Deno.TcpListener): Promise<void> {
    for await (const conn of acceptAll(listener)) {
      this.#conns.add(conn);
      this.#welcome(conn).catch(() => closeQuietly(conn));
    }
  }

  async #welcome(conn: Deno.TcpConn): Promise<void> {
    if (this.isSilent) return;
    await receive(conn, this.cookieFile.cookie);
    await writeAll(conn, Uint8Array.from(reply(OKAY)));
    this.welcomed++;
    const buffer = new Uint8Array(4096);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      await writeAll(conn, buffer.subarray(0, count));
    }
    await conn.closeWrite();
  }

  /** Listens no more; what has been let in stays. */
  goDown(): void {
    this.#listener.close();
  }

  /** Listens again where it did, as soon as the system lets it. */
  async comeUp(): Promise<void> {
    const [hostname, port] = this.address;
    const isFree = () => {
      try {
        this.#listener = Deno.listen({ hostname, port });
        return true;
      } catch (error) {
        if (error instanceof Deno.errors.AddrInUse) return false;
        throw error;
      }
    };
    if (!await comesAbout(SOON, isFree)) throw new Error("The port of tor is not free again");
    this.#serve(this.#listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeQuietly(this.#listener);
    this.#conns.forEach(closeQuietly);
    await this.cookieFile[Symbol.asyncDispose]();
  }
}

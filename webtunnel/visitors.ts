/**
 * Everybody who is not in the tunnel, or not yet: they are handed to the web site, and there is a
 * limit to them.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { isShortage } from "../net/accept.ts";
import { closeQuietly, connectTcp, type StreamConn } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";
import { relay } from "../net/relay.ts";

/**
 * How many there may be. They take two descriptors each, and shall not take those of the tunnels: when
 * there are more, the oldest goes.
 */
const MOST_VISITORS = 400;

/** How long it may take to connect to the web site, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

function connectSite(site: Readonly<Address>, outer: AbortSignal): Promise<StreamConn> {
  const what = "The connection to the web site";
  return withDeadline(CONNECT_TIMEOUT, what, outer, (signal) => connectTcp(site, signal));
}

/** Those who are there. */
export class Visitors {
  readonly #conns = new Set<StreamConn>();

  /**
   * Takes one in, and closes the connection of the oldest where there are too many.
   *
   * @param conn Its connection.
   * @returns Takes it out again: it has gone, or is in the tunnel.
   */
  admit(conn: StreamConn): () => void {
    this.#conns.add(conn);
    if (this.#conns.size > MOST_VISITORS) {
      const [oldest] = this.#conns;
      this.#conns.delete(oldest!);
      closeQuietly(oldest!);
    }
    return () => void this.#conns.delete(conn);
  }

  /**
   * Hands a visitor to the web site: everything that it sends, and everything that it gets.
   *
   * @param conn Its connection, from the first byte on.
   * @param site Where the web site listens.
   * @param signal Ends it.
   * @param onSite Is told whether the web site is there.
   * @returns A promise that resolves when the visitor has gone.
   */
  async visit(
    conn: StreamConn,
    site: Readonly<Address>,
    signal: AbortSignal,
    onSite: (answers: boolean) => void,
  ): Promise<void> {
    const leave = this.admit(conn);
    try {
      const toSite = await connectSite(site, signal);
      onSite(true);
      await relay(conn, toSite, { signal });
    } catch (error) {
      // A lack of descriptors here says nothing of the web site.
      if (!signal.aborted && !isShortage(error)) onSite(false);
    } finally {
      leave();
    }
  }
}

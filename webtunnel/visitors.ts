/**
 * Everybody who is not in the tunnel, or not yet, and the web site for them. There is a limit to them.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { closeQuietly, connectTcp, type StreamConn } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";

/**
 * How many there may be. They take two descriptors each, and shall not take those of the tunnels: when
 * there are more, the oldest goes.
 */
const MOST_VISITORS = 400;

/** How long it may take to connect to the web site, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/** Somebody who is there. */
export interface Visitor {
  /** Aborts when others need the place. */
  readonly sentAway: AbortSignal;
  /** Takes the visitor out: it has gone, or is in the tunnel. */
  leave(): void;
}

/** Those who are there. */
export class Visitors {
  readonly #places = new Set<() => void>();

  /**
   * Takes one in, and sends the oldest away where there are too many.
   *
   * @param conn Its connection, which is closed then.
   * @returns The visitor.
   */
  admit(conn: StreamConn): Visitor {
    const controller = new AbortController();
    const sendAway = () => {
      this.#places.delete(sendAway);
      controller.abort(new DOMException("Others need the place", "AbortError"));
      closeQuietly(conn);
    };
    this.#places.add(sendAway);
    if (this.#places.size > MOST_VISITORS) {
      const [oldest] = this.#places;
      oldest!();
    }
    return { sentAway: controller.signal, leave: () => void this.#places.delete(sendAway) };
  }
}

/**
 * Connects to the web site.
 *
 * @param site Where it listens.
 * @param outer Ends it.
 * @returns The connection.
 * @throws {Error} When nobody answers there.
 */
export function connectSite(
  site: Readonly<Address>,
  outer: AbortSignal,
): Promise<StreamConn> {
  const what = "The connection to the web site";
  return withDeadline(CONNECT_TIMEOUT, what, outer, (signal) => connectTcp(site, signal));
}

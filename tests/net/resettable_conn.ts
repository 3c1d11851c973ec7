/** A connection that can be reset, which a `Deno.TcpConn` cannot. */

import { once } from "node:events";
import { connect } from "node:net";
import { fromDuplex, type StreamConn } from "../../net/mod.ts";

/** A connection, and how to tear it down. */
export interface ResettableConn extends StreamConn, Disposable {
  /** Ends it with a reset instead of an end of stream. */
  reset(): void;
}

/** Connects to a port of loopback. */
export async function connectResettable(
  port: number,
  hostname = "127.0.0.1",
): Promise<ResettableConn> {
  const socket = connect({ host: hostname, port, allowHalfOpen: true });
  await once(socket, "connect");
  const conn = fromDuplex(socket);
  return Object.assign(conn, {
    reset: () => void socket.resetAndDestroy(),
    [Symbol.dispose]: () => conn.close(),
  });
}

/**
 * node's handles of TCP sockets, for what Deno's connections cannot do. They open a second descriptor
 * of the same socket, so that either may be closed.
 *
 * @module
 */

import type { Socket } from "node:net";

/** The part of node's internal TCP handle that is used. Deno 2.9.6 has all of it, 2.8.0 has not. */
interface TcpHandle {
  openFromRid(rid: number): number;
  setKeepAlive(enable: boolean, seconds: number): number;
  close(): void;
}

/** Opens a handle of a connection; `null` while descriptors are used up. */
export type OpenHandle = (conn: Deno.TcpConn) => TcpHandle | null;

/** The number by which Deno knows a connection. */
function ridOf(conn: Deno.TcpConn): number | undefined {
  const symbol = Object.getOwnPropertySymbols(conn).find(({ description }) =>
    description === "Deno.internal.rid"
  );
  const rid: unknown = symbol && Reflect.get(conn, symbol);
  return typeof rid === "number" ? rid : undefined;
}

/**
 * Loads node's handles.
 *
 * @returns What opens them; `null` where this release of Deno has other ones.
 */
export async function loadHandles(): Promise<OpenHandle | null> {
  const { default: process } = await import("node:process");
  const binding = "binding" in process && typeof process.binding === "function"
    ? process.binding("tcp_wrap")
    : undefined;
  const Handle: (new (type: 0) => TcpHandle) | undefined = binding?.TCP;
  const methods = ["openFromRid", "setKeepAlive", "close"] as const;
  if (!methods.every((method) => typeof Handle?.prototype?.[method] === "function")) return null;
  return (conn) => {
    const rid = ridOf(conn);
    if (rid === undefined) return null;
    const handle = new Handle!(0);
    if (handle.openFromRid(rid) === 0) return handle;
    handle.close();
    return null;
  };
}

/**
 * Opens a socket of node's on the same connection. It never reads. To destroy it leaves the
 * connection open, and to end it ends what is written on both.
 *
 * @param conn The connection, which may be handed to TLS later.
 * @returns The socket; `null` where there can be none.
 */
export async function openSecondSocket(conn: Deno.TcpConn): Promise<Socket | null> {
  const handle = (await loadHandles())?.(conn) ?? null;
  if (handle === null) return null;
  const { Socket } = await import("node:net");
  const options = { handle, readable: false, writable: true, manualStart: true };
  const socket = new Socket(options);
  socket.on("error", () => {}); // As an event nobody hears it would be fatal.
  return socket.unref();
}

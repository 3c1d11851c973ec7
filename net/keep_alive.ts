/**
 * Noticing that an idle peer has vanished without a word, within two minutes. Only the system can:
 * it asks the peer's system, which answers as long as it is there, whatever its program does.
 *
 * @module
 */

import { isLoopback } from "../address.ts";
import type { OpenHandle } from "./tcp_handle.ts";

/**
 * After how many seconds of silence the peer's system is asked. Linux asks again after 75 s, which
 * nobody can set from here, and gives up after 9 questions. But when the first of these times is set
 * anew and is over already, Linux asks at once.
 */
const SILENCE = 15;

/** How often each connection's time is set anew, in seconds; after 9 questions that is 105 s. */
const PERIOD = 10;

/**
 * Sets the time of one connection anew, or for the first time.
 *
 * @param silence The time in seconds.
 * @throws {Error} When the connection is closed.
 */
type Refresh = (silence: number) => void;

/** The connections in as many groups as there are seconds in a period, one group's turn a second. */
const groups: Set<Refresh>[] = Array.from({ length: PERIOD }, () => new Set());
let seconds = 0;
let timer: ReturnType<typeof setInterval> | undefined;
let loading: Promise<void> | undefined;

function refreshOneGroup(): void {
  loading ??= load().catch(() => {});
  const group = groups[++seconds % PERIOD]!;
  // A time that changes nothing might be skipped on the way to the system.
  const silence = SILENCE + Math.trunc(seconds / PERIOD) % 2;
  for (const refresh of group) {
    try {
      refresh(silence);
    } catch {
      group.delete(refresh);
    }
  }
  if (groups.some(({ size }) => size > 0)) return;
  clearInterval(timer);
  timer = undefined;
}

function add(refresh: Refresh): void {
  groups[seconds % PERIOD]!.add(refresh);
  if (timer !== undefined) return;
  timer = setInterval(refreshOneGroup, 1_000);
  Deno.unrefTimer(timer);
}

/** Opens node's handles; `null` where this release of Deno has other ones, or until they are loaded. */
let openHandle: OpenHandle | null = null;

async function load(): Promise<void> {
  const { loadHandles } = await import("./tcp_handle.ts"); // Not loaded at start.
  openHandle = await loadHandles();
}

/**
 * Sets what `Deno.TcpConn` cannot: a second descriptor of the same socket is opened by one of node's
 * handles, which can, and closed again. Where this release of Deno has no such handles, the system's
 * own times hold, two hours as a rule.
 */
function refreshTcpConn(conn: Deno.TcpConn, silence: number): void {
  conn.setKeepAlive(true); // It throws where the connection is closed.
  const handle = openHandle?.(conn);
  handle?.setKeepAlive(true, silence);
  handle?.close();
  try {
    conn.setKeepAlive(true);
  } catch (error) {
    openHandle = null; // Another release of Deno, in which that was not a second descriptor.
    throw error;
  }
}

/**
 * Has the system notice when the peer of a connection vanishes: its reads and writes fail then,
 * within two minutes of the last sign of life. It never cuts a peer that is alive, idle or not.
 * A peer on this machine cannot vanish unnoticed, and is left alone.
 *
 * Where bytes were under way to the peer when it vanished, the system repeats those instead, about
 * 15 minutes on Linux (`net.ipv4.tcp_retries2`).
 *
 * @param conn The connection. It needs no more than to be closed some day.
 */
export function keepAlive(conn: Deno.TcpConn): void {
  const { hostname } = conn.remoteAddr;
  // The first is quicker, and is what a transport has most of.
  if (hostname.startsWith("127.") || isLoopback(hostname)) return;
  add((silence) => refreshTcpConn(conn, silence));
}

/**
 * Does as {@linkcode keepAlive} for a socket of node's.
 *
 * @param socket The socket, connected.
 */
export function keepSocketAlive(socket: import("node:net").Socket): void {
  add((silence) => {
    if (socket.destroyed) throw new Deno.errors.BadResource();
    socket.setKeepAlive(true, silence * 1_000);
  });
}

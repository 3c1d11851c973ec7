/**
 * Connecting to the service behind a server's end of a tunnel.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { connectTcp, type StreamConn } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";
import { DialError } from "../net/dial.ts";
import { scrubAddresses } from "../scrub.ts";
import { connectUnix, isUnixSocket, type UnixSocket } from "./unix_socket.ts";

/** How long a service may take to accept, in milliseconds. */
const TIMEOUT = 30_000;

/**
 * Connects to a service.
 *
 * @param service Its address or its Unix socket.
 * @param signal Ends the attempt.
 * @returns The connection.
 * @throws {DialError} When nobody answers there.
 * @throws {unknown} The signal's reason when it aborts.
 */
export async function connectService(
  service: Readonly<Address> | UnixSocket,
  signal: AbortSignal,
): Promise<StreamConn> {
  const what = "The connection to the service";
  const host = isUnixSocket(service) ? "" : service[0];
  try {
    if (isUnixSocket(service)) return await connectUnix(service);
    return await withDeadline(TIMEOUT, what, signal, (signal) => connectTcp(service, signal));
  } catch (cause) {
    signal.throwIfAborted();
    const why = scrubAddresses(cause instanceof Error ? cause.message : String(cause), host);
    throw new DialError(`${what} failed: ${why}`, { cause });
  }
}

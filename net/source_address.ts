/**
 * TCP connections from a source address (`TOR_PT_OUTBOUND_BIND_ADDRESS_V4` and `_V6`, pt-spec
 * section 3.2.1), which only `node:net` can open. It is loaded when it is used.
 *
 * @module
 */

import { type Address, ipToBytes, isLoopback, unmappedIp } from "../address.ts";
import type { OutboundBindAddresses } from "../config.ts";
import { connectTcp, handshake, type StreamConn } from "./conn.ts";
import { unlessAborted, withDeadline } from "./deadline.ts";
import { CLOSED, denoError, fromDuplex } from "./duplex.ts";
import { keepSocketAlive } from "./keep_alive.ts";

/**
 * Chooses the source address for a destination: the one of its family, none for loopback.
 *
 * @param host The destination's IP address, without brackets.
 * @param outboundBindAddress The source addresses there are.
 * @returns The source address; `null` where the system chooses.
 * @throws {TypeError} When the host is a name.
 */
export function sourceAddress(
  host: string,
  outboundBindAddress: Readonly<OutboundBindAddresses>,
): string | null {
  const ip = unmappedIp(host);
  if (ip === null) throw new TypeError("A source address goes with an IP address, not a name");
  if (isLoopback(ip)) return null;
  return ip.includes(":") ? outboundBindAddress.v6 : outboundBindAddress.v4;
}

/** In `node:net` a missing permission for the source address is an error nobody can catch. */
function checkPermission(source: string): void {
  const host = source.includes(":") ? `[${source}]:0` : `${source}:0`;
  if (Deno.permissions.querySync({ name: "net", host }).state === "granted") return;
  throw new Deno.errors.NotCapable(
    "Deno was not granted the source address of TOR_PT_OUTBOUND_BIND_ADDRESS; " +
      "add it with port 0 to --allow-net",
  );
}

/** What is wrong with the source address, where it is that. */
function sourceError(cause: Error & { code?: unknown; syscall?: unknown }): unknown {
  // Deno chooses the port in mid-connect; node does in bind.
  if (cause.code === "EADDRINUSE") {
    return new Deno.errors.AddrInUse(
      "The source address of TOR_PT_OUTBOUND_BIND_ADDRESS has no free port left: each connection " +
        "takes one, whatever its destination; widen net.ipv4.ip_local_port_range",
      { cause },
    );
  }
  if (cause.syscall !== "bind") return denoError(cause);
  return new Deno.errors.AddrNotAvailable(
    "The source address of TOR_PT_OUTBOUND_BIND_ADDRESS is not one of this machine",
    { cause },
  );
}

/**
 * Opens a TCP connection from a source address. Both are IP addresses of one family.
 *
 * @param source The source address, without brackets.
 * @param target The IP address and port to connect to.
 * @param signal Ends the attempt.
 * @returns The connection, with `TCP_NODELAY` set.
 * @throws {Deno.errors.NotCapable} When Deno was not granted the source address (with port 0) or
 * the target.
 * @throws {Deno.errors.AddrNotAvailable} When the source address is not one of this machine.
 * @throws {Deno.errors.ConnectionRefused} When the target refuses.
 * @throws {unknown} The signal's reason when it aborts.
 */
export async function connectFrom(
  source: string,
  target: Readonly<Address>,
  signal: AbortSignal,
): Promise<StreamConn> {
  checkPermission(source);
  const { connect } = await import("node:net");
  signal.throwIfAborted();
  const socket = connect({
    host: target[0],
    port: target[1],
    localAddress: source,
    allowHalfOpen: true,
    noDelay: true,
  });
  const conn = fromDuplex(socket);
  await handshake(conn, signal, () =>
    new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", (error) => reject(sourceError(error)));
      socket.once("close", () => reject(new Deno.errors.Interrupted(CLOSED)));
    }));
  keepSocketAlive(socket);
  return conn;
}

/** The addresses of a name in the order of the system's preference (RFC 6724). */
async function resolve(name: string, signal: AbortSignal): Promise<string[]> {
  const { lookup } = await import("node:dns/promises");
  try {
    const found = await unlessAborted(lookup(name, { all: true, verbatim: true }), signal);
    return found.map(({ address }) => address);
  } catch (cause) {
    signal.throwIfAborted();
    if (Object(cause).code !== "EPERM") throw denoError(cause);
    throw new Deno.errors.NotCapable(
      "Deno was not granted to resolve a name for a source address; run it with --allow-net",
      { cause },
    );
  }
}

async function connectIp(
  host: string,
  port: number,
  outboundBindAddress: Readonly<OutboundBindAddresses>,
  signal: AbortSignal,
): Promise<StreamConn> {
  const source = sourceAddress(host, outboundBindAddress);
  if (source === null) return await connectTcp([host, port], signal);
  return await connectFrom(source, [unmappedIp(host) ?? host, port], signal);
}

/** How long one address of a name may keep the next one waiting, in milliseconds. */
const LONGEST_ATTEMPT = 10_000;

/**
 * Opens a TCP connection from the source address of the target's family; of the system's choice
 * for loopback and for a family without one.
 *
 * A name may have addresses of both families. They are tried one after the other, each from its
 * own source address and each for at most 10 s. Deno cannot know these addresses beforehand, so
 * a name needs `--allow-net` without a list.
 *
 * @param target An IP address without brackets or a name, and a port.
 * @param outboundBindAddress The source addresses.
 * @param signal Ends the attempt.
 * @returns The connection, with `TCP_NODELAY` set.
 * @throws {Error} What {@linkcode connectFrom} throws, or `Deno.connect`; for a name what the
 * last attempt threw.
 */
export async function connectBound(
  [host, port]: Readonly<Address>,
  outboundBindAddress: Readonly<OutboundBindAddresses>,
  signal: AbortSignal,
): Promise<StreamConn> {
  if (ipToBytes(host) !== null) return await connectIp(host, port, outboundBindAddress, signal);
  let failure: unknown;
  for (const address of await resolve(host, signal)) {
    try {
      return await withDeadline(
        LONGEST_ATTEMPT,
        "The connection to an address of it",
        signal,
        (attempt) => connectIp(address, port, outboundBindAddress, attempt),
      );
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

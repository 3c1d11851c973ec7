/**
 * The way out of a client: to the target itself, or through the upstream proxy.
 *
 * @module
 */

import { type Address, ipToBytes } from "../address.ts";
import type { ProxyInfo } from "../config.ts";
import { Deadline, handshake } from "./deadline.ts";
import { connectThrough } from "./proxy.ts";

const DEFAULT_TIMEOUT = 60_000;

/**
 * No connection to the target came about. The message says why and holds no address; `cause` is
 * the error below.
 *
 * @example
 * ```ts
 * import { dial, DialError, replyFor } from "@ptlib/ptlib/net";
 *
 * const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * closed.close();
 * let failure: unknown;
 * try {
 *   await dial(["127.0.0.1", closed.addr.port]);
 * } catch (error) {
 *   failure = error;
 * }
 * if (!(failure instanceof DialError) || replyFor(failure) !== 5) throw failure;
 * ```
 */
export class DialError extends Error {
  /** The name of the class. */
  override readonly name: string = "DialError";
}

/**
 * How {@linkcode dial} connects.
 *
 * @example
 * ```ts
 * import type { DialOptions } from "@ptlib/ptlib/net";
 *
 * const options: DialOptions = { proxy: { scheme: "socks5", host: "127.0.0.1", port: 1080 } };
 * ```
 */
export interface DialOptions {
  /** The upstream proxy, through which alone is connected; `null` for none. */
  proxy?: Readonly<ProxyInfo> | null | undefined;
  /** How long it may take in milliseconds, the proxy's handshake included. Default: 60,000. */
  timeout?: number | undefined;
  /** Ends the attempt. */
  signal?: AbortSignal | undefined;
}

/** Why a connection attempt failed, without the addresses that Deno's messages can hold. */
function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) {
    return "Deno was not granted it; add its address to --allow-net";
  }
  return error instanceof Error ? error.message : String(error);
}

async function connect(
  [hostname, port]: Readonly<Address>,
  peer: string,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  try {
    const conn = await Deno.connect({ hostname, port, signal });
    conn.setNoDelay();
    return conn;
  } catch (cause) {
    signal.throwIfAborted();
    throw new DialError(`The connection to the ${peer} failed: ${reason(cause)}`, { cause });
  }
}

/** Nothing but the proxy is connected to, and nothing at all is resolved. */
async function dialThrough(
  proxy: Readonly<ProxyInfo>,
  target: Readonly<Address>,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  if (ipToBytes(proxy.host) === null) {
    throw new TypeError("The host of an upstream proxy is a numeric IP address without brackets");
  }
  const conn = await connect([proxy.host, proxy.port], "upstream proxy", signal);
  try {
    await handshake(conn, signal, () => connectThrough(conn, proxy, target));
    return conn;
  } catch (cause) {
    signal.throwIfAborted();
    throw new DialError(`The upstream proxy did not connect: ${reason(cause)}`, { cause });
  }
}

/**
 * Connects to a target, directly or through the upstream proxy (`TOR_PT_PROXY`, pt-spec section
 * 3.2.2).
 *
 * With a proxy nothing else is ever connected to and a name is left for the proxy to resolve; when
 * the proxy fails, so does this. Directly, a name's addresses are raced (RFC 8305).
 *
 * @param target An IP address without brackets or a name, and a port.
 * @param options The proxy, a deadline, a signal.
 * @returns The connection, with `TCP_NODELAY` set. Nothing of what the target sent is read yet,
 * so that `Deno.startTls` takes it, too.
 * @throws {DialError} When it fails. {@linkcode replyFor} turns it into a SOCKS reply.
 * @throws {DOMException} A `TimeoutError` when it takes too long.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example Directly
 * ```ts
 * import { dial } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using conn = await dial(["127.0.0.1", listener.addr.port]);
 * if (conn.remoteAddr.port !== listener.addr.port) throw new Error();
 * ```
 *
 * @example Through a proxy
 * ```ts
 * import { connectThrough, dial, readFull, writeAll } from "@ptlib/ptlib/net";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const proxy = { scheme: "socks5", host: "127.0.0.1", port: listener.addr.port } as const;
 * const [conn] = await Promise.all([dial(["example.com", 443], { proxy }), serve()]);
 * conn.close();
 *
 * async function serve() {
 *   using accepted = await listener.accept();
 *   await readFull(accepted, new Uint8Array(3));
 *   await writeAll(accepted, Uint8Array.of(5, 0));
 *   await readFull(accepted, new Uint8Array(4 + 1 + 11 + 2));
 *   await writeAll(accepted, Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
 * }
 * ```
 */
export async function dial(
  target: Readonly<Address>,
  options: Readonly<DialOptions> = {},
): Promise<Deno.TcpConn> {
  const { proxy = null, timeout = DEFAULT_TIMEOUT, signal } = options;
  using deadline = new Deadline(timeout, "The connection to the target", signal);
  deadline.signal.throwIfAborted();
  if (proxy !== null) return await dialThrough(proxy, target, deadline.signal);
  return await connect(target, "target", deadline.signal);
}

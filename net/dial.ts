/**
 * The way out of a client, to the target itself or through the upstream proxy.
 *
 * @module
 */

import { type Address, canBeName, ipToBytes } from "../address.ts";
import type { OutboundBindAddresses, ProxyInfo } from "../config.ts";
import { scrubAddresses } from "../scrub.ts";
import { connectTcp, handshake, type StreamConn } from "./conn.ts";
import { withDeadline } from "./deadline.ts";

const DEFAULT_TIMEOUT = 60_000;

/**
 * The connection to the target failed. The message says why and contains no address; `cause` is the
 * underlying error.
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
  /** The upstream proxy. Every connection is made through it; `null` for none. */
  proxy?: Readonly<ProxyInfo> | null | undefined;
  /**
   * The source address for each family, on the way to the proxy, too; not used for loopback.
   * Deno must be granted it with port 0, as in `--allow-net=203.0.113.7:0,[2001:db8::7]:0`.
   */
  outboundBindAddress?: Readonly<OutboundBindAddresses> | null | undefined;
  /**
   * How long it may take in milliseconds, the proxy's handshake included. Default: 60,000;
   * `Infinity` leaves it to the signal.
   */
  timeout?: number | undefined;
  /** Ends the attempt. */
  signal?: AbortSignal | undefined;
}

/** Opens a TCP connection, from a source address or not. */
type Connect<C extends StreamConn> = (
  address: Readonly<Address>,
  signal: AbortSignal,
) => Promise<C>;

/** Why a connection attempt failed, without the address or name that Deno's own message holds. */
function reason(error: unknown, host: string): string {
  if (error instanceof Deno.errors.NotCapable && error.message.startsWith("Requires net access")) {
    return "Deno was not granted it; add its address and port to --allow-net";
  }
  return scrubAddresses(error instanceof Error ? error.message : String(error), host);
}

async function connectTo<C extends StreamConn>(
  peer: string,
  address: Readonly<Address>,
  connect: Connect<C>,
  signal: AbortSignal,
): Promise<C> {
  try {
    return await connect(address, signal);
  } catch (cause) {
    signal.throwIfAborted();
    const why = reason(cause, address[0]);
    throw new DialError(`The connection to ${peer} failed: ${why}`, { cause });
  }
}

/** Nothing but the proxy is connected to, and nothing at all is resolved. */
async function dialThrough<C extends StreamConn>(
  proxy: Readonly<ProxyInfo>,
  target: Readonly<Address>,
  connect: Connect<C>,
  signal: AbortSignal,
): Promise<C> {
  if (ipToBytes(proxy.host) === null) {
    throw new TypeError("The host of an upstream proxy is a numeric IP address without brackets");
  }
  const { askProxy } = await import("./proxy.ts"); // Loaded by those who have a proxy.
  const conn = await connectTo("the upstream proxy", [proxy.host, proxy.port], connect, signal);
  try {
    await handshake(conn, signal, () => askProxy(conn, proxy, target));
    return conn;
  } catch (cause) {
    signal.throwIfAborted();
    const why = reason(cause, target[0]);
    throw new DialError(`The upstream proxy did not connect: ${why}`, { cause });
  }
}

function dialBy<C extends StreamConn>(
  peer: string,
  connect: Connect<C>,
  target: Readonly<Address>,
  { proxy = null, timeout = DEFAULT_TIMEOUT, signal: outer }: Readonly<DialOptions>,
): Promise<C> {
  return withDeadline(
    timeout,
    `The connection to ${peer}`,
    outer,
    (signal) =>
      proxy === null
        ? connectTo(peer, target, connect, signal)
        : dialThrough(proxy, target, connect, signal),
  );
}

/**
 * Connects to a target, directly or through the upstream proxy (`TOR_PT_PROXY`, pt-spec section
 * 3.2.2).
 *
 * With a proxy, only the proxy is connected to, and it resolves the host name; if it fails, no
 * direct connection is tried. Without one, a name's addresses are raced (Happy Eyeballs, RFC 8305).
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
 * import { dial, readFull, writeAll } from "@ptlib/ptlib/net";
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
export function dial(
  target: Readonly<Address>,
  options?: Readonly<DialOptions & { outboundBindAddress?: null | undefined }>,
): Promise<Deno.TcpConn>;
/**
 * Connects to a target from a source address (`TOR_PT_OUTBOUND_BIND_ADDRESS_V4` and `_V6`,
 * pt-spec section 3.2.1), directly or through the upstream proxy.
 *
 * `Deno.connect` cannot set a source address, so `node:net` is loaded and used when there is one.
 * Without a proxy, the addresses of a name are then tried one after the other, each from the source
 * address of its family; this needs `--allow-net` without a list of hosts.
 *
 * @param target An IP address without brackets or a name, and a port.
 * @param options The source addresses, the proxy, a deadline, a signal.
 * @returns The connection.
 * @throws {DialError} When it fails. {@linkcode replyFor} turns it into a SOCKS reply, which is 2
 * where Deno was not granted the source address.
 * @throws {DOMException} A `TimeoutError` when it takes too long.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example From a source address
 * ```ts
 * import { dial } from "@ptlib/ptlib/net";
 * import { readOutboundBindAddresses } from "@ptlib/ptlib/config";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const outboundBindAddress = readOutboundBindAddresses((name) => name.endsWith("_V4") ? "203.0.113.7" : undefined);
 * const conn = await dial(["127.0.0.1", listener.addr.port], { outboundBindAddress });
 * conn.close();
 * ```
 */
export function dial(
  target: Readonly<Address>,
  options: Readonly<DialOptions>,
): Promise<StreamConn>;
export function dial(
  target: Readonly<Address>,
  options: Readonly<DialOptions> = {},
): Promise<StreamConn> {
  return dialPeer("the target", target, options);
}

/** The same, with errors that name the target for what it is, such as "the bridge". */
export async function dialPeer(
  peer: string,
  target: Readonly<Address>,
  options: Readonly<DialOptions>,
): Promise<StreamConn> {
  if (ipToBytes(target[0]) === null && !canBeName(target[0])) {
    throw new DialError("The target is neither an IP address nor a DNS name");
  }
  const { outboundBindAddress = null } = options;
  if (
    outboundBindAddress === null ||
    outboundBindAddress.v4 === null && outboundBindAddress.v6 === null
  ) {
    return await dialBy(peer, connectTcp, target, options);
  }
  const { connectBound } = await import("./source_address.ts"); // Loaded by those who have a source address.
  const connect: Connect<StreamConn> = (address, signal) =>
    connectBound(address, outboundBindAddress, signal);
  return await dialBy(peer, connect, target, options);
}

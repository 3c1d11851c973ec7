/**
 * A transport without SOCKS and without tor, in a program's own process.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { ProxyInfo } from "../config.ts";
import { closeQuietly, type StreamConn } from "../net/conn.ts";
import { dial as dialDirectly } from "../net/dial.ts";
import { makeStateDirectory } from "../util.ts";
import { checkConn, Lifetime } from "./connection_lifetime.ts";
import type { Flags, Transport } from "./transport.ts";

/**
 * How {@linkcode connectThrough} connects.
 *
 * @example
 * ```ts
 * import type { ConnectThroughOptions } from "@ptlib/ptlib/run";
 *
 * const options: ConnectThroughOptions = {
 *   args: [["secret", "swordfish"]],
 *   proxy: { scheme: "socks5", host: "127.0.0.1", port: 1080 },
 * };
 * ```
 */
export interface ConnectThroughOptions {
  /** What the transport needs to know, as a bridge line has it. */
  args?: Iterable<readonly [string, string]> | undefined;
  /** The upstream proxy. Every connection is made through it; `null` for none. */
  proxy?: Readonly<ProxyInfo> | null | undefined;
  /**
   * How the transport connects, in place of `dial()` of `./net`: for instance through another
   * transport. It cannot be combined with `proxy`, because it could bypass the proxy.
   */
  dial?:
    | ((target: Readonly<Address>, options: { signal: AbortSignal }) => Promise<StreamConn>)
    | undefined;
  /** What its flags are set to, for a transport that has some. */
  flags?: Flags | undefined;
  /** A directory in which it may keep files; it is created when the transport asks for it. */
  stateDirectory?: string | undefined;
  /** How long it may take in milliseconds. Default: 60,000. */
  timeout?: number | undefined;
  /** Ends the attempt. */
  signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT = 60_000;

/** Where a transport keeps files. */
function stateOf(path: string | undefined) {
  return {
    state_loc: path ?? "",
    async stateDirectory() {
      if (path === undefined) {
        throw new TypeError("The transport keeps files: give connectThrough() a stateDirectory");
      }
      await makeStateDirectory(path);
      return path;
    },
  };
}

/** A connection whose end is the end of everything that belongs to it. */
function owning(conn: StreamConn, life: Lifetime): StreamConn {
  let ended = false;
  return {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    async closeWrite() {
      await conn.closeWrite();
      ended = true;
    },
    close() {
      if (!ended) return life[Symbol.dispose]();
      closeQuietly(conn);
      void life.finish([conn]);
    },
  };
}

/**
 * Connects to a target through a transport's client, in this process: without SOCKS and without
 * tor.
 *
 * Transports compose, because each makes a connection of a connection: give one as the `dial` of
 * another.
 *
 * @param transport The transport; its client is used.
 * @param target Where to connect; for most transports this is the bridge.
 * @param options The arguments, the proxy or another way to connect, a deadline, a signal.
 * @returns The connection; its bytes go through the transport. Closing it closes everything that
 * the transport has dialled for it.
 * @throws {DialError} When the target, or the proxy, cannot be reached, as far as the transport
 * does not throw an error of its own.
 * @throws {DOMException} A `TimeoutError` when it takes too long.
 * @throws {TypeError} When the transport has no client, or there are both a proxy and a `dial`.
 * @throws {unknown} The signal's reason when it aborts, or what the transport throws.
 *
 * @example Through an upstream proxy
 * ```ts
 * import type { StreamConn } from "@ptlib/ptlib/net";
 * import { connectThrough, type Transport } from "@ptlib/ptlib/run";
 *
 * async function connect(transport: Transport): Promise<StreamConn> {
 *   return await connectThrough(transport, ["192.0.2.7", 443], {
 *     args: [["secret", "swordfish"]],
 *     proxy: { scheme: "socks5", host: "127.0.0.1", port: 1080 },
 *   });
 * }
 * ```
 *
 * @example One transport inside another
 * ```ts
 * import type { Address } from "@ptlib/ptlib";
 * import type { StreamConn } from "@ptlib/ptlib/net";
 * import { connectThrough, type Transport } from "@ptlib/ptlib/run";
 *
 * function nested(outer: Transport, inner: Transport, target: Address): Promise<StreamConn> {
 *   return connectThrough(inner, target, {
 *     dial: (to, { signal }) => connectThrough(outer, to, { signal }),
 *   });
 * }
 * ```
 */
export async function connectThrough(
  transport: Transport,
  target: Readonly<Address>,
  options: Readonly<ConnectThroughOptions> = {},
): Promise<StreamConn> {
  const {
    args = [],
    proxy = null,
    dial,
    flags = {},
    signal: outer = new AbortController().signal,
  } = options;
  const { client } = transport;
  if (client === undefined) throw new TypeError("The transport has no client half");
  if (proxy !== null && dial !== undefined) {
    throw new TypeError("proxy and dial exclude each other: dial could go around the proxy");
  }
  outer.throwIfAborted();
  const life = new Lifetime(outer);
  const { signal } = life;
  const { timeout = DEFAULT_TIMEOUT } = options;
  const open = dial ?? ((to, options) => dialDirectly(to, { ...options, proxy, timeout }));
  try {
    const conn = await life.carry(
      timeout,
      () =>
        client({
          ...stateOf(options.stateDirectory),
          flags,
          signal,
          target: [target[0], target[1]],
          args: new URLSearchParams(Array.from(args, ([key, value]) => [key, value])),
          dial: async (to = target) => life.own(await open(to, { signal })),
        }),
      (conn) => life.own(checkConn(conn)),
    );
    life.release();
    return owning(conn, life);
  } catch (error) {
    life[Symbol.dispose]();
    throw error;
  }
}

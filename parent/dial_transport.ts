/**
 * Connecting through the client half of a transport, as tor does it (pt-spec section 3.5).
 *
 * @module
 */

import type { Address } from "../address.ts";
import { formatSocksArgs } from "../args.ts";
import { connectTcp, handshake, type StreamConn } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";
import { DialError } from "../net/dial.ts";
import { connectSocks4, connectSocks5, type SocksCredentials } from "../net/proxy.ts";
import type { ClientMethod } from "./line.ts";

/** As long as tor waits for a SOCKS proxy, in milliseconds: a transport may search for a way. */
const TIMEOUT = 120_000;

const FIELD = 255;

/** Spreads the arguments over the fields of RFC 1929; the second is NUL where one is enough. */
function credentials(args: Uint8Array): SocksCredentials | undefined {
  if (args.length === 0) return undefined;
  if (args.length > 2 * FIELD) {
    throw new TypeError(`The arguments have ${args.length} bytes; SOCKS5 carries up to 510`);
  }
  const password = args.length > FIELD ? args.subarray(FIELD) : Uint8Array.of(0);
  return { user: args.subarray(0, FIELD), password };
}

/**
 * Connects to a target through a transport's client (pt-spec section 3.5).
 *
 * The arguments travel in the user name and password of SOCKS5, 255 bytes in the first and the
 * rest in the second, or in the user id of SOCKS4. It takes 2 minutes at most.
 *
 * @param method Where the client listens: one of {@linkcode TransportProcess.methods}.
 * @param target Where to connect; for most transports this is the bridge. A host that is not
 * numeric is sent as a name.
 * @param args What the transport needs to know for this connection, such as a certificate. A
 * server's `SMETHOD` line names them.
 * @param options.signal Ends the attempt.
 * @returns The connection; its bytes go through the transport.
 * @throws {DialError} When the client does not connect; the cause tells what it replied.
 * @throws {TypeError} When target or arguments do not fit into a request.
 * @throws {DOMException} A `TimeoutError` when the client takes too long.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example
 * ```ts
 * import { listenSocks } from "@ptlib/ptlib/net";
 * import { dialTransport } from "@ptlib/ptlib/parent";
 *
 * // Stands for the client of a transport.
 * using socks = listenSocks();
 * async function serve(): Promise<void> {
 *   for await (const request of socks) {
 *     if (request.args.get("cert") !== "a;b") throw new Error();
 *     (await request.grant()).close();
 *     return;
 *   }
 * }
 * const method = { socksVersion: 5, address: socks.address } as const;
 * const [conn] = await Promise.all([dialTransport(method, ["192.0.2.7", 443], [["cert", "a;b"]]), serve()]);
 * conn.close();
 * ```
 */
export async function dialTransport(
  method: Readonly<Pick<ClientMethod, "socksVersion" | "address">>,
  target: Readonly<Address>,
  args: Iterable<readonly [string, string]> = [],
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Deno.TcpConn> {
  const bytes = new TextEncoder().encode(formatSocksArgs(args));
  const fields = method.socksVersion === 5 ? credentials(bytes) : undefined;
  const ask = (conn: StreamConn) =>
    method.socksVersion === 5
      ? connectSocks5(conn, target, fields)
      : connectSocks4(conn, target, bytes);
  const what = "The connection through the transport";
  return await withDeadline(TIMEOUT, what, options.signal, async (signal) => {
    try {
      const conn = await connectTcp(method.address, signal);
      await handshake(conn, signal, () => ask(conn));
      return conn;
    } catch (cause) {
      signal.throwIfAborted();
      if (!(cause instanceof Error) || cause instanceof TypeError) throw cause;
      throw new DialError(`The transport did not connect: ${cause.message}`, { cause });
    }
  });
}

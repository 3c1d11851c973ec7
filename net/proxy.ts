/**
 * The upstream proxy of `TOR_PT_PROXY`, asked in its own protocol.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { ProxyInfo } from "../config.ts";
import type { StreamConn } from "./conn.ts";
import { connectHttp } from "./http_connect.ts";
import { connectSocks4, connectSocks5 } from "./socks_client.ts";

const utf8 = new TextEncoder();

function socks5Through(
  conn: StreamConn,
  { user, password }: Readonly<ProxyInfo>,
  target: Readonly<Address>,
): Promise<void> {
  if (user === undefined) return connectSocks5(conn, target);
  return connectSocks5(conn, target, {
    user: utf8.encode(user),
    password: utf8.encode(password ?? ""),
  });
}

function socks4Through(
  conn: StreamConn,
  { user = "", password }: Readonly<ProxyInfo>,
  target: Readonly<Address>,
): Promise<void> {
  if (password !== undefined) throw new TypeError("socks4a knows no password");
  return connectSocks4(conn, target, utf8.encode(user));
}

function httpThrough(
  conn: StreamConn,
  { user, password = "" }: Readonly<ProxyInfo>,
  target: Readonly<Address>,
): Promise<void> {
  return connectHttp(conn, target, user === undefined ? undefined : { user, password });
}

/**
 * Asks an upstream proxy to connect to the target (pt-spec section 3.2.2), in the protocol of its
 * scheme. The target's name is sent as it is: nothing is resolved here.
 *
 * Every message is read exactly, so the first bytes of the target wait in the connection.
 *
 * @param conn A connection to the proxy. After an error it is of no more use; the caller closes it.
 * @param proxy The proxy's scheme and credentials.
 * @param target Where the proxy shall connect.
 * @returns A promise that resolves when the connection is the target's.
 * @throws {SocksReplyError} When a SOCKS proxy could not connect or does not want to.
 * @throws {HttpConnectError} When an HTTP proxy could not connect or does not want to.
 * @throws {Deno.errors.PermissionDenied} When a SOCKS5 proxy does not take the authentication.
 * @throws {Deno.errors.InvalidData} When it speaks another protocol.
 * @throws {Deno.errors.UnexpectedEof} When it closed the connection instead.
 * @throws {TypeError} When the target or the credentials do not fit into the protocol.
 */
export async function connectThrough(
  conn: StreamConn,
  proxy: Readonly<ProxyInfo>,
  target: Readonly<Address>,
): Promise<void> {
  switch (proxy.scheme) {
    case "socks5":
      return await socks5Through(conn, proxy, target);
    case "socks4a":
      return await socks4Through(conn, proxy, target);
    case "http":
      return await httpThrough(conn, proxy, target);
    default:
      throw new TypeError("The scheme of an upstream proxy is http, socks4a or socks5");
  }
}

/**
 * The upstream proxy of `TOR_PT_PROXY`, asked in its own protocol: SOCKS, or HTTP CONNECT (RFC 9110
 * section 9.3.6).
 *
 * @module
 */

import { type Address, ipToBytes, scrubAddresses } from "../address.ts";
import type { ProxyInfo } from "../config.ts";
import { readFull, type StreamConn, writeAll } from "./conn.ts";
import { connectSocks4, connectSocks5 } from "./socks_client.ts";

/** A proxy's whole reply head, which a page of cookies may precede, is no longer than this. */
const LONGEST_HEAD = 16 * 1024;

const LF = 10;
const CR = 13;

const utf8 = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** The SOCKS5 replies for statuses; general failure for the others. */
const REPLIES: Readonly<Record<number, number>> = {
  401: 2,
  403: 2,
  405: 2,
  407: 2,
  502: 4,
  503: 4,
  504: 6,
};

/**
 * The HTTP proxy answered that it did not connect.
 */
export class HttpConnectError extends Error {
  /** The name of the class. */
  override readonly name: string = "HttpConnectError";
  /** The status code of the reply, such as 407. */
  readonly status: number;
  /** The SOCKS5 reply that says the same, from 1 to 8. */
  readonly reply: number;

  /**
   * Words the reply.
   *
   * @param status The status code.
   * @param reason The reason phrase, printable; may be empty.
   */
  constructor(status: number, reason: string) {
    super(`The HTTP proxy replied: ${`${status} ${reason}`.trimEnd()}`);
    this.status = status;
    this.reply = REPLIES[status] ?? 1;
  }
}

/**
 * Who asks an HTTP proxy, by the Basic scheme (RFC 7617).
 */
export interface HttpCredentials {
  /** The user's name, without a colon. */
  user: string;
  /** The password; may be empty. */
  password: string;
}

/** The target as the request names it; throws for a host that would break out of its line. */
function authority([host, port]: Readonly<Address>): string {
  const bytes = ipToBytes(host);
  // A name of RFC 3986: nothing that could end the line, the word or the host.
  if (bytes === null && !/^[\w.~!$&'()*+,;=%-]+$/.test(host)) {
    throw new TypeError("The target's name cannot be written into an HTTP request");
  }
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new TypeError("The port must be a whole number from 1 to 65535");
  }
  return bytes?.length === 16 ? `[${host}]:${port}` : `${host}:${port}`;
}

function basic({ user, password }: Readonly<HttpCredentials>): string {
  if (user.includes(":")) throw new TypeError("HTTP knows no colon in a user's name");
  return `Basic ${utf8.encode(`${user}:${password}`).toBase64()}`;
}

/** Reads up to the blank line and not a byte further; what follows belongs to the stream. */
async function readHead(conn: StreamConn): Promise<string> {
  const head: number[] = [];
  const byte = new Uint8Array(1);
  for (let lineStart = 0; head.length < LONGEST_HEAD;) {
    const [next = 0] = await readFull(conn, byte);
    head.push(next);
    if (next !== LF) continue;
    const end = head.at(-2) === CR ? head.length - 2 : head.length - 1;
    if (end === lineStart) return latin1.decode(Uint8Array.from(head));
    lineStart = head.length;
  }
  throw new Deno.errors.InvalidData(
    `The HTTP proxy's reply head is longer than ${LONGEST_HEAD} bytes`,
  );
}

function parseStatus(head: string): [status: number, reason: string] {
  const [, status, reason = ""] =
    /^HTTP\/1\.[0-9] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n/.exec(head) ??
      [];
  if (status === undefined) throw new Deno.errors.InvalidData("The proxy does not speak HTTP/1.1");
  return [Number(status), reason];
}

/** A reason phrase fit for a log: printable, short, and without the address that was asked for. */
function presentable(reason: string, host: string): string {
  const scrubbed = scrubAddresses(reason).replaceAll(host, "[scrubbed]");
  return scrubbed.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}

/**
 * Asks an HTTP proxy to connect (RFC 9110 section 9.3.6). Any 2xx grants. What the proxy sent
 * behind the blank line is left for whoever reads the connection next.
 *
 * @param conn A connection to the proxy. After an error it is of no more use; the caller closes it.
 * @param target Where to connect. A host that is not a numeric address is sent as a name.
 * @param credentials User and password for `Proxy-Authorization: Basic`.
 * @returns A promise that resolves when the connection is the target's.
 * @throws {HttpConnectError} When the proxy could not connect or does not want to.
 * @throws {Deno.errors.InvalidData} When it does not speak HTTP/1.1, or its head does not end.
 * @throws {Deno.errors.UnexpectedEof} When it closed the connection instead.
 * @throws {TypeError} When the target or the credentials do not fit into a request.
 */
export async function connectHttp(
  conn: StreamConn,
  target: Readonly<Address>,
  credentials?: Readonly<HttpCredentials> | undefined,
): Promise<void> {
  const to = authority(target);
  const lines = [`CONNECT ${to} HTTP/1.1`, `Host: ${to}`];
  if (credentials !== undefined) lines.push(`Proxy-Authorization: ${basic(credentials)}`);
  await writeAll(conn, utf8.encode(`${lines.join("\r\n")}\r\n\r\n`));
  for (;;) {
    const [status, reason] = parseStatus(await readHead(conn));
    // 1xx announces the real reply (RFC 9110 section 15.2).
    if (status < 200 && status !== 101) continue;
    if (status < 200 || status > 299) {
      throw new HttpConnectError(status, presentable(reason, target[0]));
    }
    return;
  }
}

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

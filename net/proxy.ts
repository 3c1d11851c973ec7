/**
 * The client's part of SOCKS5 (RFC 1928, RFC 1929), SOCKS4 and HTTP CONNECT (RFC 9110 section
 * 9.3.6), on a connection that is already open, and how `TOR_PT_PROXY` is asked by them.
 *
 * Each message is read exactly, and not a byte further. Deadlines are the caller's, by
 * {@linkcode Deadline}.
 *
 * @module
 */

import { type Address, ipToBytes } from "../address.ts";
import type { ProxyInfo } from "../config.ts";
import { scrubAddresses } from "../scrub.ts";
import { readFull, type StreamConn, writeAll } from "./conn.ts";
import { HeadError, readHeadBy } from "./head.ts";

const utf8 = new TextEncoder();

const GRANTED = { 4: 90, 5: 0 } as const;

const MEANINGS: Readonly<Record<number, string>> = {
  1: "general failure",
  2: "not allowed by its rules",
  3: "network unreachable",
  4: "host unreachable",
  5: "connection refused",
  6: "TTL expired",
  7: "command not supported",
  8: "address type not supported",
  91: "request rejected or failed",
  92: "it cannot reach an identd at this host",
  93: "the identd at this host says another user id",
};

/**
 * The proxy answered that it did not connect (RFC 1928 section 6, and SOCKS4).
 *
 * @example
 * ```ts
 * import { SocksReplyError } from "@ptlib/ptlib/parent";
 *
 * const error = new SocksReplyError(5);
 * if (error.message !== "The SOCKS proxy replied: connection refused (5)") throw error;
 * ```
 */
export class SocksReplyError extends Error {
  /** The name of the class. */
  override readonly name: string = "SocksReplyError";
  /** The reply as it came: 1 to 8 from SOCKS5, 91 to 93 from SOCKS4. */
  readonly code: number;
  /** The SOCKS5 reply that says the same, from 1 to 8. */
  readonly reply: number;

  /**
   * Creates the error.
   *
   * @param code The reply's number.
   */
  constructor(code: number) {
    super(`The SOCKS proxy replied: ${MEANINGS[code] ?? "an unknown failure"} (${code})`);
    this.code = code;
    // SOCKS4 has only "no" and "not you".
    this.reply = code === 92 || code === 93 ? 2 : code >= 1 && code <= 8 ? code : 1;
  }
}

/**
 * The two fields with which a client authenticates (RFC 1929), and in which the arguments of a
 * transport travel.
 */
export interface SocksCredentials {
  /** The user name, 1 to 255 bytes. */
  user: Uint8Array;
  /** The password, 1 to 255 bytes. */
  password: Uint8Array;
}

/** The bytes of a field whose length is one byte. */
function field(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length < 1 || bytes.length > 255) {
    throw new TypeError(`${what} has ${bytes.length} bytes; SOCKS takes 1 to 255`);
  }
  return bytes;
}

function portBytes(port: number): [number, number] {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new TypeError("The port must be a whole number from 0 to 65535");
  }
  return [port >> 8, port & 0xff];
}

/** The address of a request: IPv4 and IPv6 as such, all else as a name for the proxy to resolve. */
function socks5Address(host: string): Uint8Array {
  const ip = ipToBytes(host);
  if (ip !== null) return Uint8Array.of(ip.length === 4 ? 1 : 4, ...ip);
  const name = field(utf8.encode(host), "The target's name");
  return Uint8Array.of(3, name.length, ...name);
}

/** The proxy broke the protocol, so nothing it said can be trusted. */
function violation(what: string): Error {
  return new Deno.errors.InvalidData(`The SOCKS proxy ${what}`);
}

async function negotiateMethod(conn: StreamConn, method: number): Promise<void> {
  await writeAll(conn, Uint8Array.of(5, 1, method));
  const [version, chosen] = await readFull(conn, new Uint8Array(2));
  if (version !== 5) throw violation("does not speak SOCKS5");
  if (chosen === method) return;
  if (chosen !== 0xff) throw violation("chose an authentication that was not offered");
  throw new Deno.errors.PermissionDenied(
    method === 2
      ? "The SOCKS proxy does not take a user and password"
      : "The SOCKS proxy wants authentication, and there are no user and password for it",
  );
}

async function authenticate(
  conn: StreamConn,
  user: Uint8Array,
  password: Uint8Array,
): Promise<void> {
  await writeAll(conn, Uint8Array.of(1, user.length, ...user, password.length, ...password));
  const [version, status] = await readFull(conn, new Uint8Array(2));
  if (version !== 1) throw violation("answers the authentication in another version");
  if (status === 0) return;
  throw new Deno.errors.PermissionDenied("The SOCKS proxy refused the user and password");
}

/** How many bytes of BND.ADDR and BND.PORT follow the first five bytes of a reply. */
function rest(addressType: number | undefined, first: number | undefined): number {
  switch (addressType) {
    case 1:
      return 3 + 2;
    case 4:
      return 15 + 2;
    case 3:
      return (first ?? 0) + 2;
    default:
      throw violation("replied with an unknown address type");
  }
}

async function readSocks5Reply(conn: StreamConn): Promise<void> {
  // A refusal may be cut short behind its code, so the code is looked at first.
  const [version, code = 1] = await readFull(conn, new Uint8Array(2));
  if (version !== 5) throw violation("does not speak SOCKS5");
  if (code !== GRANTED[5]) throw new SocksReplyError(code);
  const [, addressType, first] = await readFull(conn, new Uint8Array(3));
  await readFull(conn, new Uint8Array(rest(addressType, first)));
}

/**
 * Asks a SOCKS5 proxy to connect (RFC 1928, RFC 1929).
 *
 * With credentials, nothing but user and password is offered, and without them nothing but no
 * authentication: a proxy can never be used in another way than was meant.
 *
 * @param conn A connection to the proxy. After an error it is of no more use; the caller closes it.
 * @param target Where to connect. A host that is not a numeric address is sent as a name.
 * @param credentials User and password, in which a transport's arguments travel too.
 * @returns A promise that resolves when the connection is the target's.
 * @throws {SocksReplyError} When the proxy could not connect or does not want to.
 * @throws {Deno.errors.PermissionDenied} When it does not take the authentication.
 * @throws {Deno.errors.InvalidData} When it does not speak SOCKS5.
 * @throws {Deno.errors.UnexpectedEof} When it closed the connection instead.
 * @throws {TypeError} When the target or the credentials do not fit into a request.
 */
export async function connectSocks5(
  conn: StreamConn,
  target: Readonly<Address>,
  credentials?: Readonly<SocksCredentials> | undefined,
): Promise<void> {
  const request = Uint8Array.of(5, 1, 0, ...socks5Address(target[0]), ...portBytes(target[1]));
  if (credentials === undefined) {
    await negotiateMethod(conn, 0);
  } else {
    const user = field(credentials.user, "The user name");
    const password = field(credentials.password, "The password");
    await negotiateMethod(conn, 2);
    await authenticate(conn, user, password);
  }
  await writeAll(conn, request);
  await readSocks5Reply(conn);
}

function terminated(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.includes(0)) throw new TypeError(`${what} has a NUL byte, which ends it in SOCKS4`);
  return Uint8Array.of(...bytes, 0);
}

/** The IPv4 address of a SOCKS4 request, and what follows the user id. */
function socks4Address(host: string): [ip: Uint8Array, name: Uint8Array] {
  const ip = ipToBytes(host);
  // In SOCKS4a 0.0.0.x means that a name follows, so such an address goes as text too.
  const asAddress = ip?.length === 4 && ip.subarray(0, 3).some((octet) => octet !== 0);
  if (asAddress) return [ip, new Uint8Array(0)];
  const name = field(utf8.encode(host), "The target's name");
  return [Uint8Array.of(0, 0, 0, 1), terminated(name, "The target's name")];
}

/**
 * Asks a SOCKS4 proxy to connect. A name, and also an IPv6 address, is sent the way of SOCKS4a,
 * behind the address 0.0.0.1.
 *
 * @param conn A connection to the proxy. After an error it is of no more use; the caller closes it.
 * @param target Where to connect.
 * @param userId The user id; empty where there is none. No NUL bytes.
 * @returns A promise that resolves when the connection is the target's.
 * @throws {SocksReplyError} When the proxy could not connect or does not want to.
 * @throws {Deno.errors.InvalidData} When it does not speak SOCKS4.
 * @throws {Deno.errors.UnexpectedEof} When it closed the connection instead.
 * @throws {TypeError} When the target or the user id does not fit into a request.
 */
export async function connectSocks4(
  conn: StreamConn,
  target: Readonly<Address>,
  userId: Uint8Array,
): Promise<void> {
  const [ip, name] = socks4Address(target[0]);
  const user = terminated(userId, "The user id");
  await writeAll(conn, Uint8Array.of(4, 1, ...portBytes(target[1]), ...ip, ...user, ...name));
  const [version, code = 91] = await readFull(conn, new Uint8Array(8));
  if (version !== 0) throw violation("does not speak SOCKS4");
  if (code !== GRANTED[4]) throw new SocksReplyError(code);
}

/** A proxy's whole reply head, cookies and all, is no longer than this. */
const LONGEST_HEAD = 16 * 1024;

/** How many replies of the kind 1xx may come before the real one. */
const MOST_ANNOUNCED = 16;

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
   * Creates the error.
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

/** Reads a reply's head and not a byte further; what follows belongs to the stream. */
async function readReplyHead(conn: StreamConn): Promise<string> {
  try {
    return latin1.decode((await readHeadBy(conn, LONGEST_HEAD, 1)).head);
  } catch (cause) {
    if (!(cause instanceof HeadError)) throw cause;
    const Class = cause.reason === "ended" ? Deno.errors.UnexpectedEof : Deno.errors.InvalidData;
    throw new Class(`Of the HTTP proxy's reply: ${cause.message}`, { cause });
  }
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
  return scrubAddresses(reason, host).replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
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
  for (let announced = 0; announced <= MOST_ANNOUNCED; announced++) {
    const [status, reason] = parseStatus(await readReplyHead(conn));
    // 1xx announces the real reply (RFC 9110 section 15.2).
    if (status < 200 && status !== 101) continue;
    if (status < 200 || status > 299) {
      throw new HttpConnectError(status, presentable(reason, target[0]));
    }
    return;
  }
  throw new Deno.errors.InvalidData("The HTTP proxy announces a reply for ever");
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
export async function askProxy(
  conn: StreamConn,
  proxy: Readonly<ProxyInfo>,
  target: Readonly<Address>,
): Promise<void> {
  const { scheme, user, password } = proxy;
  switch (scheme) {
    case "socks5":
      if (user === undefined) return await connectSocks5(conn, target);
      return await connectSocks5(conn, target, {
        user: utf8.encode(user),
        password: utf8.encode(password),
      });
    case "socks4a":
      if (password !== undefined) throw new TypeError("socks4a knows no password");
      return await connectSocks4(conn, target, utf8.encode(user));
    case "http":
      if (user === undefined) return await connectHttp(conn, target);
      return await connectHttp(conn, target, { user, password: password ?? "" });
    default:
      throw new TypeError("The scheme of an upstream proxy is http, socks4a or socks5");
  }
}

/**
 * The way from a server transport to tor: the Extended ORPort, or the plain one (ext-orport-spec,
 * pt-spec section 3.2.3).
 *
 * @module
 */

import { type Address, formatAddress, unmappedIp } from "../address.ts";
import type { OrPorts, OutboundBindAddresses } from "../config.ts";
import { concat, handshake, readFull, type StreamConn, writeAll } from "./conn.ts";
import { withDeadline } from "./deadline.ts";
import { dialPeer } from "./dial.ts";
import { whyUnreadable } from "./unreadable.ts";

/** The one type of authentication. */
export const SAFE_COOKIE = 1;
const MOST_AUTH_TYPES = 256;
/** How many commands or replies that say nothing to us are skipped on one connection. */
export const MOST_SKIPPED = 64;
/** How many bytes the secret half of a cookie file, a nonce and a hash have (section 2.1). */
export const LENGTHS = { COOKIE: 32, NONCE: 32, HASH: 32 } as const;
const AUTH_SUCCESS = 1;
/** What the two sides say to each other behind the authentication (section 3). */
export const CODES = {
  DONE: 0x0000,
  USERADDR: 0x0001,
  TRANSPORT: 0x0002,
  OKAY: 0x1000,
  DENY: 0x1001,
} as const;

const TIMEOUT = 10_000;

const utf8 = new TextEncoder();

/** The first half of a cookie file. */
export const COOKIE_HEADER: Uint8Array = utf8.encode("! Extended ORPort Auth Cookie !\n");

/**
 * tor's Extended ORPort did not accept a connection: the cookie was unusable, the authentication
 * failed, or tor denied it. None of the user's data was sent.
 *
 * @example
 * ```ts
 * import { dialOr, ExtOrPortError, type StreamConn } from "@ptlib/ptlib/net";
 * import type { ServerInfo } from "@ptlib/ptlib/server";
 *
 * async function connect(info: ServerInfo): Promise<StreamConn | null> {
 *   try {
 *     return await dialOr(info, { transport: "rot13" });
 *   } catch (error) {
 *     if (!(error instanceof ExtOrPortError)) throw error;
 *     return null;
 *   }
 * }
 * ```
 */
export class ExtOrPortError extends Error {
  /** The name of the class. */
  override readonly name: string = "ExtOrPortError";
}

/**
 * What tor is told about a connection.
 *
 * @example
 * ```ts
 * import type { DialOrOptions } from "@ptlib/ptlib/net";
 *
 * const options: DialOrOptions = { transport: "rot13", clientAddress: ["203.0.113.7", 5678] };
 * ```
 */
export interface DialOrOptions {
  /** The name of the transport that the client came through. */
  transport: string;
  /** The client's address, where there is one. */
  clientAddress?: Readonly<Address> | undefined;
  /** The source address for each family, as {@linkcode dial} takes it. */
  outboundBindAddress?: Readonly<OutboundBindAddresses> | null | undefined;
  /** Ends the attempt. */
  signal?: AbortSignal | undefined;
}

/** The secret half of the cookie file (ext-orport-spec section 2.1). */
async function readCookie(path: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  let file: Uint8Array<ArrayBuffer>;
  try {
    file = await Deno.readFile(path, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    const why = whyUnreadable(path, cause);
    throw new ExtOrPortError(`TOR_PT_AUTH_COOKIE_FILE cannot be read: ${why}`, { cause });
  }
  const headed = COOKIE_HEADER.every((byte, index) => file[index] === byte);
  if (!headed || file.length !== COOKIE_HEADER.length + LENGTHS.COOKIE) {
    throw new ExtOrPortError("TOR_PT_AUTH_COOKIE_FILE does not hold an Extended ORPort cookie");
  }
  return file.slice(COOKIE_HEADER.length);
}

const HMAC = { name: "HMAC", hash: "SHA-256" } as const;

/** Makes the key of the two hashes from the secret half of a cookie file (section 2.1.3). */
export async function cookieKey(cookie: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", cookie, HMAC, false, ["sign", "verify"]);
}

/** Who proves that it knows the cookie, and to whom; tor is the server. */
type Direction = "server-to-client" | "client-to-server";

function proofText(direction: Direction, nonces: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(utf8.encode(`ExtORPort authentication ${direction} hash`), nonces);
}

/** The hash that proves to know the cookie; `nonces` are the client's and then the server's. */
export async function prove(
  key: CryptoKey,
  direction: Direction,
  nonces: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.sign(HMAC, key, proofText(direction, nonces)));
}

/** Whether a hash proves that. It takes the same time for every wrong one. */
export async function isProof(
  key: CryptoKey,
  direction: Direction,
  nonces: Uint8Array,
  hash: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  return await crypto.subtle.verify(HMAC, key, hash, proofText(direction, nonces));
}

/** Agrees on SAFE_COOKIE (ext-orport-spec section 2). */
async function negotiateAuthentication(conn: StreamConn): Promise<void> {
  const byte = new Uint8Array(1);
  let known = false;
  for (let count = 0; (await readFull(conn, byte))[0] !== 0; count++) {
    if (count === MOST_AUTH_TYPES) {
      throw new ExtOrPortError("The Extended ORPort's list of authentication types does not end");
    }
    known ||= byte[0] === SAFE_COOKIE;
  }
  await writeAll(conn, Uint8Array.of(known ? SAFE_COOKIE : 0));
  if (!known) throw new ExtOrPortError("The Extended ORPort does not offer SAFE_COOKIE");
}

/** Proves to each other that both know the cookie (ext-orport-spec section 2.1). */
async function authenticate(conn: StreamConn, cookie: Uint8Array<ArrayBuffer>): Promise<void> {
  const key = await cookieKey(cookie);
  const clientNonce = crypto.getRandomValues(new Uint8Array(LENGTHS.NONCE));
  await writeAll(conn, clientNonce);

  const serverHash = await readFull(conn, new Uint8Array(LENGTHS.HASH));
  const serverNonce = await readFull(conn, new Uint8Array(LENGTHS.NONCE));
  const nonces = concat(clientNonce, serverNonce);
  if (!await isProof(key, "server-to-client", nonces, serverHash)) {
    throw new ExtOrPortError("The Extended ORPort does not know the cookie: it may not be tor");
  }

  await writeAll(conn, await prove(key, "client-to-server", nonces));
  const [status] = await readFull(conn, new Uint8Array(1));
  if (status !== AUTH_SUCCESS) {
    throw new ExtOrPortError("The Extended ORPort does not accept our knowledge of the cookie");
  }
}

/** A command or a reply (section 3). */
export function formatMessage(
  code: number,
  body: Uint8Array = new Uint8Array(),
): Uint8Array<ArrayBuffer> {
  if (body.length > 0xffff) {
    throw new TypeError(`A message has up to 65,535 bytes, and this one ${body.length}`);
  }
  const header = new DataView(new ArrayBuffer(4));
  header.setUint16(0, code);
  header.setUint16(2, body.length);
  return concat(new Uint8Array(header.buffer), body);
}

/** The text of USERADDR and TRANSPORT; a byte order mark is part of it, and makes it malformed. */
export function bodyText(body: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(body);
}

/** The body of USERADDR, in the only form that tor parses: no zone, no IPv4 mapped into IPv6. */
function userAddress([host, port]: Readonly<Address>): Uint8Array<ArrayBuffer> {
  const ip = unmappedIp(host.replace(/%.*$/s, ""));
  if (ip === null) throw new TypeError("The host of clientAddress must be a numeric IP address");
  return utf8.encode(formatAddress([ip, port]));
}

/** Reads a command or a reply, whatever it is. */
export async function readMessage(
  conn: StreamConn,
): Promise<[code: number, body: Uint8Array<ArrayBuffer>]> {
  const header = new DataView((await readFull(conn, new Uint8Array(4))).buffer);
  const body = await readFull(conn, new Uint8Array(header.getUint16(2)));
  return [header.getUint16(0), body];
}

/** Reads replies until tor says OKAY or DENY; others are skipped (ext-orport-spec section 3). */
async function readDecision(conn: StreamConn): Promise<void> {
  for (let skipped = 0; skipped < MOST_SKIPPED; skipped++) {
    const [code] = await readMessage(conn);
    if (code === CODES.OKAY) return;
    if (code === CODES.DENY) throw new ExtOrPortError("The Extended ORPort denied the connection");
  }
  throw new ExtOrPortError("The Extended ORPort sends replies, but no decision");
}

async function introduce(
  conn: StreamConn,
  cookie: Uint8Array<ArrayBuffer>,
  commands: Uint8Array,
): Promise<void> {
  try {
    await negotiateAuthentication(conn);
    await authenticate(conn, cookie);
    await writeAll(conn, commands);
    // tor closes when anything follows DONE before it has answered.
    await readDecision(conn);
  } catch (cause) {
    if (cause instanceof ExtOrPortError) throw cause;
    throw new ExtOrPortError("The Extended ORPort closed the connection in its handshake", {
      cause,
    });
  }
}

/**
 * Connects a server transport to tor: through the Extended ORPort when there is one, and
 * otherwise to the plain ORPort (`TOR_PT_EXTENDED_SERVER_PORT`, `TOR_PT_ORPORT`).
 *
 * On the Extended ORPort both sides prove with SAFE_COOKIE that they know the cookie, and tor
 * learns the client's address and transport. The cookie is read anew for each connection, because
 * tor writes a new one when it restarts. It takes 10 s at most.
 *
 * @param info What `server.init()` has returned.
 * @param options The transport, the client's address, a signal.
 * @returns The connection; the next byte is the user's, in both directions.
 * @throws {ExtOrPortError} When the cookie is unusable, authentication fails, or tor denies it.
 * @throws {DialError} When tor's port cannot be reached.
 * @throws {TypeError} When `info` has neither port, or an extended one without a cookie.
 * @throws {DOMException} A `TimeoutError` when tor does not answer in time.
 * @throws {unknown} The signal's reason when it aborts.
 *
 * @example
 * ```ts
 * import { dialOr } from "@ptlib/ptlib/net";
 *
 * using orport = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const conn = await dialOr(
 *   { orport: ["127.0.0.1", orport.addr.port], ext_orport: null, auth_cookie_file: null },
 *   { transport: "rot13", clientAddress: ["203.0.113.7", 5678] },
 * );
 * conn.close();
 * ```
 */
export function dialOr(
  info: Readonly<OrPorts>,
  options: Readonly<DialOrOptions>,
): Promise<StreamConn> {
  return withDeadline(
    TIMEOUT,
    "The way to tor's ORPort",
    options.signal,
    (signal) => dialEither(info, options, signal),
  );
}

async function dialEither(
  info: Readonly<OrPorts>,
  { transport, clientAddress, outboundBindAddress }: Readonly<DialOrOptions>,
  signal: AbortSignal,
): Promise<StreamConn> {
  const how = { outboundBindAddress, signal, timeout: Infinity };
  if (info.ext_orport === null) {
    if (info.orport === null) throw new TypeError("There is neither an ORPort nor an extended one");
    return await dialPeer("tor's ORPort", info.orport, how);
  }
  if (info.auth_cookie_file === null) {
    throw new TypeError("There is an Extended ORPort, but no file with its cookie");
  }
  const commands = concat(
    clientAddress === undefined
      ? new Uint8Array()
      : formatMessage(CODES.USERADDR, userAddress(clientAddress)),
    formatMessage(CODES.TRANSPORT, utf8.encode(transport)),
    formatMessage(CODES.DONE),
  );
  const cookie = await readCookie(info.auth_cookie_file, signal);
  const conn = await dialPeer("tor's Extended ORPort", info.ext_orport, how);
  await handshake(conn, signal, () => introduce(conn, cookie, commands));
  return conn;
}

/**
 * The SOCKS5 listener of a client transport (RFC 1928, RFC 1929, pt-spec section 3.5).
 *
 * @module
 */

import { type Address, bytesToIp } from "../address.ts";
import { parseSocksArgs } from "../args.ts";
import { acceptHandshakes } from "./accept.ts";
import { closeQuietly, drain, handshake, type StreamConn, writeAll } from "./conn.ts";
import { withDeadline } from "./deadline.ts";
import { EarlyReader } from "./early_reader.ts";

const VERSION = 5;
const AUTH_VERSION = 1;
const METHOD_NONE = 0;
const METHOD_PASSWORD = 2;
const METHOD_UNACCEPTABLE = 0xff;
const AUTH_SUCCESS = 0;
const AUTH_FAILURE = 1;
const COMMAND_CONNECT = 1;
const ADDRESS_IPV4 = 1;
const ADDRESS_NAME = 3;
const ADDRESS_IPV6 = 4;
const REPLY_GRANTED = 0;
const REPLY_FAILURE = 1;
const REPLY_COMMAND = 7;
const REPLY_ADDRESS_TYPE = 8;

/** How long a handshake may take, in milliseconds, and how long the end of a rejected one. */
const HANDSHAKE_TIMEOUT = 10_000;
const REJECTION_TIMEOUT = 10_000;

const GENERAL_FAILURE = 1;

/** By the `code` of an error: those of the system, and those of `node:dns`. */
const BY_CODE: Readonly<Record<string, number>> = {
  EACCES: 2,
  EPERM: 2,
  ENETDOWN: 3,
  ENETUNREACH: 3,
  EHOSTDOWN: 4,
  EHOSTUNREACH: 4,
  ENOTFOUND: 4,
  EAI_AGAIN: 4,
  ECONNREFUSED: 5,
  ECONNRESET: 5,
  ETIMEDOUT: 6,
};

/** By the `name` of an error, for those that have no code, such as `Deno.errors.NotCapable`. */
const BY_NAME: Readonly<Record<string, number>> = {
  NotCapable: 2,
  PermissionDenied: 2,
  NetworkUnreachable: 3,
  ConnectionRefused: 5,
  ConnectionReset: 5,
  TimedOut: 6,
  TimeoutError: 6,
};

/** Whether it is a reply of RFC 1928 that grants nothing. */
function isRefusal(reply: unknown): reply is number {
  return typeof reply === "number" && Number.isInteger(reply) && reply >= 1 && reply <= 8;
}

/** The reply that an error itself or its kind stands for. */
function ownReply(error: Error & { code?: unknown; reply?: unknown }): number | undefined {
  if (isRefusal(error.reply)) return error.reply;
  // Deno gives a failed look-up neither a class nor a code.
  if (/^failed to lookup address information/.test(error.message)) return 4;
  if (typeof error.code === "string" && Object.hasOwn(BY_CODE, error.code)) {
    return BY_CODE[error.code];
  }
  return Object.hasOwn(BY_NAME, error.name) ? BY_NAME[error.name] : undefined;
}

/**
 * Chooses the SOCKS5 reply for an error (RFC 1928 section 6).
 *
 * Refused and reset become 5, unreachable 3 or 4, a name that is not found 4, a time-out 6, a
 * missing permission 2. If the error has a property `reply` from 1 to 8, that number is used; this
 * passes an upstream proxy's reply on. If the error is of no known kind, its `cause` is looked at.
 *
 * @param error What was thrown on the way to the target, or the reply itself.
 * @returns A reply from 1 to 8; 1, general failure, for everything else.
 *
 * @example
 * ```ts
 * import { replyFor } from "@ptlib/ptlib/net";
 *
 * if (replyFor(new Deno.errors.ConnectionRefused()) !== 5) throw new Error();
 * if (replyFor(new Error("no bridge", { cause: new Deno.errors.TimedOut() })) !== 6) {
 *   throw new Error();
 * }
 * if (replyFor(Object.assign(new Error("wrong secret"), { reply: 2 })) !== 2) throw new Error();
 * if (replyFor("anything") !== 1) throw new Error();
 * ```
 */
export function replyFor(error: unknown): number {
  if (isRefusal(error)) return error;
  const seen = new Set<unknown>();
  for (let link = error; link instanceof Error && !seen.has(link); link = link.cause) {
    const reply = ownReply(link);
    if (reply !== undefined) return reply;
    seen.add(link);
  }
  return GENERAL_FAILURE;
}

/**
 * One connection that somebody wants through a transport. Grant it or reject it.
 *
 * @example
 * ```ts
 * import { dial, relay, type SocksRequest } from "@ptlib/ptlib/net";
 *
 * async function serve(request: SocksRequest): Promise<void> {
 *   try {
 *     const bridge = await dial(request.target);
 *     await relay(await request.grant(), bridge);
 *   } catch (error) {
 *     await request.reject(error);
 *   }
 * }
 * ```
 */
export interface SocksRequest {
  /** Where to: an IP address without brackets or a host name, and a port. */
  readonly target: Address;
  /** The per-connection arguments (pt-spec section 3.5). */
  readonly args: URLSearchParams;
  /**
   * Aborts when the user goes away before the request is answered: when the connection is reset, or
   * ends before a byte was sent on it. To ask for it starts to watch, and loses no byte.
   */
  readonly userGone: AbortSignal;
  /**
   * Sends the success reply. It never throws: if the user has gone, the next read from the
   * connection fails.
   *
   * @returns The connection to the user. Bytes that the user sent early can still be read from it.
   */
  grant(): Promise<Deno.TcpConn>;
  /**
   * Sends a failure reply and closes the connection. It never throws, and does nothing after
   * {@linkcode grant}.
   *
   * @param reason A reply code of RFC 1928 (1–8), or an error that {@linkcode replyFor} translates.
   */
  reject(reason: unknown): Promise<void>;
}

/**
 * The options of {@linkcode listenSocks}.
 *
 * @example
 * ```ts
 * import { listenSocks, type SocksListenOptions } from "@ptlib/ptlib/net";
 *
 * const options: SocksListenOptions = { signal: AbortSignal.timeout(1_000) };
 * using _listener = listenSocks(options);
 * ```
 */
export interface SocksListenOptions {
  /** Where to listen. Default: a port of 127.0.0.1 that the system chooses. */
  listener?: Deno.TcpListener | undefined;
  /** Ends the listener; already granted connections stay open. */
  signal?: AbortSignal | undefined;
  /** Is called when connections have to wait, because descriptors or memory are used up. */
  onShortage?: ((error: unknown) => void) | undefined;
}

/** Something that is wrong with a handshake, and the bytes that say so. */
class Refusal extends Error {
  override readonly name = "Refusal";
  readonly answer: Uint8Array;

  constructor(answer: Uint8Array) {
    super("The SOCKS handshake is malformed");
    this.answer = answer;
  }
}

/** A reply of RFC 1928 section 6: tor looks at it only when all ten bytes are there. */
function replyBytes(code: number): Uint8Array {
  return Uint8Array.of(VERSION, code, 0, ADDRESS_IPV4, 0, 0, 0, 0, 0, 0);
}

async function takeByte(reader: EarlyReader): Promise<number> {
  const [byte = 0] = await reader.take(1);
  return byte;
}

function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

async function chooseMethod(reader: EarlyReader): Promise<number> {
  if (await takeByte(reader) !== VERSION) throw new Refusal(new Uint8Array());
  const offered = await reader.take(await takeByte(reader));
  const method = [METHOD_PASSWORD, METHOD_NONE].find((method) => offered.includes(method));
  if (method === undefined) throw new Refusal(Uint8Array.of(VERSION, METHOD_UNACCEPTABLE));
  await writeAll(reader, Uint8Array.of(VERSION, method));
  return method;
}

/** The arguments in both fields: an escape or a character may straddle them. */
function parseFields(user: Uint8Array, password: Uint8Array): URLSearchParams {
  const unused = password.length === 1 && password[0] === 0;
  const bytes = new Uint8Array(user.length + (unused ? 0 : password.length));
  bytes.set(user);
  if (!unused) bytes.set(password, user.length);
  return parseSocksArgs(decodeUtf8(bytes));
}

/** RFC 1929, its two fields holding the arguments of the connection. */
async function readArgs(reader: EarlyReader): Promise<URLSearchParams> {
  const failure = () => new Refusal(Uint8Array.of(AUTH_VERSION, AUTH_FAILURE));
  if (await takeByte(reader) !== AUTH_VERSION) throw failure();
  const user = await reader.take(await takeByte(reader));
  if (user.length === 0) throw failure();
  const password = await reader.take(await takeByte(reader));
  if (password.length === 0) throw failure();
  let args: URLSearchParams;
  try {
    args = parseFields(user, password);
  } catch (error) {
    // Malformed arguments are a SyntaxError, bytes that are not UTF-8 a TypeError.
    if (error instanceof SyntaxError || error instanceof TypeError) throw failure();
    throw error;
  }
  await writeAll(reader, Uint8Array.of(AUTH_VERSION, AUTH_SUCCESS));
  return args;
}

async function readHost(reader: EarlyReader, type: number): Promise<string> {
  if (type === ADDRESS_IPV4) return bytesToIp(await reader.take(4));
  if (type === ADDRESS_IPV6) return bytesToIp(await reader.take(16));
  if (type !== ADDRESS_NAME) throw new Refusal(replyBytes(REPLY_ADDRESS_TYPE));
  const name = await reader.take(await takeByte(reader));
  // A space, a line end or a NUL has no place in a name, and could break what carries it on.
  if (name.length === 0 || name.some((byte) => byte <= 0x20 || byte >= 0x7f)) {
    throw new Refusal(replyBytes(REPLY_FAILURE));
  }
  return decodeUtf8(name);
}

async function readTarget(reader: EarlyReader): Promise<Address> {
  const [version, command, , type = 0] = await reader.take(4);
  if (version !== VERSION) throw new Refusal(replyBytes(REPLY_FAILURE));
  if (command !== COMMAND_CONNECT) throw new Refusal(replyBytes(REPLY_COMMAND));
  const host = await readHost(reader, type);
  const port = await reader.take(2);
  return [host, new DataView(port.buffer).getUint16(0)];
}

/**
 * Says the last word of a handshake and waits until the peer has closed: closing over bytes that
 * were not read resets the connection, and the peer may lose the answer.
 */
async function sayAndLinger(conn: StreamConn, answer: Uint8Array): Promise<void> {
  await writeAll(conn, answer);
  await conn.closeWrite();
  await drain(conn);
}

class Request implements SocksRequest {
  #answered = false;
  readonly target: Address;
  readonly args: URLSearchParams;
  readonly conn: Deno.TcpConn;
  readonly #reader: EarlyReader;

  constructor(target: Address, args: URLSearchParams, conn: Deno.TcpConn, reader: EarlyReader) {
    this.target = target;
    this.args = args;
    this.conn = conn;
    this.#reader = reader;
  }

  get userGone(): AbortSignal {
    return this.#reader.watch();
  }

  async grant(): Promise<Deno.TcpConn> {
    this.#answered = true;
    await writeAll(this.conn, replyBytes(REPLY_GRANTED)).catch(() => closeQuietly(this.conn));
    this.#reader.release();
    return this.conn;
  }

  async reject(reason: unknown): Promise<void> {
    if (this.#answered) return;
    this.#answered = true;
    this.#reader.release();
    const say = () => sayAndLinger(this.conn, replyBytes(replyFor(reason)));
    const what = "The end of a rejected request";
    // It ends either way, and so does the connection.
    await withDeadline(
      REJECTION_TIMEOUT,
      what,
      undefined,
      (signal) => handshake(this.conn, signal, say),
    ).catch(() => {});
    closeQuietly(this.conn);
  }
}

/** Takes a connection through its handshake up to the request. */
function readRequest(conn: Deno.TcpConn, signal: AbortSignal): Promise<Request> {
  const reader = new EarlyReader(conn);
  return handshake(conn, signal, async () => {
    try {
      const method = await chooseMethod(reader);
      const args = method === METHOD_PASSWORD ? await readArgs(reader) : new URLSearchParams();
      return new Request(await readTarget(reader), args, conn, reader);
    } catch (error) {
      if (error instanceof Refusal) await sayAndLinger(conn, error.answer);
      throw error;
    }
  });
}

/**
 * A SOCKS5 listener: an async iterable of the requests that arrive.
 *
 * @example
 * ```ts
 * import { listenSocks, type SocksListener } from "@ptlib/ptlib/net";
 *
 * using listener: SocksListener = listenSocks();
 * if (listener.address[0] !== "127.0.0.1") throw new Error();
 * ```
 */
export interface SocksListener extends AsyncIterable<SocksRequest>, Disposable {
  /** Where it listens. */
  readonly address: Address;
  /** Ends it; already granted connections stay open. */
  close(): void;
}

/**
 * Listens for SOCKS5 requests (RFC 1928, with the per-connection arguments of pt-spec section 3.5
 * in the fields of RFC 1929), on a port of 127.0.0.1 that the system chooses or where you like.
 *
 * Handshakes run side by side, each under a deadline of 10 s, so that half-open connections keep
 * nobody waiting. What came along with the request is the first of the stream.
 *
 * @param options Where to listen and when to end.
 * @returns The listener. Handle each request without waiting for its end.
 * @throws {Deno.errors.NotCapable} Without `--allow-net=127.0.0.1:0`.
 *
 * @example
 * ```ts
 * import { listenSocks } from "@ptlib/ptlib/net";
 *
 * using listener = listenSocks({ signal: AbortSignal.timeout(10) });
 * for await (const request of listener) {
 *   request.reject(5);
 * }
 * ```
 */
export function listenSocks(options: SocksListenOptions = {}): SocksListener {
  const { listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }) } = options;
  const close = () => closeQuietly(listener);
  return {
    address: [listener.addr.hostname, listener.addr.port],
    close,
    [Symbol.dispose]: close,
    [Symbol.asyncIterator]: () =>
      acceptHandshakes(listener, {
        signal: options.signal,
        onShortage: options.onShortage,
        timeout: HANDSHAKE_TIMEOUT,
        handshake: readRequest,
        discard: (request) => request.reject(REPLY_FAILURE),
      }),
  };
}

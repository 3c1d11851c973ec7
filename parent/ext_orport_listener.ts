/**
 * An Extended ORPort of our own: where the server half of a transport delivers its clients, each
 * with its address (ext-orport-spec).
 *
 * @module
 */

import { type Address, parseAddress } from "../address.ts";
import { isTransportName } from "../grammar.ts";
import { acceptHandshakes } from "../net/accept.ts";
import {
  closeQuietly,
  concat,
  handshake,
  readFull,
  type StreamConn,
  writeAll,
} from "../net/conn.ts";
import {
  bodyText,
  CODES,
  COOKIE_HEADER,
  cookieKey,
  formatMessage,
  isProof,
  LENGTHS,
  MOST_SKIPPED,
  prove,
  readMessage,
  SAFE_COOKIE,
} from "../net/ext_orport.ts";

/**
 * What a transport's server says about one of its clients.
 *
 * @example
 * ```ts
 * import type { ExtOrPortClient } from "@ptlib/ptlib/parent";
 *
 * const isKnown = ({ clientAddress }: ExtOrPortClient) => clientAddress !== null;
 * ```
 */
export interface ExtOrPortClient {
  /** The client's IP address without brackets and its port; `null` if the server sent none. */
  clientAddress: Address | null;
  /** The name of the transport that the client came through; `null` if the server sent none. */
  transport: string | null;
}

/**
 * A client of a transport, with the connection that carries what it sent through it.
 *
 * @example
 * ```ts
 * import type { ExtOrPortConnection } from "@ptlib/ptlib/parent";
 *
 * async function refuse({ conn }: ExtOrPortConnection): Promise<void> {
 *   await conn.write(new TextEncoder().encode("Not today.\n"));
 *   conn.close();
 * }
 * ```
 */
export interface ExtOrPortConnection extends ExtOrPortClient {
  /** The connection; its next byte is the client's first. */
  conn: Deno.TcpConn;
}

/**
 * The options of {@linkcode listenExtOrPort}.
 *
 * @example
 * ```ts
 * import type { ExtOrPortOptions } from "@ptlib/ptlib/parent";
 *
 * const options: ExtOrPortOptions = { authorize: ({ transport }) => transport === "obfs4" };
 * ```
 */
export interface ExtOrPortOptions {
  /** Decides whether a client may come in; without it, every one may. If it throws, the client is denied. */
  authorize?: ((client: ExtOrPortClient) => boolean | Promise<boolean>) | undefined;
  /** Ends the listener. */
  signal?: AbortSignal | undefined;
}

/**
 * An Extended ORPort that listens. Iterate over it for the connections; it answers nobody before.
 * Disposing of it ends it.
 *
 * @example
 * ```ts
 * import type { ExtOrPortListener } from "@ptlib/ptlib/parent";
 *
 * async function serve(listener: ExtOrPortListener): Promise<void> {
 *   for await (const { conn } of listener) conn.close();
 * }
 * ```
 */
export interface ExtOrPortListener extends AsyncIterable<ExtOrPortConnection>, AsyncDisposable {
  /** Where it listens, on loopback. */
  readonly address: Address;
  /** The absolute path of the file that holds the cookie. Only its owner may read it. */
  readonly cookieFile: string;
  /** Ends it, and removes the cookie file. Connections that were handed out stay. */
  close(): Promise<void>;
}

/** How long a peer may take to introduce a client, in milliseconds. */
const HANDSHAKE_TIMEOUT = 10_000;

/** The peer does not do what the spec says; the connection ends without a word about it. */
class Violation extends Error {
  override readonly name = "Violation";
}

/** Lets the peer prove that it can read the cookie file (ext-orport-spec section 2.1). */
async function authenticate(conn: StreamConn, key: CryptoKey): Promise<void> {
  await writeAll(conn, Uint8Array.of(SAFE_COOKIE, 0));
  const [chosen] = await readFull(conn, new Uint8Array(1));
  if (chosen !== SAFE_COOKIE) throw new Violation("The peer does not take SAFE_COOKIE");

  const clientNonce = await readFull(conn, new Uint8Array(LENGTHS.NONCE));
  const serverNonce = crypto.getRandomValues(new Uint8Array(LENGTHS.NONCE));
  const nonces = concat(clientNonce, serverNonce);
  await writeAll(conn, concat(await prove(key, "server-to-client", nonces), serverNonce));

  const clientHash = await readFull(conn, new Uint8Array(LENGTHS.HASH));
  const known = await isProof(key, "client-to-server", nonces, clientHash);
  await writeAll(conn, Uint8Array.of(known ? 1 : 0));
  if (!known) throw new Violation("The peer does not know the cookie");
}

function decodeName(body: Uint8Array): string {
  const name = bodyText(body);
  if (!isTransportName(name)) throw new Violation("TRANSPORT holds no name");
  return name;
}

/** Reads the peer's commands until DONE (ext-orport-spec section 3.1). */
async function readCommands(conn: StreamConn): Promise<ExtOrPortClient> {
  const client: ExtOrPortClient = { clientAddress: null, transport: null };
  for (let count = 0; count < MOST_SKIPPED; count++) {
    const [code, body] = await readMessage(conn);
    switch (code) {
      case CODES.DONE:
        return client;
      case CODES.USERADDR:
        client.clientAddress = parseAddress(bodyText(body));
        break;
      case CODES.TRANSPORT:
        client.transport = decodeName(body);
        break;
      default: // Unknown commands are skipped.
    }
  }
  throw new Violation("The peer sends commands, but no DONE");
}

async function decide(
  client: ExtOrPortClient,
  authorize: ExtOrPortOptions["authorize"],
): Promise<boolean> {
  try {
    return authorize === undefined || await authorize(client);
  } catch {
    return false;
  }
}

/** The cookie in use: the key made of it, and the file that shows it to the server. */
interface Cookie {
  key: CryptoKey;
  directory: string;
  file: string;
}

/** Makes a cookie, in a directory that only we can enter. */
async function createCookie(): Promise<Cookie> {
  const cookie = crypto.getRandomValues(new Uint8Array(LENGTHS.COOKIE));
  const key = await cookieKey(cookie);
  const directory = await Deno.makeTempDir({ prefix: "ptlib-" });
  try {
    const file = `${await Deno.realPath(directory)}/extended_orport_auth_cookie`;
    const content = concat(COOKIE_HEADER, cookie);
    await Deno.writeFile(file, content, { createNew: true, mode: 0o600 });
    return { key, directory, file };
  } catch (error) {
    await Deno.remove(directory, { recursive: true });
    throw error;
  }
}

class Listener implements ExtOrPortListener {
  readonly address: Address;
  readonly cookieFile: string;
  readonly #listener: Deno.TcpListener;
  readonly #key: CryptoKey;
  readonly #directory: string;
  readonly #options: ExtOrPortOptions;
  readonly #end = new AbortController();
  readonly #close = () => void this.close();
  #closing: Promise<void> | undefined;

  constructor(
    listener: Deno.TcpListener,
    cookie: Cookie,
    options: ExtOrPortOptions,
  ) {
    this.address = [listener.addr.hostname, listener.addr.port];
    this.cookieFile = cookie.file;
    this.#listener = listener;
    this.#key = cookie.key;
    this.#directory = cookie.directory;
    this.#options = options;
    options.signal?.addEventListener("abort", this.#close);
    if (options.signal?.aborted) this.#close();
  }

  async #receive(conn: Deno.TcpConn): Promise<ExtOrPortConnection> {
    await authenticate(conn, this.#key);
    const client = await readCommands(conn);
    const welcome = await decide(client, this.#options.authorize);
    await writeAll(conn, formatMessage(welcome ? CODES.OKAY : CODES.DENY));
    if (!welcome) throw new Violation("The client was denied");
    return { conn, ...client };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ExtOrPortConnection, void, void> {
    try {
      yield* acceptHandshakes<ExtOrPortConnection>(this.#listener, {
        signal: this.#end.signal,
        timeout: HANDSHAKE_TIMEOUT,
        handshake: (conn, signal) => handshake(conn, signal, () => this.#receive(conn)),
        discard: ({ conn }) => closeQuietly(conn),
      });
    } finally {
      await this.close();
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#release();
  }

  async #release(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#close);
    this.#end.abort();
    closeQuietly(this.#listener);
    try {
      await Deno.remove(this.#directory, { recursive: true });
    } catch (error) {
      // Somebody who clears away temporary files was here before.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens an Extended ORPort on a free port of 127.0.0.1, with a new cookie in a temporary
 * directory (ext-orport-spec).
 *
 * Handshakes run side by side, each for 10 s at most. A peer that breaks the protocol or does not
 * know the cookie is closed and forgotten.
 *
 * @param options Who may come in, and a signal that ends it.
 * @returns The listener, to be given to {@linkcode launchServer} as `extOrPort`.
 * @throws {Deno.errors.NotCapable} Without `--allow-net=127.0.0.1:0`, or without permission to
 * read and write the system's directory of temporary files.
 *
 * @example
 * ```ts
 * import { dialOr } from "@ptlib/ptlib/net";
 * import { listenExtOrPort } from "@ptlib/ptlib/parent";
 *
 * await using listener = await listenExtOrPort();
 * // Stands for what a transport's server does.
 * const dialled = dialOr(
 *   { orport: null, ext_orport: listener.address, auth_cookie_file: listener.cookieFile },
 *   { transport: "obfs4", clientAddress: ["203.0.113.7", 5678] },
 * );
 * for await (const { conn, clientAddress, transport } of listener) {
 *   if (clientAddress?.[0] !== "203.0.113.7" || transport !== "obfs4") throw new Error();
 *   conn.close();
 *   break;
 * }
 * (await dialled).close();
 * ```
 */
export async function listenExtOrPort(
  options: Readonly<ExtOrPortOptions> = {},
): Promise<ExtOrPortListener> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    return new Listener(listener, await createCookie(), options);
  } catch (error) {
    listener.close();
    throw error;
  }
}

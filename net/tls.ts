/**
 * TLS over any connection, on both sides.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type {
  checkServerIdentity,
  DetailedPeerCertificate,
  PeerCertificate,
  TLSSocket,
} from "node:tls";
import { ipToBytes } from "../address.ts";
import { scrubAddresses } from "../scrub.ts";
import {
  closeInPeace,
  closeQuietly,
  concat,
  handshake,
  type StreamConn,
  writeAll,
} from "./conn.ts";
import { withDeadline } from "./deadline.ts";
import { CLOSED, denoError, fromDuplex, toDuplex } from "./duplex.ts";

export type { StreamConn } from "./conn.ts";

const DEFAULT_TIMEOUT = 60_000;

/**
 * How {@linkcode startTls} speaks to the server; named as in `Deno.StartTlsOptions`.
 *
 * @example
 * ```ts
 * import type { StartTlsOptions } from "@ptlib/ptlib/tls";
 *
 * // Asks a content network for one of its sites, and takes nobody but the bridge behind it.
 * const options: StartTlsOptions = { hostname: "bridge.example", sni: "front.example" };
 * ```
 */
export interface StartTlsOptions {
  /** The server's name or IP address, which its certificate must hold. */
  hostname: string;
  /**
   * The server name that is sent in the clear (SNI, RFC 6066 section 3); `null` for none. Default:
   * `hostname`, or none where that is an IP address. It has no part in the check of the
   * certificate.
   */
  sni?: string | null | undefined;
  /**
   * Certificates that the server may have, each as {@linkcode certificatePin} writes it. Where some
   * are given, the server must have one of them, and neither its name nor who signed it counts.
   */
  pins?: readonly string[] | undefined;
  /** Certificates in PEM that are trusted besides the default ones. */
  caCerts?: readonly string[] | undefined;
  /** The protocols to offer (RFC 7301), the preferred one first. Default: ALPN is not sent. */
  alpnProtocols?: readonly string[] | undefined;
  /**
   * How long the handshake may take in milliseconds. Default: 60,000; `Infinity` leaves it to the
   * signal.
   */
  timeout?: number | undefined;
  /** Ends the handshake. */
  signal?: AbortSignal | undefined;
}

/**
 * How {@linkcode acceptTls} speaks to the client; named as in `Deno.ListenTlsOptions`.
 *
 * @example
 * ```ts
 * import type { AcceptTlsOptions } from "@ptlib/ptlib/tls";
 *
 * async function read(directory: string): Promise<AcceptTlsOptions> {
 *   const [cert, key] = await Promise.all([
 *     Deno.readTextFile(`${directory}/cert.pem`),
 *     Deno.readTextFile(`${directory}/key.pem`),
 *   ]);
 *   return { cert, key, alpnProtocols: ["http/1.1"] };
 * }
 * ```
 */
export interface AcceptTlsOptions {
  /** The server's certificate in PEM, and behind it those that lead to a trusted one. */
  cert: string;
  /** The private key of the first certificate, in PEM. */
  key: string;
  /** The protocols that are taken (RFC 7301), the preferred one first. Default: none. */
  alpnProtocols?: readonly string[] | undefined;
  /**
   * How long the handshake may take in milliseconds. Default: 60,000; `Infinity` leaves it to the
   * signal.
   */
  timeout?: number | undefined;
  /** Ends the handshake. */
  signal?: AbortSignal | undefined;
}

/**
 * A connection in TLS.
 *
 * @example
 * ```ts
 * import type { TlsStreamConn } from "@ptlib/ptlib/tls";
 *
 * const isHttp2 = (conn: TlsStreamConn) => conn.alpnProtocol === "h2";
 * ```
 */
export interface TlsStreamConn extends StreamConn {
  /** The protocol of `alpnProtocols` that was chosen; `null` for none. */
  readonly alpnProtocol: string | null;
}

/** What went wrong, without the names and addresses that node's messages hold. */
function handshakeError(cause: Error & { code?: unknown }): unknown {
  const { code, message } = cause;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return new Deno.errors.InvalidData("The TLS server's certificate is for another name", {
      cause,
    });
  }
  const error = denoError(cause);
  if (error !== cause && !String(code).startsWith("ERR_")) return error;
  if (typeof code !== "string" || cause.name !== "Error") return cause;
  return new Deno.errors.InvalidData(`The TLS handshake failed: ${scrubAddresses(message)}`, {
    cause,
  });
}

/** Waits for the end of a handshake. */
function secured(socket: TLSSocket, peer: "server" | "client"): Promise<void> {
  const event = peer === "server" ? "secureConnect" : "secure";
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    // Of a server's socket node says nothing more then: without this it would be waited for for ever.
    socket.once("end", () => {
      reject(new Deno.errors.UnexpectedEof(`The ${peer} hung up in the TLS handshake`));
    });
    socket.once("error", (error) => reject(handshakeError(error)));
    socket.once("close", () => reject(new Deno.errors.Interrupted(CLOSED)));
  });
}

/** What is read unasked: the handshake, and the session tickets after it. */
const UNASKED = 32 * 1024;

/**
 * Lets a connection be read only while somebody waits for what comes of it: Deno's `TLSSocket` takes
 * everything there is and keeps it, however slow its reader is.
 */
class Gate {
  #open = Promise.withResolvers<void>();
  #count = 0;
  #reading: Promise<number | null> = Promise.resolve(null);
  /** Whether our stream has ended, so that the peer may still read it. */
  lingers = false;
  /** Until then, who does the handshake closes the connection, perhaps with a last word. */
  isOpen = false;

  /** The connection, whose reads wait at the gate. */
  over(conn: StreamConn): StreamConn {
    return {
      read: async (p) => {
        if (this.#count >= UNASKED) await this.#open.promise;
        const count = await (this.#reading = conn.read(p));
        this.#count += count ?? 0;
        return count;
      },
      write: (p) => conn.write(p),
      closeWrite: () => conn.closeWrite(),
      close: () => this.#close(conn),
    };
  }

  /** Closes the connection, over session tickets that nobody has read. */
  #close(conn: StreamConn): void {
    if (!this.isOpen) return;
    if (!this.lingers) return closeQuietly(conn);
    const read = async (p: Uint8Array) => {
      await this.#reading;
      return await conn.read(p);
    };
    closeInPeace({ read, close: () => conn.close() });
  }

  /** Opens the gate while something goes on. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#open.resolve();
    try {
      return await work();
    } finally {
      this.#open = Promise.withResolvers();
    }
  }
}

/** What a server has to say when a client's first words are of no use (RFC 8446 section 6.2). */
const ALERTS: readonly [said: RegExp, alert: number][] = [
  [/corrupt message/, 50],
  [/unexpected message/, 10],
  [/any known protocol/, 120],
  [/peer is incompatible/, 40],
];

/**
 * Says why a handshake has failed, as every TLS server does: node's says it where it has a socket of
 * its own, and not on a stream.
 */
async function sendAlert(conn: StreamConn, error: unknown): Promise<void> {
  if (!(error instanceof Deno.errors.InvalidData)) return;
  const [, alert] = ALERTS.find(([said]) => said.test(error.message)) ?? [];
  if (alert === undefined) return;
  try {
    await writeAll(conn, Uint8Array.of(21, 3, 3, 0, 2, 2, alert));
    await conn.closeWrite();
    await closeInPeace(conn);
  } catch {
    // It has gone.
  }
}

/** A handshake on a connection, which is closed where it fails. */
function secure(
  conn: StreamConn,
  peer: "server" | "client",
  { timeout = DEFAULT_TIMEOUT, signal: outer }: Readonly<StartTlsOptions | AcceptTlsOptions>,
  start: (below: Duplex) => Promise<TLSSocket>,
  check: (socket: TLSSocket) => Promise<void> = () => Promise.resolve(),
): Promise<TlsStreamConn> {
  return withDeadline(
    timeout,
    "The TLS handshake",
    outer,
    (signal) =>
      handshake(conn, signal, async () => {
        const gate = new Gate();
        const below = await toDuplex(gate.over(conn));
        const socket = await start(below);
        // It would hear of it later, or as a server not at all, and take writes meanwhile.
        below.once("error", (error) => socket.destroy(error));
        const secure = fromDuplex(socket, (next) => gate.during(next));
        try {
          await gate.during(() => secured(socket, peer));
        } catch (error) {
          if (peer === "client") await sendAlert(conn, error);
          throw error;
        }
        await check(socket);
        gate.isOpen = true;
        return {
          read: (p) => secure.read(p),
          write: (p) => secure.write(p),
          async closeWrite() {
            await secure.closeWrite();
            gate.lingers = true;
          },
          close: () => secure.close(),
          alpnProtocol: socket.alpnProtocol || null,
        };
      }),
  );
}

/** The hash of a certificate behind those before it, as WebTunnel pins a chain. */
async function linkHash(
  before: Uint8Array<ArrayBuffer> | null,
  der: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", der));
  if (before === null) return hash;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(before, hash)));
}

/** The certificates that a server has sent, its own first. */
function* sentCertificates(socket: TLSSocket): Generator<Uint8Array<ArrayBuffer>> {
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined) {
    yield new Uint8Array(certificate.raw);
    // One that has signed itself is the last.
    if (certificate.issuerCertificate === certificate) return;
    certificate = certificate.issuerCertificate;
  }
}

async function checkPins(socket: TLSSocket, pins: readonly string[]): Promise<void> {
  let hash: Uint8Array<ArrayBuffer> | null = null;
  for (const der of sentCertificates(socket)) {
    hash = await linkHash(hash, der);
    // After each of them: a root that this machine knows may stand behind what the server sent.
    if (pins.includes(hash.toBase64())) return;
  }
  throw new Deno.errors.InvalidData("The TLS server has another certificate than the pinned one");
}

/**
 * Computes the pin of a certificate or of a chain, in Base64, as in the `cert=` of a bridge line of
 * WebTunnel. For one certificate it is SHA-256(DER); each further certificate of the chain turns it
 * into SHA-256(pin so far || SHA-256(DER)).
 *
 * @param pem Certificates in PEM, the server's own first. To pin no more than that, give it alone.
 * @returns The pin, for {@linkcode StartTlsOptions.pins}.
 * @throws {TypeError} When there is no certificate in the text.
 * @throws {SyntaxError} When what stands there is not Base64.
 *
 * @example
 * ```ts
 * import { certificatePin } from "@ptlib/ptlib/tls";
 *
 * const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
 * if (await certificatePin(pem) !== "cJ6AyISHokEeHuTfufIqhhSS0gxHZRUMDHlKvXD4FHw=") throw new Error();
 * ```
 */
export async function certificatePin(pem: string): Promise<string> {
  let hash: Uint8Array<ArrayBuffer> | null = null;
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g);
  for (const [, base64 = ""] of blocks) {
    hash = await linkHash(hash, Uint8Array.fromBase64(base64));
  }
  if (hash === null) throw new TypeError("There is no certificate in PEM in the text");
  return hash.toBase64();
}

/** What node is told about the server's name and certificate. */
function expectations(
  { hostname, sni, pins = [], caCerts = [] }: Readonly<StartTlsOptions>,
  tls: { checkServerIdentity: typeof checkServerIdentity; rootCertificates: readonly string[] },
) {
  // SNI holds no IP address (RFC 6066 section 3); the certificate is checked for either.
  const servername = sni === undefined && ipToBytes(hostname) === null ? hostname : sni ?? "";
  return {
    servername,
    // Said, because NODE_TLS_REJECT_UNAUTHORIZED=0 would change the default.
    rejectUnauthorized: pins.length === 0,
    checkServerIdentity: (_asked: string, certificate: PeerCertificate) =>
      pins.length === 0 ? tls.checkServerIdentity(hostname, certificate) : undefined,
    // node takes these in place of the default ones.
    ...(caCerts.length > 0 && { ca: [...tls.rootCertificates, ...caCerts] }),
  };
}

/**
 * Starts TLS on any connection, as its client: on one that a transport has wrapped, or on TLS
 * again. For a plain `Deno.TcpConn`, without `sni` and `pins`, use `Deno.startTls`: it does the
 * same and is faster.
 *
 * The server's certificate is always checked, by its name and who signed it or by pins.
 * `closeWrite()` sends `close_notify` and leaves the other direction open. If the peer closes the
 * connection without `close_notify`, that is a normal end. After `closeWrite()`, `close()` leaves the
 * peer a second to read to the end. `node:tls` is loaded on first use.
 *
 * @param conn The connection to the TLS server. It is closed when the handshake fails, and when the
 * returned connection is closed.
 * @param options The server's name, certificates, protocols, a deadline, a signal.
 * @returns The connection in TLS.
 * @throws {Deno.errors.InvalidData} When the server does not speak TLS, its certificate is not
 * trusted, for another name or not a pinned one, or it takes none of the protocols.
 * @throws {Deno.errors.UnexpectedEof} When the server hangs up.
 * @throws {DOMException} A `TimeoutError` when the handshake takes too long.
 * @throws {unknown} The signal's reason when it aborts, or what the connection throws.
 *
 * @example
 * ```ts
 * import { type StreamConn, writeAll } from "@ptlib/ptlib/net";
 * import { startTls } from "@ptlib/ptlib/tls";
 *
 * async function greet(conn: StreamConn): Promise<void> {
 *   const secure = await startTls(conn, { hostname: "bridge.example" });
 *   await writeAll(secure, new TextEncoder().encode("hello"));
 *   await secure.closeWrite();
 *   secure.close();
 * }
 * ```
 */
export async function startTls(
  conn: StreamConn,
  options: Readonly<StartTlsOptions>,
): Promise<TlsStreamConn> {
  const { pins = [], alpnProtocols = [] } = options;
  const start = async (below: Duplex) => {
    const tls = await import("node:tls");
    return tls.connect({
      socket: below,
      ...expectations(options, tls),
      ALPNProtocols: [...alpnProtocols],
    });
  };
  return await secure(
    conn,
    "server",
    options,
    start,
    async (socket) => pins.length > 0 ? await checkPins(socket, pins) : undefined,
  );
}

/**
 * Starts TLS on any connection, as its server. `node:tls` is loaded at the first use.
 *
 * @param conn The connection, on which the client's first bytes come. It is closed when the
 * handshake fails, and with the connection that is returned.
 * @param options Certificate and key, protocols, a deadline, a signal.
 * @returns The connection in TLS.
 * @throws {Deno.errors.InvalidData} When the client does not speak TLS, does not like the
 * certificate, or takes none of the protocols.
 * @throws {Deno.errors.UnexpectedEof} When the client hangs up.
 * @throws {DOMException} A `TimeoutError` when the handshake takes too long.
 * @throws {Error} When certificate or key cannot be read.
 * @throws {unknown} The signal's reason when it aborts, or what the connection throws.
 *
 * @example
 * ```ts
 * import { type StreamConn, writeAll } from "@ptlib/ptlib/net";
 * import { acceptTls } from "@ptlib/ptlib/tls";
 *
 * async function greet(conn: StreamConn, cert: string, key: string): Promise<void> {
 *   const secure = await acceptTls(conn, { cert, key });
 *   await writeAll(secure, new TextEncoder().encode("hello"));
 *   secure.close();
 * }
 * ```
 */
export async function acceptTls(
  conn: StreamConn,
  options: Readonly<AcceptTlsOptions>,
): Promise<TlsStreamConn> {
  const { cert, key, alpnProtocols = [] } = options;
  return await secure(conn, "client", options, async (below) => {
    const { createSecureContext, TLSSocket } = await import("node:tls");
    // Any Duplex will do, whatever the type says.
    return new TLSSocket(below as Socket, {
      isServer: true,
      secureContext: createSecureContext({ cert, key }),
      ALPNProtocols: [...alpnProtocols],
    });
  });
}

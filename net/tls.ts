/**
 * TLS over any connection, on the client's side.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
import { ipToBytes, scrubAddresses } from "../address.ts";
import { Deadline, handshake, type StreamConn } from "./conn.ts";
import { denoError, fromDuplex, toDuplex } from "./duplex.ts";

const DEFAULT_TIMEOUT = 60_000;

/**
 * How {@linkcode startTls} speaks to the server; named as in `Deno.StartTlsOptions`.
 *
 * @example
 * ```ts
 * import type { StartTlsOptions } from "@ptlib/ptlib/tls";
 *
 * const options: StartTlsOptions = { hostname: "bridge.example", alpnProtocols: ["http/1.1"] };
 * ```
 */
export interface StartTlsOptions {
  /** The server's name or IP address, which its certificate must hold. A name is sent as SNI. */
  hostname: string;
  /** Certificates in PEM that are trusted besides the default ones. */
  caCerts?: readonly string[] | undefined;
  /** The protocols to offer (RFC 7301), the preferred one first. */
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
  /** The protocol of `alpnProtocols` that the server chose; `null` for none. */
  readonly alpnProtocol: string | null;
}

/** What went wrong, without the names and addresses that node's messages hold. */
function handshakeError(cause: Error & { code?: unknown }): unknown {
  const { code, message } = cause;
  if (code === "ECONNRESET" && message.includes("before secure TLS connection")) {
    return new Deno.errors.UnexpectedEof("The server hung up in the TLS handshake", { cause });
  }
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

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", (error) => reject(handshakeError(error)));
    socket.once("close", () => reject(new Deno.errors.Interrupted("The connection was closed")));
  });
}

/**
 * Starts TLS on any connection, as its client: on one that a transport has wrapped, or on TLS
 * again. On a `Deno.TcpConn` as it stands `Deno.startTls` does the same, faster.
 *
 * The server's certificate is always checked. `closeWrite()` says the end in TLS and leaves the
 * other direction open. A connection that the peer ends without saying so in TLS counts as ended.
 * `node:tls` is loaded at the first use.
 *
 * @param conn The connection, which has become the server's. It is closed when the handshake
 * fails, and with the connection that is returned.
 * @param options The server's name, certificates, protocols, a deadline, a signal.
 * @returns The connection in TLS.
 * @throws {Deno.errors.InvalidData} When the server does not speak TLS, its certificate is not
 * trusted or for another name, or it takes none of the protocols.
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
  const { hostname, caCerts = [], alpnProtocols = [], timeout = DEFAULT_TIMEOUT } = options;
  using deadline = new Deadline(timeout, "The TLS handshake", options.signal);
  return await handshake(conn, deadline.signal, async () => {
    const { connect, rootCertificates } = await import("node:tls");
    const socket = connect({
      socket: await toDuplex(conn),
      // SNI holds no IP address (RFC 6066 section 3); the certificate is checked for either.
      ...(ipToBytes(hostname) === null ? { servername: hostname } : { host: hostname }),
      // Said, because NODE_TLS_REJECT_UNAUTHORIZED=0 would change the default.
      rejectUnauthorized: true,
      // node takes these in place of the default ones.
      ...(caCerts.length > 0 && { ca: [...rootCertificates, ...caCerts] }),
      ALPNProtocols: [...alpnProtocols],
    });
    const secure = fromDuplex(socket);
    await secured(socket);
    return {
      read: (p) => secure.read(p),
      write: (p) => secure.write(p),
      closeWrite: () => secure.closeWrite(),
      close: () => secure.close(),
      alpnProtocol: socket.alpnProtocol || null,
    };
  });
}

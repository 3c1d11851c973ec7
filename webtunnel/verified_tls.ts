/**
 * TLS to a bridge, with the server's name or certificate verified, and what went wrong with it in
 * words that help.
 *
 * @module
 */

import type { Socket } from "node:net";
import { ipToBytes, isLoopback } from "../address.ts";
import { closeQuietly, type StreamConn } from "../net/conn.ts";
import { unlessAborted } from "../net/deadline.ts";
import { keepSocketAlive } from "../net/keep_alive.ts";
import { openSecondSocket } from "../net/tcp_handle.ts";
import type { StartTlsOptions } from "../net/tls.ts";
import type { BridgeTls } from "./arguments.ts";
import { WebTunnelError, type WebTunnelFailure } from "./webtunnel_error.ts";

/** What Deno's and node's errors say, and what it means. The first that fits counts. */
const MEANINGS: readonly [said: RegExp, failure: WebTunnelFailure, words: string][] = [
  [
    /fatal alert/,
    "tls-refused",
    "The server refused the TLS handshake: it may not know the name that was sent",
  ],
  [
    /corrupt message/,
    "no-tls",
    "The server does not speak TLS: url= may need http:// or another port",
  ],
  [
    /certificate expired/,
    "certificate-expired",
    "The server's certificate has expired, or this machine's clock is wrong",
  ],
  [
    /not valid yet/,
    "certificate-expired",
    "The server's certificate is not valid yet, or this machine's clock is wrong",
  ],
  [
    /not valid for name|for another name/,
    "certificate-name",
    "The server's certificate is for another name: it is not this bridge's, or somebody is between",
  ],
  [
    /than the pinned one/,
    "certificate-pin",
    "The server has another certificate than cert= says: it was renewed, or somebody is between",
  ],
  [
    /certificate/,
    "certificate-untrusted",
    "The server's certificate is not trusted: its issuer is not known here, it is out of date, or " +
    "somebody is between",
  ],
];

const OTHERWISE = [
  null,
  "tls-refused",
  "The TLS handshake failed: the server has nothing in common with this client",
] as const;

/** What a failed handshake means. */
function meaning(cause: unknown): unknown {
  const { ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof, BrokenPipe } =
    Deno.errors;
  if (cause instanceof InvalidData) {
    const [, failure, words] = MEANINGS.find(([said]) => said.test(cause.message)) ?? OTHERWISE;
    return new WebTunnelError(failure, words, { cause });
  }
  const ends = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
  if (!ends.some((end) => cause instanceof end)) return cause;
  const words =
    "The connection was cut in the TLS handshake: the server or somebody between refuses " +
    "the name that was sent, or the server does not speak TLS";
  return new WebTunnelError("tls-refused", words, { cause });
}

/** Whether it is a connection of Deno's own, and not one that was wrapped. */
function isTcpConn(conn: StreamConn): conn is Deno.TcpConn {
  return "setKeepAlive" in conn && "remoteAddr" in conn;
}

/** How many handshakes may be under way that nobody waits for any more. */
const MOST_ABANDONED = 16;
let abandoned = 0;

/**
 * Gives up a handshake. Deno closes the connection only when the handshake has come to its end: the
 * server is told to bring that about.
 */
async function abandon(secure: Deno.TlsConn, below: Socket): Promise<void> {
  abandoned++;
  below.end();
  await secure.handshake().catch(() => {});
  abandoned--;
  closeQuietly(secure);
  below.destroy();
}

/** TLS of Deno's own: it is faster than node's, and tells more of a certificate that is not good. */
async function startDenoTls(
  conn: Deno.TcpConn,
  below: Socket,
  hostname: string,
  caCerts: readonly string[],
  signal: AbortSignal,
): Promise<StreamConn> {
  const { hostname: host } = conn.remoteAddr;
  let secure: Deno.TlsConn;
  try {
    secure = await Deno.startTls(conn, { hostname, caCerts: [...caCerts] });
  } catch (error) {
    below.destroy();
    throw error;
  }
  try {
    await unlessAborted(secure.handshake(), signal);
  } catch (error) {
    void abandon(secure, below);
    throw error;
  }
  if (!isLoopback(host)) keepSocketAlive(below);
  return {
    async read(p) {
      try {
        return await secure.read(p);
      } catch (error) {
        // A server that closes without a word of TLS has ended its stream, too.
        if (error instanceof Deno.errors.UnexpectedEof) return null;
        throw error;
      }
    },
    write: (p) => secure.write(p),
    closeWrite: () => secure.closeWrite(),
    close() {
      closeQuietly(secure);
      below.destroy();
    },
  };
}

/**
 * Starts TLS to a bridge, without ALPN: a server that is asked could choose HTTP/2.
 *
 * @param conn The connection. It is closed when the handshake fails, and with what is returned.
 * @param tls What the bridge line says of TLS.
 * @param name The one of its names that is sent.
 * @param caCerts Certificates in PEM that are trusted besides the default ones.
 * @param signal Ends the handshake.
 * @returns The connection in TLS.
 * @throws {WebTunnelError} When the server is not who it shall be, or does not want to.
 * @throws {unknown} The signal's reason when it aborts, or what the connection throws.
 */
export async function startVerifiedTls(
  conn: StreamConn,
  { verified, pins }: Readonly<BridgeTls>,
  name: string,
  caCerts: readonly string[],
  signal: AbortSignal,
): Promise<StreamConn> {
  const hostname = verified ?? name;
  try {
    if (pins.length === 0 && hostname === name && isTcpConn(conn) && abandoned < MOST_ABANDONED) {
      const below = await openSecondSocket(conn);
      if (below !== null) return await startDenoTls(conn, below, hostname, caCerts, signal);
    }
    const { startTls } = await import("../net/tls.ts"); // Loaded by those who need it.
    // An IP address is verified, and never sent as a name (RFC 6066 section 3).
    const sni = ipToBytes(name) === null ? name : null;
    const options: StartTlsOptions = { hostname, sni, pins, caCerts, timeout: Infinity, signal };
    return await startTls(conn, options);
  } catch (error) {
    throw meaning(error);
  }
}

/**
 * Teaches tor's side of the Extended ORPort: a port whose cookie stays the same, in front of a tor
 * that makes up another one at each start. With one of them for each tor, a load balancer may stand
 * between one transport and several tors (docs/what-it-costs.md).
 *
 * tor starts it as a server; it hides nothing. The cookie comes from
 * `{ printf '! Extended ORPort Auth Cookie !\n'; head -c 32 /dev/urandom; } > static_cookie`.
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* --allow-net=127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie,/var/lib/rot13/static_cookie \
 *       static_cookie.ts /var/lib/rot13/static_cookie
 *
 * @module
 */

import { config, log, server } from "@ptlib/ptlib";
import { parseAddress } from "@ptlib/ptlib/address";
import * as net from "@ptlib/ptlib/net";

const NAME = "static_cookie";
const HEADER = "! Extended ORPort Auth Cookie !\n";
const OKAY = Uint8Array.of(0x10, 0, 0, 0);
const DENY = Uint8Array.of(0x10, 1, 0, 0);
const utf8 = new TextEncoder();

/** Reads a cookie file, for the two hashes that prove to know it (ext-orport-spec section 2.1). */
async function readKey(path: string): Promise<CryptoKey> {
  const file = await Deno.readFile(path);
  const header = new TextDecoder("latin1").decode(file.subarray(0, HEADER.length));
  if (header !== HEADER || file.length !== 64) throw new Error("The file does not hold a cookie");
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return await crypto.subtle.importKey("raw", file.slice(32), algorithm, false, ["sign", "verify"]);
}

/** Both sides prove that they know the cookie. */
async function authenticate(conn: net.StreamConn, key: CryptoKey): Promise<void> {
  await net.writeAll(conn, Uint8Array.of(1, 0)); // SAFE_COOKIE is all that there is.
  const [type] = await net.readFull(conn, new Uint8Array(1));
  if (type !== 1) throw new Error("The transport does not take SAFE_COOKIE");
  const clientNonce = await net.readFull(conn, new Uint8Array(32));
  const serverNonce = crypto.getRandomValues(new Uint8Array(32));
  const proven = (direction: string) => {
    const text = utf8.encode(`ExtORPort authentication ${direction} hash`);
    return Uint8Array.of(...text, ...clientNonce, ...serverNonce);
  };
  const proof = await crypto.subtle.sign("HMAC", key, proven("server-to-client"));
  await net.writeAll(conn, Uint8Array.of(...new Uint8Array(proof), ...serverNonce));
  const hash = await net.readFull(conn, new Uint8Array(32));
  const known = await crypto.subtle.verify("HMAC", key, hash, proven("client-to-server"));
  await net.writeAll(conn, Uint8Array.of(known ? 1 : 0));
  if (!known) throw new Error("The transport does not know the cookie");
}

/** A connection, and what tor is to be told of it. */
interface Introduced {
  conn: net.StreamConn;
  client: net.DialOrOptions;
}

/** Reads what the transport says of a client, up to DONE (section 3.1). */
async function introduce(conn: net.StreamConn, key: CryptoKey): Promise<Introduced> {
  await authenticate(conn, key);
  const client: net.DialOrOptions = { transport: NAME };
  for (;;) {
    const header = new DataView((await net.readFull(conn, new Uint8Array(4))).buffer);
    const body = await net.readFull(conn, new Uint8Array(header.getUint16(2)));
    const code = header.getUint16(0);
    if (code === 0) return { conn, client };
    if (code === 1) client.clientAddress = parseAddress(new TextDecoder().decode(body));
    if (code === 2) client.transport = new TextDecoder().decode(body);
  }
}

/** What tor wants. A person who starts this by hand learns what it is. */
function init(): server.ServerInfo {
  try {
    return server.init([NAME]);
  } catch (error) {
    if (!(error instanceof config.EnvError)) throw error;
    console.error(`static_cookie cannot begin: ${error.message}
It stands between a tor and a transport that serves several; the comment at its top tells more.
To read on: https://jsr.io/@ptlib/ptlib`);
    Deno.exit(1);
  }
}

const info = init();
const outboundBindAddress = config.readOutboundBindAddresses();
const stop = net.shutdownSignal();

/** Says the same of a client to tor, and moves the bytes once tor has accepted it. */
async function carry({ conn, client }: Introduced): Promise<void> {
  try {
    const about = { ...client, outboundBindAddress };
    const tor = await net.dialOr(info, { ...about, signal: stop.end });
    await net.writeAll(conn, OKAY).catch(() => {}); // relay() closes both where that fails.
    await net.relay(conn, tor, { signal: stop.end });
  } catch (error) {
    log("warning", `No connection to tor: ${error instanceof Error ? error.message : error}`);
    await net.writeAll(conn, DENY);
  } finally {
    net.closeQuietly(conn);
  }
}

try {
  const [hostname, port] = info.transports[NAME]!;
  const key = await readKey(Deno.args[0] ?? "");
  const listener = Deno.listen({ hostname, port });
  server.reportSuccess(NAME, [listener.addr.hostname, listener.addr.port]);
  server.reportEnd();
  const handshake = (conn: Deno.TcpConn, signal: AbortSignal) =>
    net.handshake(conn, signal, () => introduce(conn, key));
  const discard = ({ conn }: Introduced) => conn.close();
  const options = { signal: stop, timeout: 10_000, handshake, discard };
  await net.handleEach(net.acceptHandshakes(listener, options), carry);
} catch (error) {
  server.reportFailure(NAME, error instanceof Error ? error.message : String(error));
  server.reportEnd();
}
Deno.exit(0);

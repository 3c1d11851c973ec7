/**
 * Teaches the protocol, step by step: the transports rot13 and rot26 on the functions that pyptlib's
 * API overview describes. Read it from top to bottom. (`rot13.ts` is the short way.)
 *
 * Letters rotate by 13 or by 26 places, other bytes stay: that hides nothing from anybody.
 *
 * tor starts it. As a client, with the address of the bridge:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=127.0.0.1:0,192.0.2.1:4443 rot0r.ts
 *
 * As a server, with the address it binds, those of tor's ORPorts, and the cookie's file. The
 * ports of `ORPort auto` and `ExtORPort auto` are not known beforehand: there the host stands
 * alone.
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=0.0.0.0:4443,127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie rot0r.ts
 *
 * A client whose bridges are not known beforehand needs plain `--allow-net`; one with an upstream
 * proxy needs the proxy's address in place of the bridge's.
 *
 * @module
 */

import { type Address, client, config, log, server, util } from "@ptlib/ptlib";
import {
  acceptAll,
  closeQuietly,
  dial,
  dialOr,
  handleEach,
  listenSocks,
  mapBytes,
  relay,
  shutdownSignal,
  type SocksListener,
  type StreamConn,
  untilAborted,
} from "@ptlib/ptlib/net";

/** What becomes of each byte when letters rotate. */
function rotation(places: number): Uint8Array {
  const rotate = (byte: number, a: number) => a + (byte - a + places) % 26;
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    if (byte >= 0x41 && byte <= 0x5a) return rotate(byte, 0x41);
    if (byte >= 0x61 && byte <= 0x7a) return rotate(byte, 0x61);
    return byte;
  });
}

/** The transports themselves: what becomes of each byte, at one end and back again at the other. */
const ROTATIONS: Readonly<Record<string, Uint8Array>> = {
  rot13: rotation(13),
  rot26: rotation(26),
};

/** Wraps the connection between client and bridge: on it, everything is rotated. */
function wrap(conn: StreamConn, name: string): StreamConn {
  const table = ROTATIONS[name]!;
  return mapBytes(conn, { read: table, write: table });
}

/** The reason of an error in words. */
function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function runClient(): Promise<void> {
  // Step 1: get transport information from tor.
  const { transports, proxy } = client.init(Object.keys(ROTATIONS));
  const outboundBindAddress = config.readOutboundBindAddresses();
  const stop = shutdownSignal();
  if (proxy !== null) client.reportProxySuccess(); // dial() below goes nowhere else.

  // Steps 2 and 3: launch each transport, and report what became of it.
  const launched: [name: string, listener: SocksListener][] = [];
  for (const name of transports) {
    try {
      const listener = listenSocks({ signal: stop });
      client.reportSuccess(name, 5, listener.address);
      launched.push([name, listener]);
    } catch (error) {
      client.reportFailure(name, reason(error));
    }
  }

  // Step 4: that was all. Now the users come, and each goes on to a bridge.
  client.reportEnd();
  const carryAll = ([name, listener]: [string, SocksListener]) =>
    handleEach(listener, async (request) => {
      try {
        const bridge = await dial(request.target, { proxy, outboundBindAddress, signal: stop.end });
        await relay(await request.grant(), wrap(bridge, name), { signal: stop.end });
      } catch (error) {
        const rejected = request.reject(error);
        log("notice", `${name}: no connection to a bridge: ${reason(error)}`);
        await rejected;
      }
    });
  const served = Promise.all([...launched.map(carryAll), untilAborted(stop)]);
  // A user who was rejected may take a while to leave.
  await Promise.race([served, untilAborted(stop.end)]);
}

async function runServer(): Promise<void> {
  // Step 1: get transport information from tor.
  const info = server.init(Object.keys(ROTATIONS));
  const outboundBindAddress = config.readOutboundBindAddresses();
  const stop = shutdownSignal();

  // Steps 2 and 3: launch each transport, and report what became of it.
  const launched: [name: string, listener: Deno.TcpListener][] = [];
  for (const [name, [hostname, port]] of Object.entries(info.transports)) {
    try {
      const listener = Deno.listen({ hostname, port });
      server.reportSuccess(name, [listener.addr.hostname, listener.addr.port]);
      launched.push([name, listener]);
    } catch (error) {
      server.reportFailure(name, reason(error));
    }
  }

  // Step 4: that was all. Now the clients come, and each goes on to tor.
  server.reportEnd();
  const carryAll = ([transport, listener]: [string, Deno.TcpListener]) =>
    handleEach(acceptAll(listener, { signal: stop }), async (conn) => {
      try {
        const { hostname, port } = conn.remoteAddr;
        const clientAddress: Address = [hostname, port];
        const about = { transport, clientAddress, outboundBindAddress };
        const orport = await dialOr(info, { ...about, signal: stop.end });
        await relay(wrap(conn, transport), orport, { signal: stop.end });
      } catch (error) {
        closeQuietly(conn);
        log("warning", `${transport}: no connection to tor: ${reason(error)}`);
      }
    });
  await Promise.all([...launched.map(carryAll), untilAborted(stop)]);
}

/** Step 0: find out which half tor wants. Where that is unclear, `init` will say so to tor. */
function isClient(): boolean {
  try {
    return util.checkClientMode();
  } catch {
    return true;
  }
}

try {
  await (isClient() ? runClient() : runServer());
} catch (error) {
  if (!(error instanceof config.EnvError)) throw error;
  console.error(`rot0r is a pluggable transport, and cannot begin: ${error.message}
To try it: deno run -A jsr:@ptlib/ptlib/cli tor --transport rot13 -- deno run -A rot0r.ts
To read on: https://jsr.io/@ptlib/ptlib`);
  Deno.exit(1);
}
Deno.exit(0);

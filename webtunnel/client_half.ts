/**
 * The client half: from a bridge line to a tunnel.
 *
 * @module
 */

import { handshake, type StreamConn } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";
import type { ClientContext } from "../run/transport.ts";
import { type Bridge, readBridge } from "./arguments.ts";
import { ServerNames } from "./server_names.ts";
import { upgrade } from "./upgrade.ts";
import { startVerifiedTls } from "./verified_tls.ts";
import { WebTunnelError } from "./webtunnel_error.ts";

/**
 * How long TLS and the upgrade may take in milliseconds, for all names together: it leaves `run()`,
 * which gives a transport 60 s, some for the connections below.
 */
const HANDSHAKE_TIMEOUT = 45_000;

/** How many names are tried for one connection. The next one goes on with those behind. */
const MOST_ATTEMPTS = 3;

/** What was waited for when nothing came. */
function silent(step: "tls" | "upgrade", cause: unknown): WebTunnelError {
  const words = step === "tls"
    ? "The server is silent in the TLS handshake: somebody between may keep it from us"
    : "The server takes the request and does not answer it: is it another service?";
  return new WebTunnelError("silent", words, { cause });
}

/** Makes a tunnel of a connection, under one of the bridge's names. It is closed where that fails. */
async function open(
  conn: StreamConn,
  { host, path, tls }: Bridge,
  name: string,
  caCerts: readonly string[],
  timeout: number,
  outer: AbortSignal,
): Promise<StreamConn> {
  let step: "tls" | "upgrade" = "tls";
  const what = "The handshake with the bridge";
  return await withDeadline(timeout, what, outer, async (signal) => {
    try {
      const carrier = tls === null
        ? conn
        : await startVerifiedTls(conn, tls, name, caCerts, signal);
      step = "upgrade";
      return await handshake(carrier, signal, () => upgrade(carrier, host, path));
    } catch (error) {
      throw signal.aborted ? silent(step, error) : error;
    }
  });
}

/**
 * Makes the client half of the transport.
 *
 * @param caCerts Certificates in PEM that are trusted besides the default ones.
 * @param warn Is told once of an argument that has no effect.
 * @returns What connects to a bridge.
 */
export function clientHalf(
  caCerts: readonly string[],
  warn: (text: string) => void,
): (context: ClientContext) => Promise<StreamConn> {
  const serverNames = new ServerNames();
  let warned = false;
  return async ({ args, dial, signal }) => {
    const bridge = readBridge(args);
    if (args.has("utls") && !warned) {
      warned = true;
      warn("webtunnel: utls= has no effect: no browser's TLS is imitated here");
    }
    const list = bridge.tls?.names ?? [bridge.host];
    const names = serverNames.inOrder(list);
    const attempts = Math.min(names.length, MOST_ATTEMPTS);
    for (let attempt = 0;; attempt++) {
      const name = names[attempt]!;
      const conn = await dial(bridge.address);
      try {
        const timeout = HANDSHAKE_TIMEOUT / attempts;
        const tunnel = await open(conn, bridge, name, caCerts, timeout, signal);
        if (list.length > 1) serverNames.keep(list, name);
        return tunnel;
      } catch (error) {
        signal.throwIfAborted();
        if (list.length > 1) serverNames.keep(list, names[(attempt + 1) % names.length]!);
        if (attempt + 1 === attempts) throw error;
      }
    }
  };
}

/** A server without `run()`: the same calls, written out. */

import { type Address, config, log, server } from "@ptlib/ptlib";
import {
  acceptAll,
  closeQuietly,
  dialOr,
  handleEach,
  relay,
  shutdownSignal,
  type StreamConn,
  untilAborted,
} from "@ptlib/ptlib/net";

/** Runs the server of a transport that wraps the connection of a client. */
export async function serveClients(
  transport: string,
  wrap: (conn: StreamConn) => StreamConn,
): Promise<never> {
  const info = server.init([transport]);
  const outboundBindAddress = config.readOutboundBindAddresses();
  const stop = shutdownSignal();
  const [hostname, port] = info.transports[transport]!;
  const listener = Deno.listen({ hostname, port });
  server.reportSuccess(transport, [listener.addr.hostname, listener.addr.port]);
  server.reportEnd();
  const serving = handleEach(acceptAll(listener, { signal: stop }), async (conn) => {
    try {
      const clientAddress: Address = [conn.remoteAddr.hostname, conn.remoteAddr.port];
      const options = { transport, clientAddress, outboundBindAddress, signal: stop.end };
      await relay(wrap(conn), await dialOr(info, options), { signal: stop.end });
    } catch {
      log("warning", "no connection to tor");
      closeQuietly(conn);
    }
  });
  await Promise.all([serving, untilAborted(stop)]);
  Deno.exit(0);
}

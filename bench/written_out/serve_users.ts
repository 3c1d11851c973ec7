/** A client without `run()`: the same calls, written out. */

import { client, config, log } from "@ptlib/ptlib";
import {
  dial,
  handleEach,
  listenSocks,
  relay,
  shutdownSignal,
  type StreamConn,
  untilAborted,
} from "@ptlib/ptlib/net";

/** Runs the client of a transport that wraps the connection to the bridge. */
export async function serveUsers(
  name: string,
  wrap: (conn: StreamConn) => StreamConn,
): Promise<never> {
  const { proxy } = client.init([name]);
  const outboundBindAddress = config.readOutboundBindAddresses();
  const stop = shutdownSignal();
  if (proxy !== null) client.reportProxySuccess();
  const listener = listenSocks({ signal: stop });
  client.reportSuccess(name, 5, listener.address);
  client.reportEnd();
  const serving = handleEach(listener, async (request) => {
    try {
      const bridge = await dial(request.target, { proxy, outboundBindAddress, signal: stop.end });
      await relay(await request.grant(), wrap(bridge), { signal: stop.end });
    } catch (error) {
      log("notice", "no connection to a bridge");
      await request.reject(error);
    }
  });
  await Promise.all([serving, untilAborted(stop)]);
  Deno.exit(0);
}

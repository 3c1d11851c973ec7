/** The server of `examples/dummy_server.ts` without `run()`: the same calls, written out. */

import { type Address, config, log, server } from "@ptlib/ptlib";
import {
  acceptAll,
  closeQuietly,
  dialOr,
  handleEach,
  relay,
  shutdownSignal,
  untilAborted,
} from "@ptlib/ptlib/net";

const transport = "dummy";
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
    await relay(conn, await dialOr(info, options), { signal: stop.end });
  } catch {
    log("warning", "no connection to tor");
    closeQuietly(conn);
  }
});
await Promise.all([serving, untilAborted(stop)]);
Deno.exit(0);

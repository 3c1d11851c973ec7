/** The client of `examples/dummy_client.ts` without `run()`: the same calls, written out. */

import { client, config, log } from "@ptlib/ptlib";
import {
  dial,
  handleEach,
  listenSocks,
  relay,
  shutdownSignal,
  untilAborted,
} from "@ptlib/ptlib/net";

const { proxy } = client.init(["dummy"]);
const outboundBindAddress = config.readOutboundBindAddresses();
const stop = shutdownSignal();
if (proxy !== null) client.reportProxySuccess();
const listener = listenSocks({ signal: stop });
client.reportSuccess("dummy", 5, listener.address);
client.reportEnd();
const serving = handleEach(listener, async (request) => {
  try {
    const bridge = await dial(request.target, { proxy, outboundBindAddress, signal: stop.end });
    await relay(await request.grant(), bridge, { signal: stop.end });
  } catch (error) {
    log("notice", "no connection to a bridge");
    await request.reject(error);
  }
});
await Promise.all([serving, untilAborted(stop)]);
Deno.exit(0);

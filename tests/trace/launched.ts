/**
 * A program that launches a transport and connects through it: `launched.ts TRANSPORT COMMAND...`.
 * Its own users come by SOCKS, too.
 */

import { client } from "../../mod.ts";
import { handleEach, listenSocks, relay, shutdownSignal, untilAborted } from "../../net/mod.ts";
import { dialTransport, launchClient } from "../../parent/mod.ts";

const [transport = "", ...command] = Deno.args;
const { proxy, state_loc } = client.init([transport]);
const stop = shutdownSignal();
const child = await launchClient(command, {
  transports: [transport],
  stateDirectory: `${state_loc}/child`,
  proxy: proxy ?? undefined,
});
if (proxy !== null) client.reportProxySuccess();
const listener = listenSocks({ signal: stop });
client.reportSuccess(transport, 5, listener.address);
client.reportEnd();
const serving = handleEach(listener, async (request) => {
  try {
    const method = child.methods[transport]!;
    const signal = request.userGone;
    const conn = await dialTransport(method, request.target, request.args, { signal });
    await relay(await request.grant(), conn, { signal: stop.end });
  } catch (error) {
    await request.reject(error);
  }
});
await Promise.all([serving, untilAborted(stop)]);
await child.close();
Deno.exit(0);

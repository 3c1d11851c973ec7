/**
 * A transport whose client connects where the argument `at` says, and not where its user asks, as
 * WebTunnel's does. Its name is `detour`.
 */

import { formatAddress, parseAddress } from "../../address.ts";
import { server, util } from "../../mod.ts";
import { acceptAll, dialOr, relay, shutdownSignal } from "../../net/mod.ts";
import { run } from "../../run/run.ts";

if (util.checkClientMode()) {
  await run({ detour: { client: ({ args, dial }) => dial(parseAddress(args.get("at") ?? "")) } });
} else {
  await runServer();
}

/** Says that it listens where nobody does. */
async function runServer(): Promise<void> {
  const stop = shutdownSignal();
  stop.addEventListener("abort", () => Deno.exit(0));
  const info = server.init(["detour"]);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const at = formatAddress([listener.addr.hostname, listener.addr.port]);
  if ("detour" in info.transports) server.reportSuccess("detour", ["127.0.0.9", 9], [["at", at]]);
  server.reportEnd();
  for await (const conn of acceptAll(listener)) {
    const { hostname, port } = conn.remoteAddr;
    dialOr(info, { transport: "detour", clientAddress: [hostname, port] })
      .then((orport) => relay(conn, orport), () => conn.close());
  }
}

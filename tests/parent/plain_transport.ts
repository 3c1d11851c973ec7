/**
 * A pluggable transport that changes nothing, both halves: the other end for tests of the parent's
 * side. Its transport is `plain`; a client that is given arguments must be given `key=a;b`.
 */

import { client, server, util } from "../../mod.ts";
import { acceptAll, dialOr, listenSocks, relay, shutdownSignal } from "../../net/mod.ts";

const stop = shutdownSignal();
stop.addEventListener("abort", () => Deno.exit(0));

if (util.checkClientMode()) await runClient();
else await runServer();

async function runClient(): Promise<void> {
  const { transports } = client.init(["plain"]);
  if (!transports.includes("plain")) return client.reportEnd();
  const socks = listenSocks();
  client.reportSuccess("plain", 5, socks.address);
  client.reportEnd();
  for await (const request of socks) {
    if (request.args.size > 0 && request.args.get("key") !== "a;b") {
      request.reject(2);
      continue;
    }
    carry(request.target, () => request.grant(), (error) => request.reject(error));
  }
}

async function carry(
  [hostname, port]: [string, number],
  grant: () => Promise<Deno.TcpConn>,
  reject: (error: unknown) => Promise<void>,
): Promise<void> {
  try {
    const bridge = await Deno.connect({ hostname, port });
    await relay(await grant(), bridge);
  } catch (error) {
    await reject(error);
  }
}

async function runServer(): Promise<void> {
  const info = server.init(["plain"]);
  const address = info.transports["plain"];
  if (address === undefined) return server.reportEnd();
  const listener = Deno.listen({ hostname: address[0], port: address[1] });
  server.reportSuccess("plain", [listener.addr.hostname, listener.addr.port], [["key", "a;b"]]);
  server.reportEnd();
  for await (const conn of acceptAll(listener)) {
    const { hostname, port } = conn.remoteAddr;
    dialOr(info, { transport: "plain", clientAddress: [hostname, port] })
      .then((orport) => relay(conn, orport), () => conn.close());
  }
}

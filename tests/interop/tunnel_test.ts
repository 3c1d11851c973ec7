/** Tunnels through foreign transports: everything arrives, and whole. */

import { assertEquals } from "@std/assert";
import { tunnelClient, tunnelServer } from "../../parent/mod.ts";
import { EchoServer } from "../echo.ts";
import { freePort } from "../../testing/free_port.ts";
import { exchange } from "./exchange.ts";
import { peer, peerMissing, type PeerName } from "./peers.ts";
import { withDirectory } from "../permitted.ts";

/** A transport, the programs of its two halves, and the options with which it runs on loopback. */
interface Pairing {
  transport: string;
  server: PeerName;
  client: PeerName;
  options?: (port: number) => Iterable<[string, string]>;
}

const pairings: readonly Pairing[] = [
  { transport: "obfs4", server: "obfs4proxy", client: "obfs4proxy" },
  { transport: "obfs4", server: "lyrebird", client: "lyrebird" },
  { transport: "obfs4", server: "lyrebird", client: "obfs4proxy" },
  {
    transport: "webtunnel",
    server: "webtunnel-server",
    // The webtunnel-client of 0.0.7 refuses to connect to loopback; lyrebird has one that does.
    client: "lyrebird",
    // This is all that a client goes by; the address that the server reports is made up.
    options: (port) => [["url", `http://127.0.0.1:${port}/secret`]],
  },
  { transport: "dummy", server: "goptlib-dummy-server", client: "goptlib-dummy-client" },
];

for (const { transport, server, client, options } of pairings) {
  const missing = peerMissing(server) ?? peerMissing(client) ??
    (Deno.permissions.querySync({ name: "net" }).state === "granted" ? null : "needs --allow-net");
  Deno.test({
    name: `tunnelClient() and tunnelServer() carry 64 MiB both ways by ${transport} of ${client} ` +
      `and ${server}${missing === null ? "" : ` [${missing}]`}`,
    ignore: missing !== null,
    async fn() {
      const programs = [await peer(server), await peer(client)];
      const [serverProgram = "", clientProgram = ""] = programs.map((path) => path ?? "");
      await withDirectory(async (state) => {
        using echo = new EchoServer();
        const port = options === undefined ? 0 : freePort();
        await using far = await tunnelServer([serverProgram], {
          transport,
          listen: ["127.0.0.1", port],
          options: options?.(port),
          forward: echo.address,
          stateDirectory: `${state}/server`,
        });
        await using near = await tunnelClient([clientProgram], {
          transport,
          listen: ["127.0.0.1", 0],
          bridge: far.address,
          args: far.args,
          stateDirectory: `${state}/client`,
        });
        const [hostname, nearPort] = near.address;
        using conn = await Deno.connect({ hostname, port: nearPort });
        const { sent, received } = await exchange(conn);
        assertEquals(received, sent);
      });
    },
  });
}

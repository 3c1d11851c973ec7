/** Our Extended ORPort, as the servers of foreign transports see it. */

import { assertEquals } from "@std/assert";
import { readFull } from "../../net/mod.ts";
import { dialTransport, launchClient, launchServer, listenExtOrPort } from "../../parent/mod.ts";
import { granted, withDirectory } from "../permitted.ts";
import { peer, peerMissing, type PeerName } from "./peers.ts";

const pairings: readonly [transport: string, server: PeerName, client: PeerName][] = [
  ["dummy", "goptlib-dummy-server", "goptlib-dummy-client"],
  ["obfs4", "obfs4proxy", "obfs4proxy"],
  ["obfs4", "lyrebird", "lyrebird"],
];

/** Uses a connection, and closes it. */
async function withConn<T>(
  dialled: Promise<Deno.TcpConn>,
  use: (conn: Deno.TcpConn) => Promise<T>,
): Promise<T> {
  using conn = await dialled;
  return await use(conn);
}

for (const [transport, server, client] of pairings) {
  const missing = peerMissing(server) ?? peerMissing(client) ??
    (granted(["net", "write"]) ? null : "needs --allow-net --allow-write");
  Deno.test({
    name: `listenExtOrPort() takes and denies clients of ${server}` +
      (missing === null ? "" : ` [${missing}]`),
    ignore: missing !== null,
    async fn() {
      const [serverProgram = "", clientProgram = ""] = [await peer(server), await peer(client)]
        .map((path) => path ?? "");
      await withDirectory(async (state) => {
        let welcome = true;
        await using listener = await listenExtOrPort({ authorize: () => welcome });
        await using far = await launchServer([serverProgram], {
          transports: { [transport]: { bindAddress: ["127.0.0.1", 0] } },
          extOrPort: listener,
          stateDirectory: `${state}/server`,
        });
        await using near = await launchClient([clientProgram], {
          transports: [transport],
          stateDirectory: `${state}/client`,
        });
        const bridge = far.methods[transport]!;
        const connect = () => dialTransport(near.methods[transport]!, bridge.address, bridge.args);

        const served = listener[Symbol.asyncIterator]().next();
        await withConn(connect(), async (through) => {
          await through.write(new TextEncoder().encode("hello"));
          const { value } = await served;
          if (value === undefined) throw new Error("the listener has ended");
          using conn = value.conn;
          assertEquals([value.clientAddress?.[0], value.transport], ["127.0.0.1", transport]);
          const hello = await readFull(conn, new Uint8Array(5));
          assertEquals(new TextDecoder().decode(hello), "hello");
        });

        welcome = false;
        await withConn(connect(), async (through) => {
          // goptlib's client forwards no end of stream before it has seen both.
          await through.closeWrite();
          const end = await through.read(new Uint8Array(1)).catch(() => null);
          assertEquals(end, null);
        });
      });
    },
  });
}

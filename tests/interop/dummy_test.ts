/** Our dummy programs and goptlib's, each with the other, over both kinds of ORPort. */

import { assertEquals } from "@std/assert";
import { relay } from "../../net/mod.ts";
import {
  dialTransport,
  type ExtOrPortClient,
  type ExtOrPortListener,
  launchClient,
  launchServer,
  listenExtOrPort,
} from "../../parent/mod.ts";
import { EchoServer } from "../echo.ts";
import { granted, withDirectory } from "../permitted.ts";
import { exchange } from "./exchange.ts";
import { peer, peerMissing } from "./peers.ts";

type Maker = "goptlib" | "ptlib";
type Half = "client" | "server";

/** The command of a dummy program. */
async function command(maker: Maker, half: Half): Promise<string[]> {
  if (maker === "goptlib") return [await peer(`goptlib-dummy-${half}`) ?? ""];
  const path = new URL(`../../examples/dummy_${half}.ts`, import.meta.url).pathname;
  const flags = ["--no-prompt", "--allow-env=TOR_PT_*", "--allow-net=127.0.0.1", "--allow-read"];
  return [Deno.execPath(), "run", ...flags, path];
}

/** Lets what comes to an Extended ORPort be echoed, and notes who came. */
async function serve(listener: ExtOrPortListener, echo: EchoServer): Promise<ExtOrPortClient[]> {
  const [hostname, port] = echo.address;
  const clients: ExtOrPortClient[] = [];
  for await (const { conn, ...client } of listener) {
    clients.push(client);
    relay(conn, await Deno.connect({ hostname, port }));
  }
  return clients;
}

const PAIRINGS: readonly (readonly [client: Maker, server: Maker])[] = [
  ["goptlib", "ptlib"],
  ["ptlib", "goptlib"],
];

for (const [clientMaker, serverMaker] of PAIRINGS) {
  for (const port of ["ORPort", "Extended ORPort"] as const) {
    const foreign = clientMaker === "goptlib" ? "client" : "server";
    const missing = peerMissing(`goptlib-dummy-${foreign}`) ??
      (granted(["net", "write"]) ? null : "needs --allow-net --allow-write");
    Deno.test({
      name: `the dummy client of ${clientMaker} carries 64 MiB both ways to the dummy server of ` +
        `${serverMaker} before the ${port}${missing === null ? "" : ` [${missing}]`}`,
      ignore: missing !== null,
      async fn() {
        await withDirectory(async (state) => {
          using echo = new EchoServer();
          await using extOrPort = await listenExtOrPort();
          const served = serve(extOrPort, echo);
          await using server = await launchServer(await command(serverMaker, "server"), {
            transports: { dummy: { bindAddress: ["127.0.0.1", 0] } },
            ...port === "ORPort" ? { orport: echo.address } : { extOrPort },
            stateDirectory: state,
          });
          await using client = await launchClient(await command(clientMaker, "client"), {
            transports: ["dummy"],
            stateDirectory: state,
          });
          {
            using conn = await dialTransport(
              client.methods["dummy"]!,
              server.methods["dummy"]!.address,
            );
            const { sent, received } = await exchange(conn);
            assertEquals(received, sent);
          }
          await extOrPort.close();
          const introduced = (await served).map(({ clientAddress, transport }) =>
            `${transport} from ${clientAddress?.[0]}`
          );
          assertEquals(introduced, port === "ORPort" ? [] : ["dummy from 127.0.0.1"]);
          assertEquals(echo.accepted, 1);
        });
      },
    });
  }
}

/**
 * The official client of WebTunnel with our server, in a network namespace: it connects to no address
 * that is not public. Prints as JSON what went in and what came back, by SHA-256.
 */

import { tunnelClient, tunnelServer } from "../../parent/mod.ts";
import { EchoServer } from "../echo.ts";
import { TEST_AUTHORITY } from "../net/test_certificates.ts";
import { withDirectory } from "../permitted.ts";
import { freePort } from "../../testing/free_port.ts";
import { exchange } from "./exchange.ts";
import { PUBLIC } from "./namespace.ts";
import { bridgeOptions, PROGRAM } from "./webtunnel_programs.ts";

const [client = "", scheme] = Deno.args;

await withDirectory(async (state) => {
  using echo = new EchoServer();
  const port = freePort(PUBLIC);
  const url = `${scheme}://${PUBLIC}:${port}/secret`;
  await using server = await tunnelServer(PROGRAM, {
    transport: "webtunnel",
    listen: [PUBLIC, port],
    forward: echo.address,
    stateDirectory: `${state}/server`,
    options: scheme === "https"
      ? [...await bridgeOptions(state, url, "127.0.0.1:1"), ["servername", "pt.example"]]
      : [["url", url]],
  });
  const authority = `${state}/authority.pem`;
  await Deno.writeTextFile(authority, TEST_AUTHORITY);
  await using tunnel = await tunnelClient([client], {
    transport: "webtunnel",
    listen: ["127.0.0.1", 0],
    bridge: server.address,
    args: server.args,
    stateDirectory: `${state}/client`,
    env: { SSL_CERT_FILE: authority },
  });
  const [hostname, tunnelPort] = tunnel.address;
  using conn = await Deno.connect({ hostname, port: tunnelPort });
  console.log(JSON.stringify(await exchange(conn)));
});

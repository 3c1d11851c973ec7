/**
 * WebTunnel under Tor: our program, with only the permissions that its head comment asks for, and those
 * of others.
 *
 * @module
 */

import { certificatePin } from "@ptlib/ptlib/tls";
import { peer, type PeerName } from "../interop/peers.ts";
import { TEST_SELF_SIGNED_CERTIFICATE, TEST_SELF_SIGNED_KEY } from "../net/test_certificates.ts";
import { program } from "../webtunnel/program.ts";
import type { TorNetworkOptions } from "../../tor/network.ts";

/** Who plays the client: our program, or lyrebird. */
export type WebTunnelClient = "ours" | Extract<PeerName, "lyrebird">;

/** Who plays the server: our program alone, with TLS, or the official one in plain HTTP. */
export type WebTunnelServer = "ours" | Extract<PeerName, "webtunnel-server">;

/** The command of a program of others. */
async function foreign(name: PeerName): Promise<string[]> {
  const path = await peer(name);
  if (path === null) throw new Error(`There is no ${name}`);
  return [path];
}

/**
 * A network that runs on WebTunnel.
 *
 * @param client Who plays the client.
 * @param server Who plays the server.
 * @param directory Where the certificate and its key go.
 * @param site The `host:port` of a web site.
 */
export async function overWebTunnel(
  client: WebTunnelClient,
  server: WebTunnelServer,
  directory: string,
  site: string,
): Promise<TorNetworkOptions> {
  await Deno.writeTextFile(`${directory}/cert.pem`, TEST_SELF_SIGNED_CERTIFICATE);
  await Deno.writeTextFile(`${directory}/key.pem`, TEST_SELF_SIGNED_KEY);
  const pin = await certificatePin(TEST_SELF_SIGNED_CERTIFICATE);
  const [ourClient, ourServer] = [await program("client", {}), await program("alone", {})];
  const theirClient = client === "ours" ? null : await foreign(client);
  const theirServer = server === "ours" ? null : await foreign(server);
  const url = (bridge: string) => `url=${server === "ours" ? "https" : "http"}://${bridge}/secret`;
  const place = (command: string[], places: Record<string, string>) =>
    command.map((word) =>
      Object.entries(places).reduce((word, [place, mine]) => word.replaceAll(place, mine), word)
    );
  return {
    transport: "webtunnel",
    clientCommand: (bridge) => theirClient ?? place(ourClient, { "bridge.example:443": bridge }),
    serverCommand: (cookie, dataDirectory, bridge) =>
      theirServer ?? place(ourServer, {
        "0.0.0.0:443": bridge,
        "/etc/webtunnel": directory,
        "/var/lib/tor/extended_orport_auth_cookie": cookie,
        "/var/lib/tor/": `${dataDirectory}/`,
      }),
    serverOptions: (bridge) =>
      server === "ours"
        ? [
          url(bridge),
          `cert=${directory}/cert.pem`,
          `key=${directory}/key.pem`,
          `fallback=${site}`,
        ]
        : [url(bridge)],
    bridgeArguments: (bridge) => server === "ours" ? [url(bridge), `cert=${pin}`] : [url(bridge)],
  };
}

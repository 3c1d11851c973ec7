/** A private Tor network whose client and bridge meet through rot13. */

import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { formatAddress } from "../../address.ts";
import { UpstreamProxy } from "../net/upstream_proxy.ts";
import { peerMissing } from "../interop/peers.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { TestSite } from "../webtunnel/test_server.ts";
import { downloadThrough } from "../../tor/download.ts";
import { startTorNetwork } from "../../tor/network.ts";
import { INSTALL, missingPrograms } from "../../tor/programs.ts";
import { rot0rClient, rot0rServer } from "./rot0r.ts";
import { overWebTunnel, type WebTunnelClient, type WebTunnelServer } from "./webtunnel.ts";

const SIZE = 1 << 20;

/** Registers a test that needs tor, ignored with the reason where there is none. */
function torTest(name: string, fn: () => Promise<void>, lacking: string | null = null): void {
  const missing = granted(["run"]) ? missingPrograms() : [];
  const reason = missing.length === 0 ? lacking : `needs ${missing.join(" and ")}; ${INSTALL}`;
  permitted(["net", "read", "write", "run"], name, fn, reason);
}

torTest("rot0r carries a Tor client's traffic that its bridge counts under rot13", async () => {
  await using network = await startTorNetwork({
    transport: "rot13",
    clientCommand: rot0rClient,
    serverCommand: rot0rServer,
  });
  const { userAddr, seen } = await network.countedClient();
  assertMatch(userAddr, /to '127\.0\.0\.1:[1-9]\d*'/);
  assertEquals(seen, "Seen client from '127.0.0.1' with transport 'rot13'");
  const { bytes } = await downloadThrough(network.socksPort, SIZE, network.failed);
  assertEquals(bytes, SIZE);
});

for (const [scheme, option] of [["socks5", "Socks5Proxy"], ["http", "HTTPSProxy"]] as const) {
  torTest(`rot0r sends all bridge traffic through the proxy of ${option}`, async () => {
    using proxy = new UpstreamProxy(scheme);
    const address = formatAddress([proxy.info.host, proxy.info.port]);
    let bridge = "";
    await using network = await startTorNetwork({
      transport: "rot13",
      clientCommand: (peer) => {
        bridge = peer;
        return rot0rClient(address); // Deno lets it connect to nothing but the proxy.
      },
      serverCommand: rot0rServer,
      clientTorrc: [`${option} ${address}`],
    });
    const { bytes } = await downloadThrough(network.socksPort, SIZE, network.failed);
    assertEquals(bytes, SIZE);
    assertGreater(proxy.requests.length, 0);
    for (const { target } of proxy.requests) assertEquals(formatAddress(target), bridge);
  });
}

/** Who meets whom. */
const WEBTUNNEL: readonly [WebTunnelClient, WebTunnelServer][] = [
  ["ours", "ours"],
  ["lyrebird", "ours"],
  ["ours", "webtunnel-server"],
];

for (const [client, server] of WEBTUNNEL) {
  const foreign = [client, server].filter((name) => name !== "ours");
  torTest(
    `WebTunnel carries a Tor client's traffic: client ${client}, server ${server}`,
    () =>
      withDirectory(async (directory) => {
        await using site = new TestSite();
        const options = await overWebTunnel(client, server, directory, site.addr);
        await using network = await startTorNetwork(options);
        if (server === "ours") {
          const { userAddr, seen } = await network.countedClient();
          assertMatch(userAddr, /to '127\.0\.0\.1:[1-9]\d*'/);
          assertEquals(seen, "Seen client from '127.0.0.1' with transport 'webtunnel'");
        }
        const { bytes } = await downloadThrough(network.socksPort, SIZE, network.failed);
        assertEquals(bytes, SIZE);
      }),
    granted(["run"]) ? foreign.map(peerMissing).find((reason) => reason !== null) ?? null : null,
  );
}

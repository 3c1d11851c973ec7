/** `ptlib server` and `ptlib client` as processes, through foreign transports. */

import { assertEquals } from "@std/assert";
import { granted } from "../permitted.ts";
import { type Carried, type Carrier, carry } from "./cli_tunnel.ts";
import { namespaced, namespaceMissing, PUBLIC } from "./namespace.ts";
import { peer, peerMissing, type PeerName } from "./peers.ts";

/** A transport and the programs of its halves. */
interface Pairing {
  transport: string;
  server: PeerName;
  client: PeerName;
  option?: string;
  /** Clients connect by the bridge line that the server prints. */
  byBridgeLine?: boolean;
  /** Runs in a network namespace, at an address that looks public. */
  inNamespace?: boolean;
}

// WebTunnel's server does not say where it listens: its clients know it by this URL.
const option = "url=http://HOST:PORT/secret";

const pairings: readonly Pairing[] = [
  { transport: "obfs4", server: "obfs4proxy", client: "obfs4proxy" },
  { transport: "obfs4", server: "lyrebird", client: "lyrebird" },
  { transport: "obfs4", server: "obfs4proxy", client: "lyrebird", byBridgeLine: true },
  { transport: "webtunnel", server: "webtunnel-server", client: "lyrebird", option },
  {
    transport: "webtunnel",
    server: "webtunnel-server",
    client: "webtunnel-client",
    option,
    // This client does not connect to loopback and private addresses.
    inNamespace: true,
  },
];

async function carryInNamespace(carrier: Carrier): Promise<Carried> {
  const program = new URL("./cli_tunnel.ts", import.meta.url).pathname;
  const { success, stdout, stderr } = await namespaced([
    Deno.execPath(),
    "run",
    "--no-prompt",
    "--allow-all",
    program,
    JSON.stringify(carrier),
  ], { stdout: "piped", stderr: "piped" }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(text.decode(stderr));
  return JSON.parse(text.decode(stdout));
}

function missing({ server, client, inNamespace }: Pairing): string | null {
  if (!granted(["net", "read", "write", "run"])) {
    return "needs --allow-net --allow-read --allow-write --allow-run";
  }
  return peerMissing(server) ?? peerMissing(client) ?? (inNamespace ? namespaceMissing() : null);
}

for (const pairing of pairings) {
  const { transport, server, client, option, byBridgeLine = false, inNamespace = false } = pairing;
  const reason = missing(pairing);
  Deno.test({
    name: `ptlib client and ptlib server carry 64 MiB both ways by ${transport} of ${client} ` +
      `and ${server}${byBridgeLine ? " by its bridge line" : ""}${
        reason === null ? "" : ` [${reason}]`
      }`,
    ignore: reason !== null,
    async fn() {
      const programs = { server: await peer(server) ?? "", client: await peer(client) ?? "" };
      const place = { transport, host: inNamespace ? PUBLIC : "127.0.0.1" };
      const more = option === undefined ? { byBridgeLine } : { option };
      const carrier = { ...place, ...programs, ...more };
      const carried = await (inNamespace ? carryInNamespace(carrier) : carry(carrier));
      assertEquals(carried.received, carried.sent);
      assertEquals(carried.codes, [0, 0]);
    },
  });
}

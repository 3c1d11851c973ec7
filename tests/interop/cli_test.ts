/** `ptlib server` and `ptlib client` as processes, through foreign transports. */

import { assertEquals } from "@std/assert";
import { granted } from "../permitted.ts";
import { type Carried, type Carrier, carry } from "./cli_tunnel.ts";
import { peer, peerMissing, type PeerName } from "./peers.ts";

/** A transport and the programs of its halves. */
interface Pairing {
  transport: string;
  server: PeerName;
  client: PeerName;
  option?: string;
  /** Runs in a network namespace, at an address that looks public. */
  inNamespace?: boolean;
}

// WebTunnel's server does not say where it listens: its clients know it by this URL.
const option = "url=http://HOST:PORT/secret";

const pairings: readonly Pairing[] = [
  { transport: "obfs4", server: "obfs4proxy", client: "obfs4proxy" },
  { transport: "obfs4", server: "lyrebird", client: "lyrebird" },
  { transport: "obfs4", server: "obfs4proxy", client: "lyrebird" },
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

/** An address for documentation, which is nobody's. */
const PUBLIC = "203.0.113.5";

const SETUP = `
  set -e
  ip link set lo up
  ip address add ${PUBLIC}/32 dev lo
  exec "$@"
`;

/** Runs a command in a network namespace of its own, with no way out. */
function namespaced(command: readonly string[]): Deno.Command {
  return new Deno.Command("unshare", {
    args: ["--map-root-user", "--net", "sh", "-c", SETUP, "sh", ...command],
    stdout: "piped",
    stderr: "piped",
  });
}

function namespaceMissing(): string | null {
  if (Deno.build.os !== "linux") return "needs Linux";
  try {
    const { success } = namespaced(["true"]).outputSync();
    return success ? null : "needs the right to make a network namespace, and ip of iproute2";
  } catch {
    return "needs unshare of util-linux";
  }
}

async function carryInNamespace(carrier: Carrier): Promise<Carried> {
  const program = new URL("./cli_tunnel.ts", import.meta.url).pathname;
  const { success, stdout, stderr } = await namespaced([
    Deno.execPath(),
    "run",
    "--no-prompt",
    "--allow-all",
    program,
    JSON.stringify(carrier),
  ]).output();
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
  const { transport, server, client, option, inNamespace = false } = pairing;
  const reason = missing(pairing);
  Deno.test({
    name: `ptlib client and ptlib server carry 64 MiB both ways by ${transport} of ${client} ` +
      `and ${server}${reason === null ? "" : ` [${reason}]`}`,
    ignore: reason !== null,
    async fn() {
      const programs = { server: await peer(server) ?? "", client: await peer(client) ?? "" };
      const place = { transport, host: inNamespace ? PUBLIC : "127.0.0.1" };
      const carrier = { ...place, ...programs, ...option === undefined ? {} : { option } };
      const carried = await (inNamespace ? carryInNamespace(carrier) : carry(carrier));
      assertEquals(carried.received, carried.sent);
      assertEquals(carried.codes, [0, 0]);
    },
  });
}

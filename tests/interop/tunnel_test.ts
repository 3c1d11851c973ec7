/** Tunnels through foreign transports: everything arrives, and whole. */

import { assertEquals } from "@std/assert";
import { createHash, randomBytes } from "node:crypto";
import { tunnelClient, tunnelServer } from "../../parent/mod.ts";
import { writeAll } from "../../net/mod.ts";
import { peer, peerMissing, type PeerName } from "./peers.ts";

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;

/** A service that sends back what it is sent, as it comes. */
function listenMirror(): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  serve(listener);
  return listener;
}

async function serve(listener: Deno.TcpListener): Promise<void> {
  for await (const conn of listener) {
    // A failure is seen at the other end, where bytes are missing.
    conn.readable.pipeTo(conn.writable).catch(() => {});
  }
}

/** Sends `SIZE` bytes, no two MiB alike, and returns their hash. */
async function send(conn: Deno.TcpConn): Promise<string> {
  const hash = createHash("sha256");
  const block = randomBytes(MIB);
  for (let index = 0; index < SIZE / MIB; index++) {
    block.writeUInt32LE(index);
    hash.update(block);
    await writeAll(conn, block);
  }
  return hash.digest("hex");
}

/** Receives `SIZE` bytes and returns their hash. */
async function receive(conn: Deno.TcpConn): Promise<string> {
  const hash = createHash("sha256");
  const into = new Uint8Array(256 * 1024);
  for (let count = 0; count < SIZE;) {
    const length = await conn.read(into);
    if (length === null) throw new Error(`the stream ended after ${count} bytes`);
    hash.update(into.subarray(0, length));
    count += length;
  }
  return hash.digest("hex");
}

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

/** A port that was free a moment ago: a server whose options name its port cannot be given 0. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

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
      const state = await Deno.makeTempDir();
      using mirror = listenMirror();
      const port = options === undefined ? 0 : freePort();
      try {
        await using far = await tunnelServer([serverProgram], {
          transport,
          listen: ["127.0.0.1", port],
          options: options?.(port),
          forward: ["127.0.0.1", mirror.addr.port],
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
        const [sent, received] = await Promise.all([send(conn), receive(conn)]);
        assertEquals(received, sent);
      } finally {
        await Deno.remove(state, { recursive: true });
      }
    },
  });
}

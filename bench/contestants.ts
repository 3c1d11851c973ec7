/** The pairs of programs that are compared. */

import type { Address } from "@ptlib/ptlib/address";
import { formatSocksArgs } from "@ptlib/ptlib/args";
import { launchClient, launchServer, type LaunchServerOptions } from "@ptlib/ptlib/parent";
import { peer, peerMissing } from "../tests/interop/peers.ts";
import type { Way } from "./load_process.ts";
import type { Workplace } from "./workplace.ts";

/** A pair of commands; both are empty where users connect to tor's ORPort by themselves. */
export interface Contestant {
  name: string;
  transport: string;
  client: readonly string[];
  server: readonly string[];
  /** Arranges what the pair needs beyond addresses. What it starts ends with the stack. */
  arrange?: (stack: AsyncDisposableStack, workplace: Workplace) => Promise<Arrangement>;
}

/** What a pair is told beyond addresses. */
export interface Arrangement {
  /** Where the server listens. */
  listen: Address;
  /** What the server's operator has set. */
  options: [string, string][];
  /** What the bridge line has. */
  args: [string, string][];
  /** What the client finds in its environment. */
  env: Record<string, string>;
  /** The process ids of what else is on the way. */
  pids: number[];
}

/** A pair that runs; disposing of it ends both. */
export interface Pair extends AsyncDisposable {
  way: Way;
  /** The process ids of client and server. */
  pids: readonly number[];
}

function deno(path: string): string[] {
  // To read is for tor's cookie.
  const permissions = [
    "--no-prompt",
    "--allow-env=TOR_PT_*",
    "--allow-net=127.0.0.1",
    "--allow-read",
  ];
  return [Deno.execPath(), "run", ...permissions, import.meta.resolve(path)];
}

/** No programs at all: what the load generator and the system need by themselves. */
export const DIRECT: Contestant = {
  name: "direct connection",
  transport: "",
  client: [],
  server: [],
};

/** Ours on `run()`. */
export const OURS: Contestant = {
  name: "ptlib, run()",
  transport: "dummy",
  client: deno("../examples/dummy_client.ts"),
  server: deno("../examples/dummy_server.ts"),
};

/** Ours with every call written out. */
export const WRITTEN_OUT: Contestant = {
  name: "ptlib, written out",
  transport: "dummy",
  client: deno("./written_out/dummy_client.ts"),
  server: deno("./written_out/dummy_server.ts"),
};

/** The least that does it in Deno, without a library: the limit of what ours can reach. */
export const MINIMAL: Contestant = {
  name: "minimal Deno program",
  transport: "dummy",
  client: deno("./minimal/dummy_client.ts"),
  server: deno("./minimal/dummy_server.ts"),
};

/** The transport to copy. */
export const OUR_ROT13: Contestant = {
  name: "ptlib",
  transport: "rot13",
  client: deno("../examples/rot13.ts"),
  server: deno("../examples/rot13.ts"),
};

/** The same with every call written out. */
export const WRITTEN_OUT_ROT13: Contestant = {
  name: "ptlib, written out",
  transport: "rot13",
  client: deno("./written_out/rot13_client.ts"),
  server: deno("./written_out/rot13_server.ts"),
};

/** The same by streams. */
export const STREAMS_ROT13: Contestant = {
  name: "ptlib, by streams",
  transport: "rot13",
  client: deno("./rot13_streams.ts"),
  server: deno("./rot13_streams.ts"),
};

/** What programs on goptlib are called. */
export const GOPTLIB = "goptlib";

/** The same on goptlib; null where it cannot be had, with the reason on stderr. */
export async function goptlibRot13(): Promise<Contestant | null> {
  const program = await peer("goptlib-rot13");
  if (program !== null) {
    return { name: GOPTLIB, transport: "rot13", client: [program], server: [program] };
  }
  console.error(`Without goptlib: ${peerMissing("goptlib-rot13")}`);
  return null;
}

/** goptlib's example programs; null where they cannot be had, with the reason on stderr. */
export async function goptlib(): Promise<Contestant | null> {
  const [client, server] = ["goptlib-dummy-client", "goptlib-dummy-server"] as const;
  const [clientPath, serverPath] = [await peer(client), await peer(server)];
  if (clientPath !== null && serverPath !== null) {
    return { name: GOPTLIB, transport: "dummy", client: [clientPath], server: [serverPath] };
  }
  console.error(`Without goptlib: ${peerMissing(client) ?? peerMissing(server)}`);
  return null;
}

/** Where tor is, to servers: the ORPort, or the Extended ORPort alone. */
export type Tor = Pick<LaunchServerOptions, "orport" | "extOrPort">;

/** Starts client and server; the server connects to tor. */
export async function launch(
  { transport, client, server, arrange }: Contestant,
  tor: Tor,
  workplace: Workplace,
): Promise<Pair> {
  const { directory: stateDirectory, signal } = workplace;
  if (client.length === 0) {
    const [hostname, port] = tor.orport!;
    const way: Way = { socks: [hostname, port], bridge: [hostname, port] };
    return { way, pids: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  await using stack = new AsyncDisposableStack();
  const arranged = await arrange?.(stack, workplace);
  const bindAddress = arranged?.listen ?? ["127.0.0.1", 0];
  const behind = stack.use(
    await launchServer(server, {
      transports: { [transport]: { bindAddress, options: arranged?.options } },
      ...tor,
      stateDirectory,
      signal,
    }),
  );
  const front = stack.use(
    await launchClient(client, {
      transports: [transport],
      env: arranged?.env,
      stateDirectory,
      signal,
    }),
  );
  const owned = stack.move();
  return {
    way: {
      socks: front.methods[transport]!.address,
      // The address that WebTunnel publishes is made up.
      bridge: arranged?.listen ?? behind.methods[transport]!.address,
      args: formatSocksArgs(arranged?.args ?? []),
    },
    pids: [front.pid, behind.pid, ...arranged?.pids ?? []],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

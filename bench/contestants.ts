/** The pairs of programs that are compared. */

import type { Address } from "@ptlib/ptlib";
import { launchClient, launchServer } from "@ptlib/ptlib/parent";
import { peer, peerMissing } from "../tests/interop/peers.ts";
import type { Way } from "./load_process.ts";

/** A pair of commands. */
export interface Contestant {
  name: string;
  transport: string;
  client: readonly string[];
  server: readonly string[];
}

/** A pair that runs; disposing of it ends both. */
export interface Pair extends AsyncDisposable {
  way: Way;
  /** The process ids of client and server. */
  pids: readonly number[];
}

function deno(path: string): string[] {
  const permissions = ["--no-prompt", "--allow-env=TOR_PT_*", "--allow-net=127.0.0.1"];
  return [Deno.execPath(), "run", ...permissions, import.meta.resolve(path)];
}

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

/** The same on goptlib; null where it cannot be had, with the reason on stderr. */
export async function goptlibRot13(): Promise<Contestant | null> {
  const program = await peer("goptlib-rot13");
  if (program !== null) {
    return { name: "goptlib", transport: "rot13", client: [program], server: [program] };
  }
  console.error(`Without goptlib: ${peerMissing("goptlib-rot13")}`);
  return null;
}

/** goptlib's example programs; null where they cannot be had, with the reason on stderr. */
export async function goptlib(): Promise<Contestant | null> {
  const [client, server] = ["goptlib-dummy-client", "goptlib-dummy-server"] as const;
  const [clientPath, serverPath] = [await peer(client), await peer(server)];
  if (clientPath !== null && serverPath !== null) {
    return { name: "goptlib", transport: "dummy", client: [clientPath], server: [serverPath] };
  }
  console.error(`Without goptlib: ${peerMissing(client) ?? peerMissing(server)}`);
  return null;
}

/** Starts client and server; the server connects to this ORPort. */
export async function launch(
  { transport, client, server }: Contestant,
  orport: Address,
  stateDirectory: string,
): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const behind = stack.use(
    await launchServer(server, {
      transports: { [transport]: { bindAddress: ["127.0.0.1", 0] } },
      orport,
      stateDirectory,
    }),
  );
  const front = stack.use(await launchClient(client, { transports: [transport], stateDirectory }));
  const owned = stack.move();
  return {
    way: {
      socks: front.methods[transport]!.address,
      bridge: behind.methods[transport]!.address,
    },
    pids: [front.pid, behind.pid],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

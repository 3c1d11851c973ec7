/** The programs whose calls are recorded. Another one is another line. */

import { peer, type PeerName } from "../interop/peers.ts";
import { frames, nested, obfs4, type OpenService, plain, tls } from "./services.ts";

/** A client program. */
export interface Program {
  name: string;
  /** How it is started. `ptlib client` is not a transport: its options come from the session. */
  command: readonly string[];
  /** The name of its transport. */
  transport: string;
  /** The other end of the transport. */
  service: OpenService;
  /** Who starts it, and speaks to it: a parent such as tor, or somebody at a shell. */
  startedBy: "parent" | "shell";
  /** Whether its connections are made by code of somebody else's, which is listed and not judged. */
  foreign: boolean;
}

const EXAMPLES = new URL("../../examples/", import.meta.url);

/** Deno with every permission, so that nothing but the library keeps it from the network. */
function deno(path: URL, ...args: string[]): string[] {
  return [Deno.execPath(), "run", "--no-prompt", "--allow-all", path.pathname, ...args];
}

function own(
  name: string,
  path: string,
  transport: string,
  service: OpenService,
  ...args: string[]
): Program {
  const command = deno(new URL(path, EXAMPLES), ...args);
  return { name, command, transport, service, startedBy: "parent", foreign: false };
}

const LAUNCHED = "../tests/trace/launched.ts";
const IN_PROCESS = "../tests/trace/in_process.ts";
const WRITTEN_OUT = "../bench/written_out/dummy_client.ts";
const DUMMY = deno(new URL("dummy_client.ts", EXAMPLES));

/** Ours. */
export const PROGRAMS: readonly Program[] = [
  own("dummy_client.ts", "dummy_client.ts", "dummy", plain),
  own("rot13.ts", "rot13.ts", "rot13", plain),
  own("tls.ts", "tls.ts", "pinned", tls),
  own("frames.ts", "frames.ts", "sealed", frames),
  own("rot0r.ts, without run()", "rot0r.ts", "rot13", plain),
  own("dummy client, written out", WRITTEN_OUT, "dummy", plain),
  own("dial()", IN_PROCESS, "dial", plain),
  own("dial() and startTls() with SNI", IN_PROCESS, "tls_with_name", tls),
  own("connectThrough()", IN_PROCESS, "through", frames),
  own("connectThrough() in connectThrough()", IN_PROCESS, "nested", nested),
  own("launchClient(), dialTransport()", LAUNCHED, "dummy", plain, "dummy", ...DUMMY),
  { ...own("ptlib client", "../cli.ts", "dummy", plain), startedBy: "shell" },
];

/** What goes around the proxy, each in its own way. */
export const OFFENDERS: readonly Program[] = [
  "falls_back",
  "connects_first",
  "looks_up",
  "asks_dns",
  "sends_datagram",
  "starts_program",
].map((transport) => own(transport, "../tests/trace/goes_around.ts", transport, plain));

/** What `ptlib client` starts. */
export const TUNNELLED = DUMMY;

/** A foreign transport that the library launches; none where it is not installed. */
async function foreign(name: PeerName): Promise<Program[]> {
  const program = await peer(name);
  if (program === null) return [];
  const row = own(`launchClient() of ${name}`, LAUNCHED, "obfs4", obfs4(program), "obfs4", program);
  return [{ ...row, foreign: true }];
}

/** Those that are installed here. */
export async function foreignPrograms(): Promise<Program[]> {
  return [...await foreign("obfs4proxy"), ...await foreign("lyrebird")];
}

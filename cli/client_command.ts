/**
 * `ptlib client`: a local port, or a Unix socket, whose connections go through a pluggable transport.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { DialError } from "../net/dial.ts";
import {
  type BridgeTrouble,
  type Tunnel,
  type TunnelBridge,
  tunnelClient,
  type TunnelClientOptions,
  type UnixSocket,
} from "../parent/mod.ts";
import { readBridges } from "./bridge_options.ts";
import type { Command } from "./command.ts";
import { faultOfPlace, formatPlace } from "./places.ts";
import { patiently, tellingWords, withoutLastLines } from "./program_words.ts";
import { readProxyUrl } from "./proxy_url.ts";
import { Statistics } from "./statistics.ts";
import { type RunningTunnel, supervise } from "./supervise.ts";
import { complain, note, speak } from "./terminal.ts";
import { COMMAND_HELP, readTunnels, type TunnelRequest } from "./tunnel_options.ts";

const OPTIONS = {
  transport: { type: "string" },
  listen: { type: "string" },
  bridge: { type: "string" },
  args: { type: "string" },
  "bridge-line": { type: "string", multiple: true },
  "bridge-file": { type: "string" },
  proxy: { type: "string" },
  state: { type: "string" },
  env: { type: "string", multiple: true },
} as const;

const HELP = `Usage: ptlib client --listen IP:PORT --bridge-line LINE
                    [OPTION]... -- PROGRAM...
       ptlib client --listen IP:PORT --transport NAME --bridge HOST:PORT
                    [OPTION]... -- PROGRAM...
       ptlib client --config FILE [OPTION]...

Opens a local port. Its connections go through a pluggable transport to a
server's end, such as one of 'ptlib server', and to the service behind it.

  --listen IP:PORT   where to listen; port 0 is any free port. Or unix:PATH, a
                     Unix socket
  --bridge-line LINE
                     the server's end as a bridge line, such as
                     'obfs4 192.0.2.7:443 cert=... iat-mode=0'. May come several
                     times: they are tried in turn when one cannot be reached
  --bridge-file FILE more of them, one a line; those with a # first are comments
  --transport NAME   instead of a bridge line: the transport, such as obfs4,
  --bridge HOST:PORT where the server's end listens,
  --args 'K=V;K=V'   and what the transport needs to know
  --proxy URL        connect through this proxy alone: http://, socks4a://,
                     socks5:// or socks5h://[user[:password]@]HOST:PORT
  --state DIR        where the program keeps files; without it, in a temporary
                     directory that is removed at the end
  --env NAME[=VALUE] a variable for the program; without a value, with ours. May
                     come several times. It gets few others: PATH, HOME, ...
  --config FILE      several tunnels at once, from a JSON file:
                     {"tunnels": [{"listen": "...",
                     "bridge-line": ["obfs4 ..."], "command": ["obfs4proxy"]}]}
  -- PROGRAM...      the program that has the transport, and its arguments

${COMMAND_HELP}

IPv6 addresses go in brackets, as in [::1]:1234. A bridge's name is looked up by
the program, through the proxy where there is one; that of the proxy, by ptlib.

Example: ptlib client --listen 127.0.0.1:1234 \\
           --bridge-line 'obfs4 192.0.2.7:5678 cert=...' -- obfs4proxy`;

/** What a tunnel is to be, checked to the last option. */
interface Plan {
  request: TunnelRequest;
  bridges: [TunnelBridge, ...TunnelBridge[]];
  /** Where it listens; once it does, with the port that it got. */
  listen: Readonly<Address> | UnixSocket;
  options: Pick<TunnelClientOptions, "proxy" | "env">;
  verbose: boolean;
  /** A temporary directory where there is no other. */
  state: string | null;
}

async function readPlan(request: TunnelRequest, verbose: boolean): Promise<Plan> {
  const proxy = request.optional("proxy");
  return {
    request,
    bridges: await readBridges(request),
    listen: request.listenAnywhere(),
    options: {
      proxy: proxy === undefined
        ? undefined
        : await request.parseLater("proxy", proxy, readProxyUrl),
      env: request.environment(),
    },
    verbose,
    state: request.optional("state") ?? null,
  };
}

/** Tells of a bridge that cannot be reached, or does not answer; never where it is. */
function tellTrouble({ bridge, bridges, error }: BridgeTrouble, tunnel: number | undefined): void {
  const which = bridges === 1 ? "the bridge" : `bridge ${bridge} of ${bridges}`;
  if (error === null) {
    const event = { event: "bridge-slow", tunnel, bridge, bridges };
    return note(`still waiting for ${which}, which has not answered for 10 s`, event);
  }
  const reason = error instanceof Error ? error.message : String(error);
  const event = { event: "bridge-failed", tunnel, bridge, bridges, error: reason };
  note(`${which} could not be reached: ${reason}`, event);
}

/** What may be wrong when there is no way through the transport. */
function hint(error: unknown): string | null {
  return error instanceof DialError
    ? "is the server's end running there, and does it know these arguments?"
    : null;
}

/** Whether it is the system's word about where to listen: what a launch throws is a `LaunchError`. */
function isOfSystem(error: unknown): error is Error {
  return Object.values(Deno.errors).some((type) => error instanceof type);
}

async function openTunnel(
  plan: Plan,
  statistics: Statistics,
  signal: AbortSignal,
  cleanUp: AsyncDisposableStack,
): Promise<RunningTunnel> {
  const { request, bridges: [bridge, ...fallbacks], listen, options, verbose } = plan;
  const { program: [program = ""], number } = request;
  plan.state ??= await temporaryDirectory(cleanUp);
  const opening = tunnelClient(request.program, {
    ...options,
    ...tellingWords(program, verbose, number),
    transport: bridge.transport,
    bridge: bridge.address,
    args: bridge.args,
    fallbacks,
    listen,
    stateDirectory: plan.state,
    signal,
    onEnd: (connection) => statistics.tell(connection, number),
    onTrouble: (trouble) => tellTrouble(trouble, number),
  });
  const tunnel = await patiently(opening, program, number).catch(async (error) => {
    if (isOfSystem(error)) {
      const { message } = await faultOfPlace(listen, error);
      throw request.fault("listen", `${formatPlace(listen)} cannot be used: ${message}`);
    }
    throw withoutLastLines(error);
  });
  plan.listen = tunnel.address;
  statistics.watch(tunnel);
  tellOpen(tunnel, number);
  return { tunnel, program, number };
}

/** Tells where a tunnel listens, and which transports of its bridges the program does not have. */
function tellOpen(
  { address, process }: Tunnel<Address | UnixSocket>,
  number: number | undefined,
): void {
  const transports = Object.keys(process.methods);
  const place = formatPlace(address);
  note(`${transports.join(", ")}: listening on ${place}`, {
    event: "listening",
    tunnel: number,
    transports,
    address: place,
    pid: process.pid,
  });
  for (const [transport, why] of Object.entries(process.failures)) {
    complain(`${transport}: its bridges are not tried: ${why}`, { event: "error", tunnel: number });
  }
}

async function temporaryDirectory(cleanUp: AsyncDisposableStack): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "ptlib-" });
  cleanUp.defer(() => Deno.remove(path, { recursive: true }));
  return path;
}

/** The command. */
export const client: Command = {
  summary: "a local port through a pluggable transport",
  help: HELP,
  async run(args) {
    const { tunnels, restart, verbose, json } = await readTunnels(args, OPTIONS);
    const plans: Plan[] = [];
    // All of them, before anything is started.
    for (const request of tunnels) plans.push(await readPlan(request, verbose));
    speak({ json, timestamps: verbose });
    const cleanUp = new AsyncDisposableStack();
    try {
      return await supervise((signal) => {
        const statistics = cleanUp.use(new Statistics(signal, hint));
        return plans.map((plan) => (signal) => openTunnel(plan, statistics, signal, cleanUp));
      }, restart);
    } finally {
      await cleanUp.disposeAsync();
    }
  },
};

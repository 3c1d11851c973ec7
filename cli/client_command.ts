/**
 * `ptlib client`: a local TCP port whose connections go through a pluggable transport.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { DialError } from "../net/dial.ts";
import {
  type Tunnel,
  type TunnelBridge,
  tunnelClient,
  type TunnelClientOptions,
  type TunnelledConnection,
} from "../parent/mod.ts";
import { readBridges } from "./bridge_options.ts";
import { readProxyUrl } from "./destination.ts";
import type { Command } from "./command.ts";
import { tellingWords, withoutLastLines } from "./program_words.ts";
import { type OpenTunnel, supervise } from "./supervise.ts";
import { complain, formatBytes, note } from "./terminal.ts";
import { readTunnels, type TunnelRequest } from "./tunnel_options.ts";

const OPTIONS = {
  transport: { type: "string" },
  listen: { type: "string" },
  bridge: { type: "string" },
  args: { type: "string" },
  "bridge-line": { type: "string", multiple: true },
  "bridge-file": { type: "string" },
  proxy: { type: "string" },
  state: { type: "string" },
} as const;

const HELP = `Usage: ptlib client --listen IP:PORT --bridge-line LINE [OPTION]... -- PROGRAM...
       ptlib client --listen IP:PORT --transport NAME --bridge HOST:PORT
                    [OPTION]... -- PROGRAM...
       ptlib client --config FILE

Opens a local TCP port. Its connections go through a pluggable transport to a
server's end, such as one of 'ptlib server', and to the service behind it.

  --listen IP:PORT   where to listen; port 0 is any free port
  --bridge-line LINE
                     the server's end as a bridge line, such as
                     'obfs4 192.0.2.7:443 cert=... iat-mode=0'. May come several
                     times: they are tried in turn when one cannot be reached
  --bridge-file FILE more of them, one a line; those with a # first are comments
  --transport NAME   instead of a bridge line: the transport, such as obfs4,
  --bridge HOST:PORT where the server's end listens,
  --args 'K=V;K=V'   and what the transport needs to know
  --proxy URL        connect through this proxy alone:
                     http://, socks4a:// or socks5://[user[:password]@]HOST:PORT
  --state DIR        where the program keeps files; without it, in a temporary
                     directory that is removed at the end
  --config FILE      several tunnels at once, from a JSON file:
                     {"tunnels": [{"listen": "...", "bridge-line": ["obfs4 ..."],
                     "command": ["obfs4proxy"]}]}
  -- PROGRAM...      the program that has the transport, and its arguments

IPv6 addresses go in brackets, as in [::1]:1234. A bridge's name is looked up by
the program, through the proxy where there is one; that of the proxy, by ptlib. It runs until Ctrl-C or
SIGTERM (status 0) or until the program dies (status 1).

Example: ptlib client --listen 127.0.0.1:1234 \\
           --bridge-line 'obfs4 192.0.2.7:5678 cert=... iat-mode=0' -- obfs4proxy`;

/** Adds up what went through a tunnel, and tells of each connection. */
class Statistics {
  #connections = 0;
  #sent = 0;
  #received = 0;

  readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  add({ sent, received, error }: TunnelledConnection): void {
    this.#connections++;
    this.#sent += sent;
    this.#received += received;
    if (this.signal.aborted) return;
    const amount = `${formatBytes(sent)} sent, ${formatBytes(received)} received`;
    if (error === null) note(`a connection ended: ${amount}`);
    else complain(`a connection broke off: ${amount}: ${reason(error)}`);
  }

  [Symbol.dispose](): void {
    if (this.#connections === 0) return;
    const amount = `${formatBytes(this.#sent)} sent, ${formatBytes(this.#received)} received`;
    note(`connections: ${this.#connections}, ${amount}`);
  }
}

function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const hint = "is the server's end running there, and does it know these arguments?";
  return error instanceof DialError ? `${message}; ${hint}` : message;
}

/** What a tunnel is to be, checked to the last option. */
interface Plan {
  request: TunnelRequest;
  bridges: [TunnelBridge, ...TunnelBridge[]];
  options: Pick<TunnelClientOptions, "proxy"> & { listen: Readonly<Address> };
}

async function readPlan(request: TunnelRequest): Promise<Plan> {
  const proxy = request.optional("proxy");
  return {
    request,
    bridges: await readBridges(request),
    options: {
      listen: request.listen(),
      proxy: proxy === undefined
        ? undefined
        : await request.parseLater("proxy", proxy, readProxyUrl),
    },
  };
}

async function openTunnel(
  { request, bridges: [bridge, ...fallbacks], options }: Plan,
  statistics: Statistics,
  signal: AbortSignal,
  cleanUp: AsyncDisposableStack,
): Promise<OpenTunnel> {
  const [program = ""] = request.program;
  const stateDirectory = request.optional("state") ?? await temporaryDirectory(cleanUp);
  const tunnel = await tunnelClient(request.program, {
    ...options,
    transport: bridge.transport,
    bridge: bridge.address,
    args: bridge.args,
    fallbacks,
    stateDirectory,
    signal,
    ...tellingWords(program),
    onEnd: (connection: TunnelledConnection) => statistics.add(connection),
  })
    .catch((error) => {
      const taken = error instanceof Deno.errors.AddrInUse ||
        error instanceof Deno.errors.AddrNotAvailable;
      if (taken) throw request.fault("listen", `cannot be used: ${error.message}`);
      throw withoutLastLines(error);
    });
  const { methods } = tunnel.process;
  note(`${Object.keys(methods).join(", ")}: listening on ${formatAddress(tunnel.address)}`);
  tellFailures(tunnel);
  return { tunnel, program };
}

/** Tells which transports of the bridges the program does not have. */
function tellFailures({ process }: Tunnel): void {
  for (const [transport, why] of Object.entries(process.failures)) {
    complain(`${transport}: its bridges are not tried: ${why}`);
  }
}

async function temporaryDirectory(cleanUp: AsyncDisposableStack): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "ptlib-" });
  cleanUp.defer(() => Deno.remove(path, { recursive: true }));
  return path;
}

/** The command. */
export const client: Command = {
  summary: "a local TCP port through a pluggable transport",
  help: HELP,
  async run(args) {
    const plans: Plan[] = [];
    // All of them, before anything is started.
    for (const request of await readTunnels(args, OPTIONS)) plans.push(await readPlan(request));
    const cleanUp = new AsyncDisposableStack();
    try {
      return await supervise(async function* (signal) {
        const statistics = cleanUp.use(new Statistics(signal));
        for (const plan of plans) yield await openTunnel(plan, statistics, signal, cleanUp);
      });
    } finally {
      await cleanUp.disposeAsync();
    }
  },
};

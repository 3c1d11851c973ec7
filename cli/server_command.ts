/**
 * `ptlib server`: a pluggable transport's server in front of any TCP service.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { formatSocksArgs } from "../args.ts";
import { formatBridgeLine } from "../bridge_line.ts";
import { quoteForShell } from "../parent/shell.ts";
import { type Tunnel, tunnelServer, type TunnelServerOptions } from "../parent/mod.ts";
import type { Command } from "./command.ts";
import { tellingWords, withoutLastLines } from "./program_words.ts";
import { type OpenTunnel, supervise } from "./supervise.ts";
import { complain, note, print } from "./terminal.ts";
import { readTunnels, type TunnelRequest } from "./tunnel_options.ts";

const OPTIONS = {
  transport: { type: "string" },
  listen: { type: "string" },
  forward: { type: "string" },
  option: { type: "string", multiple: true },
  state: { type: "string" },
} as const;

const HELP = `Usage: ptlib server --transport NAME --listen IP:PORT --forward IP:PORT
                    [OPTION]... -- PROGRAM...
       ptlib server --config FILE

Puts the server of a pluggable transport in front of any TCP service, and prints
the command line with which clients reach it, and the bridge line.

  --transport NAME   the transport, such as obfs4
  --listen IP:PORT   where the transport listens; port 0 is any free port
  --forward IP:PORT  the service
  --option K=V       an option of the transport; may come several times
  --state DIR        where the program keeps its keys; without it, in
                     $XDG_STATE_HOME/ptlib/NAME-IP_PORT (XDG_STATE_HOME is
                     ~/.local/state where it is not set). Without these keys,
                     what clients were told is of no use any more
  --config FILE      several tunnels at once, from a JSON file:
                     {"tunnels": [{"transport": "obfs4", "listen": "...",
                     "forward": "...", "option": ["K=V"],
                     "command": ["obfs4proxy"]}]}
  -- PROGRAM...      the program that has the transport, and its arguments

IPv6 addresses go in brackets, as in [::1]:5678. It runs until Ctrl-C or
SIGTERM (status 0) or until the program dies (status 1).

Example: ptlib server --transport obfs4 --listen 0.0.0.0:5678 \\
           --forward 127.0.0.1:22 -- obfs4proxy`;

/** Splits `K=V`. */
function parseOption(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new SyntaxError("it is not K=V");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** Where a user's programs keep what must last. */
function stateHome(): string | undefined {
  if (Deno.build.os === "windows") return Deno.env.get("LOCALAPPDATA");
  const home = Deno.env.get("HOME");
  return Deno.env.get("XDG_STATE_HOME") || (home && `${home}/.local/state`);
}

/** A directory that is the same each time: a server that loses its keys loses its clients. */
function defaultState(request: TunnelRequest): string {
  const home = stateHome();
  if (home === undefined) throw request.fault("state", "is missing, and there is no HOME for it");
  const name = `${request.required("transport")}-${formatAddress(request.listen())}`;
  return `${home}/ptlib/${name.replace(/[^\w.-]/g, "_")}`;
}

/** Whether somebody listens on all addresses, so that clients cannot know which of them to take. */
function isUnspecified([host]: Readonly<Address>): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** The command line of the client's end. */
function clientCommand(
  transport: string,
  { address, args }: Tunnel,
  program: readonly string[],
): string {
  const text = formatSocksArgs(args);
  return [
    ...["ptlib", "client", "--transport", transport, "--listen", "127.0.0.1:1234"],
    ...["--bridge", isUnspecified(address) ? `SERVER:${address[1]}` : formatAddress(address)],
    ...text === "" ? [] : ["--args", text],
    ...["--", ...program],
  ].map(quoteForShell).join(" ");
}

/** The same as a bridge line; a `TypeError` where that cannot hold what clients need to know. */
function bridgeLine(transport: string, { address, args }: Tunnel): string {
  const line = formatBridgeLine({ transport, address, args });
  if (!isUnspecified(address)) return line;
  return line.replace(formatAddress(address), `SERVER:${address[1]}`);
}

/** Prints what clients need to know. */
function tellClients(transport: string, tunnel: Tunnel, program: readonly string[]): void {
  if (isUnspecified(tunnel.address)) {
    note(`${transport}: clients put this host's address for SERVER`);
  }
  note(`${transport}: clients connect with this command, or with the bridge line below it`);
  print(clientCommand(transport, tunnel, program));
  try {
    print(bridgeLine(transport, tunnel));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    complain(`${transport}: no client can be told what the program publishes. ${error.message}`);
  }
}

/** What a tunnel is to be, checked to the last option. */
interface Plan {
  request: TunnelRequest;
  options: TunnelServerOptions & { forward: Readonly<Address> };
}

function readPlan(request: TunnelRequest): Plan {
  return {
    request,
    options: {
      transport: request.transport(),
      listen: request.listen(),
      forward: request.destination("forward"),
      options: request.all("option").map((text) => request.parse("option", text, parseOption)),
      stateDirectory: request.optional("state") ?? defaultState(request),
    },
  };
}

async function openTunnel({ request, options }: Plan, signal: AbortSignal): Promise<OpenTunnel> {
  const [program = ""] = request.program;
  const { transport, forward, stateDirectory } = options;
  const tunnel = await tunnelServer(request.program, {
    ...options,
    signal,
    ...tellingWords(program),
  }).catch((error) => {
    throw withoutLastLines(error);
  });
  const address = formatAddress(tunnel.address);
  note(`${transport}: listening on ${address}, forwarding to ${formatAddress(forward)}`);
  note(`${transport}: its keys are in ${stateDirectory}`);
  tellClients(transport, tunnel, request.program);
  return { tunnel, program };
}

/** The command. */
export const server: Command = {
  summary: "a pluggable transport in front of any TCP service",
  help: HELP,
  async run(args) {
    // All of them, before anything is started.
    const plans = (await readTunnels(args, OPTIONS)).map(readPlan);
    return await supervise(async function* (signal) {
      for (const plan of plans) yield await openTunnel(plan, signal);
    });
  },
};

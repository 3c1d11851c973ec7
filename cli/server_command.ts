/**
 * `ptlib server`: a pluggable transport's server in front of any service.
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import { formatSocksArgs } from "../args.ts";
import { formatBridgeLine } from "../bridge_line.ts";
import { writeAll } from "../net/conn.ts";
import { DialError } from "../net/dial.ts";
import {
  type ProxyProtocol,
  type Tunnel,
  tunnelServer,
  type TunnelServerOptions,
} from "../parent/mod.ts";
import { isUnspecified, listeningPlace } from "../parent/listening_place.ts";
import { formatProxyHead } from "../parent/proxy_protocol.ts";
import { connectService } from "../parent/service.ts";
import { quoteForShell } from "../parent/shell.ts";
import { type Command, parseOption } from "./command.ts";
import { formatPlace } from "./places.ts";
import { patiently, tellingWords, withoutLastLines } from "./program_words.ts";
import { Statistics } from "./statistics.ts";
import { type RunningTunnel, supervise } from "./supervise.ts";
import { complain, note, print, speak } from "./terminal.ts";
import { COMMAND_HELP, readTunnels, type TunnelRequest } from "./tunnel_options.ts";

const OPTIONS = {
  transport: { type: "string" },
  listen: { type: "string" },
  forward: { type: "string" },
  "proxy-protocol": { type: "string" },
  option: { type: "string", multiple: true },
  state: { type: "string" },
  env: { type: "string", multiple: true },
} as const;

const HELP = `Usage: ptlib server --transport NAME --listen IP:PORT --forward HOST:PORT
                    [OPTION]... -- PROGRAM...
       ptlib server --config FILE [OPTION]...

Puts the server of a pluggable transport in front of any service, and prints the
command line with which clients reach it, and the bridge line.

  --transport NAME   the transport, such as obfs4
  --listen IP:PORT   where the transport listens; port 0 is any free port
  --forward HOST:PORT
                     the service; a name is looked up for each connection. Or
                     unix:PATH, a Unix socket
  --proxy-protocol 1|2
                     tell the service the client's address, by HAProxy's PROXY
                     protocol in this version. The service must expect it
  --option K=V       an option of the transport; may come several times
  --state DIR        where the program keeps its keys; without it, in
                     $XDG_STATE_HOME/ptlib/NAME-IP_PORT (XDG_STATE_HOME is
                     ~/.local/state where it is not set). Without these keys,
                     what clients were told is of no use any more
  --env NAME[=VALUE] a variable for the program; without a value, with ours. May
                     come several times. It gets few others: PATH, HOME, ...
  --config FILE      several tunnels at once, from a JSON file:
                     {"tunnels": [{"transport": "obfs4", "listen": "...",
                     "forward": "...", "option": ["K=V"],
                     "command": ["obfs4proxy"]}]}
  -- PROGRAM...      the program that has the transport, and its arguments

${COMMAND_HELP}

IPv6 addresses go in brackets, as in [::1]:5678.

Example: ptlib server --transport obfs4 --listen 0.0.0.0:5678 \\
           --forward 127.0.0.1:22 -- obfs4proxy`;

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

/** The command line of the client's end. */
function clientCommand(
  transport: string,
  { address, args }: Tunnel,
  program: readonly string[],
): string {
  const text = formatSocksArgs(args);
  return [
    ...["ptlib", "client", "--transport", transport, "--listen", "127.0.0.1:1234"],
    ...["--bridge", isUnspecified(address[0]) ? `SERVER:${address[1]}` : formatAddress(address)],
    ...text === "" ? [] : ["--args", text],
    ...["--", ...program],
  ].map(quoteForShell).join(" ");
}

/** The same as a bridge line; a `TypeError` where that cannot hold what clients need to know. */
function bridgeLine(transport: string, { address, args }: Tunnel): string {
  const line = formatBridgeLine({ transport, address, args });
  if (!isUnspecified(address[0])) return line;
  return line.replace(formatAddress(address), `SERVER:${address[1]}`);
}

/** What clients need to know: a command, and the same as a bridge line. */
interface Instructions {
  command: string;
  line: string;
}

/** Tells what clients need to know, on stdout, and what of the options it does not have. */
function tellClients(plan: Plan, tunnel: Tunnel, { command, line }: Instructions): void {
  const { request: { number }, options: { transport, options = [] }, json } = plan;
  if (isUnspecified(tunnel.address[0])) {
    note(`${transport}: clients put this host's address for SERVER`, {
      event: "note",
      tunnel: number,
    });
  }
  const hidden = [...options].map(([key]) => key).filter((key) => !tunnel.args.has(key));
  if (hidden.length > 0) {
    const keys = [...new Set(hidden)].join(", ");
    note(
      `${transport}: not published: ${keys}. Clients that need one, such as a secret, add it to --args`,
      { event: "note", tunnel: number },
    );
  }
  const where = json ? "" : " below it";
  note(`${transport}: clients connect with this command, or with the bridge line${where}`, {
    event: "clients",
    tunnel: number,
    transport,
    command,
    bridgeLine: line,
  });
  if (json) return;
  print(command);
  print(line);
}

/** Writes what clients need to know; null where it fits into no line, which is told. */
function instruct(plan: Plan, tunnel: Tunnel): Instructions | null {
  const { request: { program, number }, options: { transport } } = plan;
  try {
    const line = bridgeLine(transport, tunnel);
    return { command: clientCommand(transport, tunnel, program), line };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const event = { event: "error", tunnel: number };
    const sentence = "no client can be told what the program publishes";
    complain(`${transport}: ${sentence}. ${error.message}`, event);
    return null;
  }
}

/** What a tunnel is to be, checked to the last option. */
interface Plan {
  request: TunnelRequest;
  options: TunnelServerOptions;
  verbose: boolean;
  json: boolean;
  /** What clients were told; null as long as they were told nothing. */
  told: Instructions | null;
}

/** Reads `--proxy-protocol`. */
function parseProxyProtocol(text: string): ProxyProtocol {
  const version = ({ 1: 1, 2: 2, v1: 1, v2: 2 } as const)[text];
  if (version === undefined) throw new SyntaxError("its versions are 1 and 2");
  return version;
}

function readPlan(request: TunnelRequest, verbose: boolean, json: boolean): Plan {
  const version = request.optional("proxy-protocol");
  return {
    request,
    options: {
      transport: request.transport(),
      listen: request.listen(),
      forward: request.destinationAnywhere("forward"),
      proxyProtocol: version === undefined
        ? undefined
        : request.parse("proxy-protocol", version, parseProxyProtocol),
      options: request.all("option").map((text) => request.parse("option", text, parseOption)),
      env: request.environment(),
      stateDirectory: request.optional("state") ?? defaultState(request),
    },
    verbose,
    json,
    told: null,
  };
}

/** What may be wrong when there is no way to the service. */
function hint(error: unknown): string | null {
  return error instanceof DialError ? "is there anybody at --forward?" : null;
}

/** Warns when nobody answers where clients will be forwarded to. */
async function tryService({ request, options }: Plan, signal: AbortSignal): Promise<void> {
  const { transport, forward, proxyProtocol, listen } = options;
  try {
    const service = await connectService(forward, signal);
    try {
      // It shall not take us for somebody who does not speak its protocol.
      if (proxyProtocol !== undefined) {
        await writeAll(service, formatProxyHead(proxyProtocol, null, listen));
      }
    } finally {
      service.close();
    }
  } catch (error) {
    if (signal.aborted) return;
    const why = error instanceof Error ? error.message : String(error);
    complain(`${transport}: nobody answers at --forward ${formatPlace(forward)}: ${why}`, {
      event: "no-service",
      tunnel: request.number,
      transport,
    });
  }
}

/** Tells where a tunnel listens, which is not always what its program reports. */
function tellOpen({ request, options }: Plan, { address, process }: Tunnel): void {
  const { transport, forward, listen } = options;
  const place = listeningPlace(listen, address);
  const where = place === null ? `a port of ${listen[0]}` : formatAddress(place);
  note(`${transport}: listening on ${where}, forwarding to ${formatPlace(forward)}`, {
    event: "listening",
    tunnel: request.number,
    transports: [transport],
    address: place === null ? null : where,
    forward: formatPlace(forward),
    pid: process.pid,
  });
  if (place !== null) return;
  complain(
    `${transport}: its program does not tell on which port it listens: give --listen a port`,
    { event: "error", tunnel: request.number },
  );
}

/** Tells, once, what clients need to know, and again when that has changed. */
function tellOnce(plan: Plan, tunnel: Tunnel): void {
  const { request: { number }, options: { transport, stateDirectory }, told } = plan;
  if (told === null) {
    const event = { event: "keys", tunnel: number, transport, state: stateDirectory };
    note(`${transport}: its keys are in ${stateDirectory}`, event);
  }
  const now = instruct(plan, tunnel);
  if (now === null || (now.command === told?.command && now.line === told.line)) return;
  if (told !== null) {
    complain(
      `${transport}: what clients were told is of no use any more: the program publishes something ` +
        `else now. Are its keys still in ${stateDirectory}?`,
      { event: "error", tunnel: number },
    );
  }
  tellClients(plan, tunnel, now);
  plan.told = now;
}

async function openTunnel(
  plan: Plan,
  statistics: Statistics,
  signal: AbortSignal,
): Promise<RunningTunnel> {
  const { request, options, verbose } = plan;
  const { program: [program = ""], number } = request;
  const opening = tunnelServer(request.program, {
    ...options,
    ...tellingWords(program, verbose, number),
    signal,
    onEnd: (connection) => statistics.tell(connection, number),
  });
  const tunnel = await patiently(opening, program, number).catch((error) => {
    throw withoutLastLines(error);
  });
  statistics.watch(tunnel);
  tellOpen(plan, tunnel);
  tryService(plan, signal); // Nobody waits for it, as an answer can take long.
  tellOnce(plan, tunnel);
  // Clients know the port that it got: it is the same next time.
  const listen = listeningPlace(options.listen, tunnel.address) ?? options.listen;
  plan.options = { ...options, listen };
  return { tunnel, program, number };
}

/** The command. */
export const server: Command = {
  summary: "a pluggable transport in front of any service",
  help: HELP,
  async run(args) {
    const { tunnels, restart, verbose, json } = await readTunnels(args, OPTIONS);
    // All of them, before anything is started.
    const plans = tunnels.map((request) => readPlan(request, verbose, json));
    speak({ json, timestamps: verbose });
    let statistics: Statistics | undefined;
    try {
      return await supervise((signal) => {
        const all = statistics = new Statistics(signal, hint);
        return plans.map((plan) => (signal) => openTunnel(plan, all, signal));
      }, restart);
    } finally {
      statistics?.[Symbol.dispose]();
    }
  },
};

/**
 * `ptlib client`: a local TCP port whose connections go through a pluggable transport.
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import { formatSocksArgs, parseSocksArgs } from "../args.ts";
import { type ProxyInfo, readProxy } from "../config.ts";
import { DialError } from "../net/dial.ts";
import { tunnelClient, type TunnelledConnection } from "../parent/mod.ts";
import type { Command } from "./command.ts";
import { type OpenTunnel, supervise } from "./supervise.ts";
import { complain, formatBytes, note, quote } from "./terminal.ts";
import { readTunnels, type TunnelRequest } from "./tunnel_options.ts";

/** What fits into the user name and the password of SOCKS5, in bytes. */
const MOST_ARGUMENTS = 510;

const OPTIONS = {
  transport: { type: "string" },
  listen: { type: "string" },
  bridge: { type: "string" },
  args: { type: "string" },
  proxy: { type: "string" },
  state: { type: "string" },
} as const;

const HELP = `Usage: ptlib client --transport NAME --listen IP:PORT --bridge IP:PORT
                    [OPTION]... -- PROGRAM...
       ptlib client --config FILE

Opens a local TCP port. Its connections go through a pluggable transport to a
server's end, such as one of 'ptlib server', and to the service behind it.

  --transport NAME   the transport, such as obfs4
  --listen IP:PORT   where to listen; port 0 is any free port
  --bridge IP:PORT   where the server's end listens
  --args 'K=V;K=V'   what the transport needs to know; 'ptlib server' prints it
  --proxy URL        connect through this proxy alone:
                     http://, socks4a:// or socks5://[user[:password]@]IP:PORT
  --state DIR        where the program keeps files; without it, in a temporary
                     directory that is removed at the end
  --config FILE      several tunnels at once, from a JSON file:
                     {"tunnels": [{"transport": "obfs4", "listen": "...",
                     "bridge": "...", "args": "...",
                     "command": ["obfs4proxy"]}]}
  -- PROGRAM...      the program that has the transport, and its arguments

IPv6 addresses go in brackets, as in [::1]:1234. It runs until Ctrl-C or
SIGTERM (status 0) or until the program dies (status 1).

Example: ptlib client --transport obfs4 --listen 127.0.0.1:1234 \\
           --bridge 192.0.2.7:5678 --args 'cert=...;iat-mode=0' -- obfs4proxy`;

/** Reads `--args`, which every connection has to carry. */
function parseArguments(text: string): URLSearchParams {
  const args = parseSocksArgs(text);
  const { length } = new TextEncoder().encode(formatSocksArgs(args));
  if (length > MOST_ARGUMENTS) {
    throw new SyntaxError(`it has ${length} bytes, and SOCKS5 carries up to ${MOST_ARGUMENTS}`);
  }
  return args;
}

/** Reads `--proxy` as the transport would read `TOR_PT_PROXY`. */
function parseProxy(uri: string): ProxyInfo {
  try {
    const proxy = readProxy(() => uri);
    if (proxy === null) throw new SyntaxError("it is empty");
    return proxy;
  } catch (error) {
    // The variable that the message names is not what the user wrote.
    throw error instanceof Error && error.cause instanceof SyntaxError ? error.cause : error;
  }
}

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
  const hint = "is the server's end running at --bridge, and are these its --args?";
  return error instanceof DialError ? `${message}; ${hint}` : message;
}

async function openTunnel(
  request: TunnelRequest,
  statistics: Statistics,
  signal: AbortSignal,
  cleanUp: AsyncDisposableStack,
): Promise<OpenTunnel> {
  const [program = ""] = request.program;
  const transport = request.transport();
  const args = request.parse("args", request.optional("args") ?? "", parseArguments);
  const proxy = request.optional("proxy");
  const options = {
    transport,
    listen: request.listen(),
    bridge: request.destination("bridge"),
    args,
    proxy: proxy === undefined ? undefined : request.parse("proxy", proxy, parseProxy),
    signal,
    onStderr: (line: string) => quote(program, line),
    onEnd: (connection: TunnelledConnection) => statistics.add(connection),
  };
  const stateDirectory = request.optional("state") ?? await temporaryDirectory(cleanUp);
  const tunnel = await tunnelClient(request.program, { ...options, stateDirectory })
    .catch((error) => {
      const taken = error instanceof Deno.errors.AddrInUse ||
        error instanceof Deno.errors.AddrNotAvailable;
      throw taken ? request.fault("listen", `cannot be used: ${error.message}`) : error;
    });
  note(`${transport}: listening on ${formatAddress(tunnel.address)}`);
  return { tunnel, program };
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
    const requests = await readTunnels(args, OPTIONS);
    const cleanUp = new AsyncDisposableStack();
    try {
      return await supervise(async function* (signal) {
        const statistics = cleanUp.use(new Statistics(signal));
        for (const request of requests) {
          yield await openTunnel(request, statistics, signal, cleanUp);
        }
      });
    } finally {
      await cleanUp.disposeAsync();
    }
  },
};

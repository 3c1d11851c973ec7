/**
 * A whole managed proxy from a table of transports.
 *
 * ```ts
 * import { run } from "@ptlib/ptlib/run";
 *
 * async function main(): Promise<void> {
 *   await run({
 *     plain: {
 *       client: ({ dial }) => dial(),
 *       server: (conn) => conn,
 *     },
 *   });
 * }
 * ```
 *
 * @module
 */

import { type Address, isLoopback, scrubAddresses } from "../address.ts";
import * as client from "../client.ts";
import { EnvError, readBindAddresses } from "../config.ts";
import { log, reportVersion, type Severity } from "../messages.ts";
import { acceptAll, handleEach } from "../net/accept.ts";
import { dial } from "../net/dial.ts";
import { dialOr } from "../net/ext_orport.ts";
import { inTime, Lifetime } from "./lifetime.ts";
import { relay } from "../net/relay.ts";
import { type ShutdownSignal, shutdownSignal, untilAborted } from "../net/shutdown.ts";
import { listenSocks, type SocksRequest } from "../net/socks.ts";
import type {
  ClientContext,
  PublishContext,
  RunOptions,
  ServerContext,
  Transport,
  TransportContext,
  Transports,
} from "./transport.ts";
import * as server from "../server.ts";
import { checkClientMode, makeStateDirectory } from "../util.ts";

export type {
  ClientContext,
  PublishContext,
  RunOptions,
  ServerContext,
  Transport,
  TransportContext,
} from "./transport.ts";

/** How long a transport's function may take, in milliseconds. */
const TRANSPORT_TIMEOUT = 60_000;
const LAST_MOMENT = 500;

/** What a program says of itself, with the name of its file where it says none. */
function named(options: Readonly<RunOptions>): RunOptions & { name: string } {
  const file = new URL(Deno.mainModule).pathname.split("/").at(-1) ?? "";
  return { name: file.replace(/\.[a-z]+$/, ""), ...options };
}

/** A broken stdout means that the parent is gone, so that nobody is left to serve. */
function say(severity: Severity, text: string): void {
  try {
    log(severity, text);
  } catch {
    Deno.exit(0);
  }
}

/** Why something failed, without any address. A transport can throw anything. */
function reason(error: unknown, host?: string): string {
  let message: string;
  try {
    message = String(error instanceof Error ? error.message : error);
  } catch {
    message = "what was thrown cannot be put into words";
  }
  return scrubAddresses(message, host);
}

/** What every function of a transport is told. */
function common(state_loc: string, signal: AbortSignal): TransportContext {
  return {
    state_loc,
    async stateDirectory() {
      await makeStateDirectory(state_loc);
      return state_loc;
    },
    signal,
  };
}

/** Resolves a moment after the end was signalled. */
async function lastMoment(end: AbortSignal): Promise<void> {
  await untilAborted(end);
  await untilAborted(AbortSignal.timeout(LAST_MOMENT));
}

/** Waits for the end, which a transport's connection that does not close cannot hold up. */
async function untilDone(serving: Promise<void>, stop: ShutdownSignal): Promise<void> {
  await Promise.race([Promise.all([serving, untilAborted(stop)]), lastMoment(stop.end)]);
}

/** The functions with which one half reports. */
interface Half {
  reportFailure(name: string, message: string): void;
  reportEnd(): void;
}

/** Launches and reports each transport, then serves those that listen until they are done. */
async function launchAll(
  half: Half,
  names: readonly string[],
  launch: (name: string) => () => Promise<void>,
  options: Readonly<RunOptions>,
): Promise<void> {
  const launched = names.flatMap((name) => {
    try {
      return [launch(name)];
    } catch (error) {
      half.reportFailure(name, reason(error));
      return [];
    }
  });
  if (options.reportVersion) reportVersion(named(options).name, options.version ?? "unknown");
  half.reportEnd();
  await Promise.all(launched.map((serve) => serve()));
}

/** Runs the client halves of transports until the process has to end. */
async function runClient(
  transports: Transports,
  options: Readonly<RunOptions>,
): Promise<void> {
  const supported = Object.keys(transports).filter((name) => transports[name]?.client);
  const { state_loc, transports: names, proxy } = client.init(supported);
  const stop = shutdownSignal();
  const bindAddress = readBindAddresses();
  if (proxy !== null) client.reportProxySuccess();

  const carry = async (name: string, request: SocksRequest) => {
    using life = new Lifetime(stop.end);
    const { signal } = life;
    const { target, args } = request;
    const context: ClientContext = {
      ...common(state_loc, signal),
      target,
      args,
      dial: async (to = target) => life.own(await dial(to, { proxy, bindAddress, signal })),
    };
    const carrier = await life.carry(TRANSPORT_TIMEOUT, () => transports[name]!.client!(context));
    await relay(await request.grant(), carrier, { signal: stop.end });
  };
  const carryOrReject = async (name: string, request: SocksRequest) => {
    try {
      await carry(name, request);
    } catch (error) {
      say("notice", `${name}: no connection: ${reason(error, request.target[0])}`);
      await request.reject(error); // That waits for the user; what was dialled is closed by now.
    }
  };
  const serving = launchAll(client, names, (name) => {
    const listener = listenSocks({ signal: stop });
    client.reportSuccess(name, 5, listener.address);
    return () => handleEach(listener, (request) => carryOrReject(name, request));
  }, options);
  await untilDone(serving, stop);
}

/** Arguments of any kind as the multimap in which they are handed on. */
function pairs(args: Iterable<readonly [string, string]>): URLSearchParams {
  return new URLSearchParams(Array.from(args, ([key, value]) => [key, value]));
}

/** Runs the server halves of transports until the process has to end. */
async function runServer(
  transports: Transports,
  options: Readonly<RunOptions>,
): Promise<void> {
  const supported = Object.keys(transports).filter((name) => transports[name]?.server);
  const info = server.init(supported);
  const stop = shutdownSignal();
  const bindAddress = readBindAddresses();
  if (info.ext_orport !== null && !isLoopback(info.ext_orport[0])) {
    say("warning", "TOR_PT_EXTENDED_SERVER_PORT is on another machine: the way there is open");
  }

  const names = Object.keys(info.transports);
  const publish = async (name: string): Promise<[PublishContext, URLSearchParams]> => {
    const options = info.transport_options[name] ?? new URLSearchParams();
    const context = { ...common(info.state_loc, stop.end), options };
    const transport = transports[name]!;
    // Timers cost start-up time, so there is none where there is nothing to wait for.
    if (transport.publish === undefined) return [context, new URLSearchParams()];
    const work = () => transport.publish!(context);
    return [context, pairs(await inTime(TRANSPORT_TIMEOUT, "publish()", stop.end, work))];
  };
  const published = await Promise.allSettled(names.map(publish));

  const carry = async (name: string, context: ServerContext, conn: Deno.TcpConn) => {
    using life = new Lifetime(stop.end);
    life.own(conn);
    // Anybody can connect and fail, and so fill tor's log with what it shows.
    let severity: Severity = "info";
    try {
      const carrier = await life.carry(
        TRANSPORT_TIMEOUT,
        () =>
          transports[name]!.server!(conn, {
            ...context,
            get signal() {
              return life.signal;
            },
          }),
      );
      severity = "warning"; // From here on it is tor's own port that fails.
      const { clientAddress } = context;
      const signal = stop.end;
      const tor = await dialOr(info, { transport: name, clientAddress, bindAddress, signal });
      await relay(carrier, life.own(tor), { signal: stop.end });
    } catch (error) {
      say(severity, `${name}: no connection: ${reason(error, context.clientAddress[0])}`);
    }
  };
  const serving = launchAll(server, names, (name) => {
    const outcome = published[names.indexOf(name)]!;
    if (outcome.status === "rejected") throw outcome.reason;
    const [context, args] = outcome.value;
    const [hostname, port] = info.transports[name]!;
    const listener = Deno.listen({ hostname, port });
    try {
      server.reportSuccess(name, [listener.addr.hostname, listener.addr.port], args);
    } catch (error) {
      listener.close(); // What is not reported must not look alive.
      throw error;
    }
    return () =>
      handleEach(acceptAll(listener, { signal: stop }), (conn) => {
        const clientAddress: Address = [conn.remoteAddr.hostname, conn.remoteAddr.port];
        return carry(name, { ...context, args, clientAddress }, conn);
      });
  }, options);
  await untilDone(serving, stop);
}

/** Whether the parent wants a client. Where that is unclear, `init` will say so to it. */
function isClient(): boolean {
  try {
    return checkClientMode();
  } catch {
    return true;
  }
}

/** An error that nobody caught ends what it belongs to, and not everybody else's connection. */
function surviveUncaught(): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    say("warning", `An error was not handled: ${reason(event.reason)}`);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    say("warning", `An error was not caught: ${reason(event.error)}`);
  });
}

/**
 * Runs a managed proxy: everything between a parent such as tor and the transports of the table
 * (pt-spec section 3).
 *
 * It finds out which half the parent wants, accepts its upstream proxy, listens, and reports. It
 * answers SOCKS requests, connects to the ORPort, and relays. On SIGTERM or SIGINT it stops
 * listening and gives connections 2 s to finish. When stdin is closed, where that counts, or the
 * parent is gone, it ends at once. `--capabilities`, `--help` and `--version` are answered without
 * a look at the environment.
 *
 * @param transports The transports by name.
 * @param options What the program says of itself.
 * @returns Never: the process ends with status 0, with 1 where the environment is unusable or a
 * name of the table is no transport name, with 2 where its arguments are.
 *
 * @example
 * ```ts
 * import { run } from "@ptlib/ptlib/run";
 *
 * async function main(): Promise<void> {
 *   await run({
 *     plain: {
 *       client: ({ dial }) => dial(),
 *       server: (conn) => conn,
 *     },
 *   });
 * }
 * ```
 */
export async function run(
  transports: Readonly<Record<string, Transport>>,
  options: Readonly<RunOptions> = {},
): Promise<never> {
  if (Deno.args.length > 0) {
    const { answerArguments } = await import("./capabilities.ts");
    await answerArguments(Deno.args, transports, named(options));
  }
  surviveUncaught();
  try {
    await (isClient() ? runClient(transports, options) : runServer(transports, options));
  } catch (error) {
    console.error(error instanceof EnvError ? error.message : error);
    Deno.exit(1);
  }
  Deno.exit(0);
}

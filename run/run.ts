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

import { type Address, formatAddress, isLoopback } from "../address.ts";
import * as client from "../client.ts";
import { EnvError, readOutboundBindAddresses } from "../config.ts";
import { log, reportVersion, type Severity } from "../messages.ts";
import { acceptAll, handleEach } from "../net/accept.ts";
import type { StreamConn } from "../net/conn.ts";
import { dial } from "../net/dial.ts";
import { dialOr } from "../net/ext_orport.ts";
import { checkConn, inTime, Lifetime } from "./connection_lifetime.ts";
import { relay } from "../net/relay.ts";
import { type ShutdownSignal, shutdownSignal, untilAborted } from "../net/shutdown.ts";
import { listenSocks, type SocksRequest } from "../net/socks.ts";
import type {
  ClientContext,
  Flags,
  PublishContext,
  Published,
  PublishResult,
  RunOptions,
  ServerContext,
  ServerResult,
  Transport,
  TransportContext,
  Transports,
} from "./transport.ts";
import { flushLines } from "../stdout_lines.ts";
import * as server from "../server.ts";
import { checkClientMode, makeStateDirectory } from "../util.ts";
import { scrubAddresses } from "../scrub.ts";

export type { Address } from "../address.ts";
export type { ProxyInfo } from "../config.ts";
export type { StreamConn } from "../net/conn.ts";
export { DialError } from "../net/dial.ts";
export { connectThrough, type ConnectThroughOptions } from "./connect_through.ts";
export type {
  Accepted,
  ClientContext,
  FlagOption,
  Flags,
  PublishContext,
  Published,
  PublishResult,
  RunOptions,
  ServerContext,
  ServerResult,
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

/** Why something failed, without addresses and secrets. A transport can throw anything. */
function reason(error: unknown, ...secrets: readonly string[]): string {
  let message: string;
  try {
    message = String(error instanceof Error ? error.message : error);
  } catch {
    message = "what was thrown cannot be put into words";
  }
  return scrubAddresses(message, ...secrets);
}

/** What every function of a transport is told. */
function common(state_loc: string, flags: Flags, signal: AbortSignal): TransportContext {
  return {
    state_loc,
    async stateDirectory() {
      await makeStateDirectory(state_loc);
      return state_loc;
    },
    flags,
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

/** The functions with which one role reports. */
interface Reporter {
  reportFailure(name: string, message: string): void;
  reportEnd(): void;
}

/** What a program is: its transports, what it says of itself, and how it was started. */
interface Program {
  transports: Transports;
  options: Readonly<RunOptions>;
  flags: Flags;
}

let survives = false;

/** An error that nobody caught ends what it belongs to, and not everybody else's connection. */
function surviveUncaught(): void {
  if (survives) return;
  survives = true;
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log("warning", `An error was not handled: ${reason(event.reason)}`);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    log("warning", `An error was not caught: ${reason(event.error)}`);
  });
}

/** Launches and reports each transport, then serves those that listen until they are done. */
async function launchAll(
  reporter: Reporter,
  names: readonly string[],
  launch: (name: string) => () => Promise<void>,
  options: Readonly<RunOptions>,
): Promise<void> {
  const launched = names.flatMap((name) => {
    try {
      return [launch(name)];
    } catch (error) {
      reporter.reportFailure(name, reason(error));
      return [];
    }
  });
  if (options.reportVersion) reportVersion(named(options).name, options.version ?? "unknown");
  reporter.reportEnd();
  surviveUncaught(); // Nothing of a client's transports has run before, and to start costs less so.
  await Promise.all(launched.map((serve) => serve()));
}

/** Runs the client halves of transports until the process has to end. */
async function runClient({ transports, options, flags }: Program): Promise<void> {
  const supported = Object.keys(transports).filter((name) => transports[name]?.client);
  const { state_loc, transports: names, proxy } = client.init(supported);
  const stop = shutdownSignal();
  const outboundBindAddress = readOutboundBindAddresses();
  if (proxy !== null) client.reportProxySuccess();

  const carry = async (name: string, request: SocksRequest) => {
    const life = new Lifetime(stop.end);
    const { signal } = life;
    const { target, args } = request;
    const context: ClientContext = {
      ...common(state_loc, flags, signal),
      target,
      args,
      dial: async (to = target) => life.own(await dial(to, { proxy, outboundBindAddress, signal })),
    };
    try {
      const carrier = await life.carry(
        TRANSPORT_TIMEOUT,
        () => transports[name]!.client!(context),
        (conn) => life.own(checkConn(conn)),
      );
      const { error } = await relay(await request.grant(), carrier, { signal: stop.end });
      if (error === null) await life.finish([carrier]);
    } finally {
      life[Symbol.dispose]();
    }
  };
  const carryOrReject = async (name: string, request: SocksRequest) => {
    try {
      await carry(name, request);
    } catch (error) {
      log(
        "notice",
        `${name}: no connection: ${reason(error, request.target[0], ...request.args.values())}`,
      );
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

/** What a transport publishes: its arguments as a multimap, and the address where it has one. */
interface Publication {
  args: URLSearchParams;
  address: Readonly<Address> | undefined;
}

function toPublication(result: PublishResult): Publication {
  const { args = [], address }: Published = Symbol.iterator in result ? { args: result } : result;
  return { args: new URLSearchParams(Array.from(args, ([key, value]) => [key, value])), address };
}

/** An address that tor can be told; undefined for what is none, such as a header's junk. */
function tellable(address: Readonly<Address> | null): Readonly<Address> | undefined {
  try {
    if (address === null) return undefined;
    const [host, port] = address;
    formatAddress([host.replace(/%.*$/s, ""), port]); // A zone is no part of what tor is told.
    return [host, port];
  } catch {
    return undefined;
  }
}

/** A client's connection, unwrapped, and the address that tor is told. */
interface Unwrapped {
  conn: StreamConn;
  clientAddress: Readonly<Address> | undefined;
}

/** What a transport returned for a connection from an address; null where it is done with it. */
function toUnwrapped(result: ServerResult, from: Readonly<Address>): Unwrapped | null {
  if (result === null) return null;
  // A connection may have a field of this name, too.
  if (typeof result === "object" && "conn" in result && !("read" in result)) {
    return { conn: checkConn(result.conn), clientAddress: tellable(result.clientAddress) };
  }
  return { conn: checkConn(result as StreamConn), clientAddress: from };
}

/** Runs the server halves of transports until the process has to end. */
async function runServer({ transports, options, flags }: Program): Promise<void> {
  const supported = Object.keys(transports).filter((name) => transports[name]?.server);
  const info = server.init(supported);
  const stop = shutdownSignal();
  const outboundBindAddress = readOutboundBindAddresses();
  if (info.ext_orport !== null && !isLoopback(info.ext_orport[0])) {
    log("warning", "TOR_PT_EXTENDED_SERVER_PORT is on another machine: the way there is open");
  }

  const names = Object.keys(info.transports);
  if (names.some((name) => transports[name]?.publish !== undefined)) surviveUncaught();
  const contextOf = (name: string): PublishContext => ({
    ...common(info.state_loc, flags, stop.end),
    options: info.transport_options[name] ?? new URLSearchParams(),
  });
  const publish = async (name: string): Promise<Publication> => {
    const transport = transports[name]!;
    // Timers cost start-up time, so there is none where there is nothing to wait for.
    if (transport.publish === undefined) return toPublication([]);
    const work = () => transport.publish!(contextOf(name));
    return toPublication(await inTime(TRANSPORT_TIMEOUT, "publish()", stop.end, work));
  };
  const published = await Promise.allSettled(names.map(publish));

  const carry = async (name: string, args: URLSearchParams, conn: Deno.TcpConn) => {
    const life = new Lifetime(stop.end);
    life.own(conn);
    const from: Address = [conn.remoteAddr.hostname, conn.remoteAddr.port];
    const context: ServerContext = {
      ...contextOf(name),
      args,
      clientAddress: from,
      waitUntil: (promise) => life.waitUntil(promise),
      get signal() {
        return life.signal;
      },
    };
    const own = (result: ServerResult) => {
      const unwrapped = toUnwrapped(result, from);
      if (unwrapped !== null) life.own(unwrapped.conn);
      return unwrapped;
    };
    let [client, severity]: [Unwrapped | null, Severity] = [null, "info"];
    try {
      const unwrap = () => transports[name]!.server!(conn, context);
      client = await life.carry(TRANSPORT_TIMEOUT, unwrap, own);
      if (client === null) return await life.untilSettled();
      severity = "warning"; // From here on it is tor's own port that fails.
      const { clientAddress } = client;
      const signal = stop.end;
      const tor = await dialOr(info, {
        transport: name,
        clientAddress,
        outboundBindAddress,
        signal,
      });
      const { error } = await relay(client.conn, life.own(tor), { signal });
      if (error === null) await life.finish([client.conn, tor]);
    } catch (error) {
      // Anybody can connect and fail, and so fill tor's log with what it shows.
      const secrets = [from[0], client?.clientAddress?.[0] ?? ""];
      log(severity, `${name}: no connection: ${reason(error, ...secrets)}`);
    } finally {
      life[Symbol.dispose]();
    }
  };
  const serving = launchAll(server, names, (name) => {
    const outcome = published[names.indexOf(name)]!;
    if (outcome.status === "rejected") throw outcome.reason;
    const { args, address } = outcome.value;
    const [hostname, port] = info.transports[name]!;
    const listener = Deno.listen({ hostname, port });
    try {
      const bound: Address = [listener.addr.hostname, listener.addr.port];
      server.reportSuccess(name, address ?? bound, args);
    } catch (error) {
      listener.close(); // What is not reported must not look alive.
      throw error;
    }
    return () =>
      handleEach(acceptAll(listener, { signal: stop }), (conn) => carry(name, args, conn));
  }, options);
  await untilDone(serving, stop);
}

/** What the program was started with. What reads arguments is loaded where there are some. */
async function readFlags(transports: Transports, options: Readonly<RunOptions>): Promise<Flags> {
  if (Deno.args.length === 0) {
    const defaults = Object.entries(options.flags ?? {}).map((
      [name, flag],
    ) => [name, flag.default]);
    return Object.fromEntries(defaults.filter(([, value]) => value !== undefined));
  }
  const { readArguments } = await import("./command_line.ts");
  return await readArguments(Deno.args, transports, named(options));
}

/** Whether the parent wants a client. Where that is unclear, `init` will say so to it. */
function isClient(): boolean {
  try {
    return checkClientMode();
  } catch {
    return true;
  }
}

/**
 * Runs a managed proxy: everything between a parent such as tor and the transports of the table
 * (pt-spec section 3).
 *
 * It finds out which half the parent wants, accepts its upstream proxy, listens, and reports. It
 * answers SOCKS requests, connects to the ORPort, and relays. On SIGTERM or SIGINT it stops
 * listening and gives connections 2 s to finish. When stdin is closed, where that counts, or the
 * parent is gone, it ends at once. `--capabilities`, `--help` and `--version` are answered without
 * a look at the environment; other flags are the program's own.
 *
 * @param transports The transports by name.
 * @param options What the program says of itself.
 * @returns Never. The process exits with status 0 after a normal shutdown, 1 when the environment
 * is unusable or a transport's name is not valid, 2 when the command line is wrong.
 * @throws {TypeError} When `options.flags` has a flag or a letter that `run()` itself uses.
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
  const flags = await readFlags(transports, options);
  const program: Program = { transports, options, flags };
  try {
    await (isClient() ? runClient(program) : runServer(program));
  } catch (error) {
    console.error(error instanceof EnvError ? error.message : error);
    Deno.exit(1);
  }
  await flushLines(LAST_MOMENT);
  Deno.exit(0);
}

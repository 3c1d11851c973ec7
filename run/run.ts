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

// A bundle keeps a comment with an exclamation mark, as the licence wants it.
/*! ptlib, (c) 2026 the ptlib authors, BSD-3-Clause: https://jsr.io/@ptlib/ptlib */
import * as client from "../client.ts";
import { EnvError, type ProxyInfo, readOutboundBindAddresses } from "../config.ts";
import { checkTransportName } from "../grammar.ts";
import { log } from "../messages.ts";
import { handleEach, isShortage } from "../net/accept.ts";
import { dialPeer } from "../net/dial.ts";
import { relay } from "../net/relay.ts";
import { shutdownSignal } from "../net/shutdown.ts";
import { listenSocks, type SocksRequest } from "../net/socks.ts";
import { flushLines } from "../stdout_lines.ts";
import { checkClientMode } from "../util.ts";
import { flushConsole, sendConsoleToStderr } from "./console_lines.ts";
import { checkConn, Lifetime } from "./connection_lifetime.ts";
import {
  common,
  LAST_MOMENT,
  launchAll,
  listen,
  logBroken,
  named,
  onShortage,
  OperatorError,
  type Program,
  reason,
  shortage,
  TRANSPORT_TIMEOUT,
  untilDone,
} from "./program.ts";
import type { ClientContext, Flags, RunOptions, Transport, Transports } from "./transport.ts";

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

/**
 * How many milliseconds a connection may take before it is watched whether its user is still there:
 * to watch costs more than most connections take.
 */
const QUICK = 1_000;

/** What a log must not show of a request. */
const secretsOf = ({ target, args }: SocksRequest) => [target[0], ...args.values()];

/** Tells the parent that its proxy will be used, or why it cannot be. */
async function answerProxy(proxy: Readonly<ProxyInfo>): Promise<void> {
  const { checkProxyGrant } = await import("./grants.ts"); // Loaded by those who have a proxy.
  try {
    checkProxyGrant(proxy);
  } catch (error) {
    client.reportProxyError(reason(error));
    throw error;
  }
  client.reportProxySuccess();
}

/** Runs the client halves of transports until the process has to end. */
async function runClient({ transports, options, flags }: Program): Promise<void> {
  const supported = Object.keys(transports).filter((name) => transports[name]?.client);
  const { state_loc, transports: names, proxy } = client.init(supported);
  const stop = shutdownSignal();
  const outboundBindAddress = readOutboundBindAddresses();
  if (proxy !== null) await answerProxy(proxy);

  const carry = async (name: string, request: SocksRequest) => {
    const life = new Lifetime(stop.end);
    const { signal } = life;
    const { target, args } = request;
    const context: ClientContext = {
      ...common(state_loc, flags, signal),
      target,
      args,
      dial: async (to = target) => {
        const peer = to === target ? "the bridge" : "the target";
        return life.own(await dialPeer(peer, to, { proxy, outboundBindAddress, signal }));
      },
    };
    let userGone: AbortSignal | undefined;
    const watch = () => life.endWith(userGone = request.userGone);
    const timer = setTimeout(watch, QUICK); // Nobody needs then what is being dialled.
    try {
      const carrier = await life.carry(
        TRANSPORT_TIMEOUT,
        () => transports[name]!.client!(context),
        (conn) => life.own(checkConn(conn)),
      );
      clearTimeout(timer);
      shortage.works();
      const { error } = await relay(await request.grant(), carrier, { signal: stop.end });
      if (error === null) await life.finish([carrier]);
      else if (!stop.end.aborted) logBroken(name, error, ...secretsOf(request));
    } catch (error) {
      clearTimeout(timer);
      life[Symbol.dispose](); // What was dialled does not wait for the user, as the next does.
      if (isShortage(error)) onShortage(error);
      else if (userGone?.aborted) log("info", `${name}: the user gave up`);
      else log("notice", `${name}: no connection: ${reason(error, ...secretsOf(request))}`);
      await request.reject(error);
    } finally {
      life[Symbol.dispose]();
    }
  };
  const serving = launchAll(client, names, (name) => {
    const listener = listenSocks({ listener: listen(["127.0.0.1", 0]), signal: stop, onShortage });
    client.reportSuccess(name, 5, listener.address);
    return () => handleEach(listener, (request) => carry(name, request));
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

/** Checks what an author has named the transports; the program would be of no use to any parent. */
async function checkNames(transports: Transports, options: Readonly<RunOptions>): Promise<void> {
  try {
    Object.keys(transports).forEach(checkTransportName);
  } catch (error) {
    const { refuse } = await import("./answer.ts");
    await refuse(`${named(options).name}: ${reason(error)}`, 1);
  }
}

/** Says why a program could not begin; to a person also what it is. */
async function sayWhy(error: unknown, { transports, options }: Program): Promise<void> {
  if (error instanceof OperatorError) return console.error(error.message);
  if (!(error instanceof EnvError)) return console.error(error);
  const { introduction } = await import("./answer.ts");
  console.error(introduction(transports, named(options)) ?? error.message);
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
 * a look at the environment; other flags are the program's own. stdout belongs to the protocol, so
 * what `console.log()` and its kin print goes to stderr.
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
  sendConsoleToStderr();
  await checkNames(transports, options);
  const flags = await readFlags(transports, options);
  const program: Program = { transports, options, flags };
  let status = 0;
  try {
    if (isClient()) await runClient(program);
    else {
      const { runServer } = await import("./server_role.ts");
      await runServer(program);
    }
  } catch (error) {
    await sayWhy(error, program);
    status = 1;
  }
  await Promise.all([flushLines(LAST_MOMENT), flushConsole(LAST_MOMENT)]);
  Deno.exit(status);
}

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

import { type Address, isLoopback, scrubAddresses } from "./address.ts";
import type { Program } from "./capabilities.ts";
import * as client from "./client.ts";
import { EnvError, readBindAddresses } from "./config.ts";
import { log, reportVersion, type Severity } from "./messages.ts";
import { acceptAll, handleEach } from "./net/accept.ts";
import type { StreamConn } from "./net/conn.ts";
import { dial } from "./net/dial.ts";
import { dialOr } from "./net/ext_orport.ts";
import { inTime, Lifetime } from "./net/lifetime.ts";
import { relay } from "./net/relay.ts";
import { type ShutdownSignal, shutdownSignal, untilAborted } from "./net/shutdown.ts";
import { listenSocks, type SocksRequest } from "./net/socks.ts";
import * as server from "./server.ts";
import { checkClientMode, makeStateDirectory } from "./util.ts";

const TRANSPORT_TIMEOUT = 60_000;
const LAST_MOMENT = 500;

/**
 * What both halves of a transport are told.
 *
 * @example
 * ```ts
 * import type { TransportContext } from "@ptlib/ptlib/run";
 *
 * async function keyFile(context: TransportContext): Promise<string> {
 *   return `${await context.stateDirectory()}/key`;
 * }
 * ```
 */
export interface TransportContext {
  /** The directory in which the transport may keep files; it may not exist yet. */
  state_loc: string;
  /** Creates that directory, for this user alone, and resolves to its path. */
  stateDirectory(): Promise<string>;
  /** Aborts when the connection, or the whole transport, is at its end. */
  signal: AbortSignal;
}

/**
 * What the client half of a transport is told about a connection.
 *
 * @example
 * ```ts
 * import type { ClientContext } from "@ptlib/ptlib/run";
 * import type { StreamConn } from "@ptlib/ptlib/net";
 *
 * async function client({ args, dial }: ClientContext): Promise<StreamConn> {
 *   if (!args.has("secret")) throw new Error("the bridge line has no secret=");
 *   return await dial();
 * }
 * ```
 */
export interface ClientContext extends TransportContext {
  /** Where the user's program wants to go: the bridge. */
  target: Address;
  /** The arguments of the bridge line. */
  args: URLSearchParams;
  /**
   * Connects to the target, or to another address, as the parent wants it: through the upstream
   * proxy and from the source address that it has set. The connection is closed for you in the
   * end.
   */
  dial(target?: Readonly<Address>): Promise<StreamConn>;
}

/**
 * What the server half of a transport is told before it listens.
 *
 * @example
 * ```ts
 * import type { PublishContext } from "@ptlib/ptlib/run";
 *
 * function publish({ options }: PublishContext): [string, string][] {
 *   return [["secret", options.get("secret") ?? "swordfish"]];
 * }
 * ```
 */
export interface PublishContext extends TransportContext {
  /** What the operator has set with `ServerTransportOptions`. */
  options: URLSearchParams;
}

/**
 * What the server half of a transport is told about a connection.
 *
 * @example
 * ```ts
 * import type { ServerContext } from "@ptlib/ptlib/run";
 * import type { StreamConn } from "@ptlib/ptlib/net";
 *
 * function server(conn: Deno.TcpConn, { args }: ServerContext): StreamConn {
 *   if (!args.has("secret")) throw new Error("nothing was published");
 *   return conn;
 * }
 * ```
 */
export interface ServerContext extends PublishContext {
  /** What `publish` has published. */
  args: URLSearchParams;
  /** The client's address. Never log it. */
  clientAddress: Address;
}

/**
 * A transport: how a connection is wrapped at each end. One with a single half is known to that
 * half of the parent only.
 *
 * Each function may take 60 s. One that throws, or takes longer, ends its own connection and
 * nothing else.
 *
 * @example
 * ```ts
 * import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
 * import type { Transport } from "@ptlib/ptlib/run";
 *
 * const invert = (bytes: Uint8Array) => bytes.forEach((byte, i) => bytes[i] = ~byte);
 * const wrap = (conn: StreamConn) => mapBytes(conn, { read: invert, write: invert });
 *
 * const inverted: Transport = {
 *   client: async ({ dial }) => wrap(await dial()),
 *   server: wrap,
 * };
 * ```
 */
export interface Transport {
  /**
   * Connects to the bridge and returns the connection that carries the user's bytes. What it
   * throws becomes a SOCKS reply, and a `LOG` line without addresses.
   */
  client?(context: ClientContext): StreamConn | Promise<StreamConn>;
  /** Takes a client's connection and returns the one that carries the user's bytes. */
  server?(conn: Deno.TcpConn, context: ServerContext): StreamConn | Promise<StreamConn>;
  /**
   * Returns what clients must know, before the server listens: the `ARGS` of its `SMETHOD` line,
   * printable ASCII without spaces. What it throws becomes an `SMETHOD-ERROR`.
   */
  publish?(
    context: PublishContext,
  ): Iterable<readonly [string, string]> | Promise<Iterable<readonly [string, string]>>;
}

/**
 * What a program says of itself.
 *
 * @example
 * ```ts
 * import type { RunOptions } from "@ptlib/ptlib/run";
 *
 * const options: RunOptions = { name: "rot13", version: "1.0.0" };
 * ```
 */
export interface RunOptions {
  /** The program's name. Default: the name of its file. */
  name?: string;
  /** The program's version. Default: none. */
  version?: string;
  /**
   * Whether the parent is told name and version, which a new tor publishes for a bridge. An older
   * tor warns about it and an older Arti fails. Default: `false`.
   */
  reportVersion?: boolean;
  /** Permission flags that each half needs beyond those of `run()`, for `--capabilities`. */
  permissions?: { client?: readonly string[]; server?: readonly string[] };
}

type Transports = Readonly<Record<string, Transport>>;

/** A broken stdout means that the parent is gone, so that nobody is left to serve. */
function say(severity: Severity, text: string): void {
  try {
    log(severity, text);
  } catch {
    Deno.exit(0);
  }
}

/** Why something failed, without any address. */
function reason(error: unknown, host?: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return scrubAddresses(host ? message.replaceAll(host, "[scrubbed]") : message);
}

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

function describe(transports: Transports, options: Readonly<RunOptions>): Program {
  const halves = Object.entries(transports).map((
    [name, transport],
  ) => [name, { client: transport.client !== undefined, server: transport.server !== undefined }]);
  const file = new URL(Deno.mainModule).pathname.split("/").at(-1) ?? "";
  return {
    name: options.name ?? file.replace(/\.[a-z]+$/, ""),
    version: options.version ?? null,
    transports: Object.fromEntries(halves),
    permissions: options.permissions ?? {},
  };
}

/** Arguments of any kind as the multimap in which they are handed on. */
function pairs(args: Iterable<readonly [string, string]>): URLSearchParams {
  return new URLSearchParams(Array.from(args, ([key, value]) => [key, value]));
}

async function answer(transports: Transports, options: Readonly<RunOptions>): Promise<never> {
  const { answerArguments } = await import("./capabilities.ts");
  const { text, error } = answerArguments(Deno.args, describe(transports, options));
  const stream = error ? Deno.stderr : Deno.stdout;
  await new Blob([text, "\n"]).stream().pipeTo(stream.writable);
  Deno.exit(error ? 2 : 0);
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

/** Launches and reports each transport, then serves those that listen until they are done. */
async function launchAll(
  half: Pick<typeof client, "reportFailure" | "reportEnd">,
  names: readonly string[],
  launch: (name: string) => () => Promise<void>,
  program: Program | null,
): Promise<void> {
  const launched = names.flatMap((name) => {
    try {
      return [launch(name)];
    } catch (error) {
      half.reportFailure(name, reason(error));
      return [];
    }
  });
  if (program !== null) reportVersion(program.name, program.version ?? "unknown");
  half.reportEnd();
  await Promise.all(launched.map((serve) => serve()));
}

async function runClient(transports: Transports, program: Program | null): Promise<void> {
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
  }, program);
  await untilDone(serving, stop);
}

async function runServer(transports: Transports, program: Program | null): Promise<void> {
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
    const { signal } = life;
    life.own(conn);
    try {
      const carrier = await life.carry(
        TRANSPORT_TIMEOUT,
        () => transports[name]!.server!(conn, { ...context, signal }),
      );
      const { clientAddress } = context;
      const tor = await dialOr(info, { transport: name, clientAddress, bindAddress, signal });
      await relay(carrier, life.own(tor), { signal: stop.end });
    } catch (error) {
      say("notice", `${name}: no connection: ${reason(error, context.clientAddress[0])}`);
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
  }, program);
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
  if (Deno.args.length > 0) await answer(transports, options);
  surviveUncaught();
  try {
    const program = options.reportVersion ? describe(transports, options) : null;
    await (isClient() ? runClient(transports, program) : runServer(transports, program));
  } catch (error) {
    console.error(error instanceof EnvError ? error.message : error);
    Deno.exit(1);
  }
  Deno.exit(0);
}

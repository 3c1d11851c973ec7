/**
 * A server: from its bind address through the transport to tor. Clients do not load it.
 *
 * @module
 */

import { type Address, formatAddress, isLoopback } from "../address.ts";
import { formatSocksArgs, MOST_ARGUMENT_BYTES } from "../args.ts";
import { readOutboundBindAddresses } from "../config.ts";
import { log } from "../messages.ts";
import { acceptAll, handleEach, isShortage } from "../net/accept.ts";
import type { StreamConn } from "../net/conn.ts";
import { dialOr } from "../net/ext_orport.ts";
import { relay } from "../net/relay.ts";
import { shutdownSignal } from "../net/shutdown.ts";
import * as server from "../server.ts";
import { checkConn, inTime, Lifetime } from "./connection_lifetime.ts";
import { checkOrPortGrants } from "./grants.ts";
import {
  common,
  isMistake,
  launchAll,
  listen,
  logBroken,
  onShortage,
  Outage,
  placeOf,
  type Program,
  reason,
  shortage,
  surviveUncaught,
  TRANSPORT_TIMEOUT,
  untilDone,
} from "./program.ts";
import type {
  PublishContext,
  Published,
  PublishResult,
  ServerContext,
  ServerResult,
} from "./transport.ts";

/** How long a transport may take to say what it publishes; meanwhile the others are reported. */
const PUBLISH_TIMEOUT = 15_000;

/** What a transport publishes: its arguments as a multimap, and the address where it has one. */
interface Publication {
  args: URLSearchParams;
  address: Readonly<Address> | undefined;
}

function toPublication(result: PublishResult): Publication {
  const { args = [], address }: Published = Symbol.iterator in result ? { args: result } : result;
  const pairs = Array.from(args, ([key, value]): [string, string] => {
    // URLSearchParams would make the text "undefined" of a value that is missing, and tor publish it.
    if (typeof key === "string" && typeof value === "string") return [key, value];
    throw new TypeError("publish() gave arguments that are not pairs of two texts");
  });
  return { args: new URLSearchParams(pairs), address };
}

/** Says that no client can use what was published: neither tor nor the client would. */
function warnOfLength(name: string, args: URLSearchParams): void {
  const { length } = formatSocksArgs(args);
  if (length <= MOST_ARGUMENT_BYTES) return;
  log(
    "warning",
    `${name}: its arguments have ${length} bytes; no client can send more than ${MOST_ARGUMENT_BYTES}`,
  );
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
export async function runServer({ transports, options, flags }: Program): Promise<void> {
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
  const orPort = new Outage("tor takes connections again");
  const mistakes = new Outage("server() takes connections again");
  const dialTor = async (transport: string, clientAddress: Readonly<Address> | undefined) => {
    const signal = stop.end;
    const tor = await dialOr(info, { transport, clientAddress, outboundBindAddress, signal });
    orPort.works();
    shortage.works();
    return tor;
  };
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
    let client: Unwrapped | null = null;
    const secrets = () => [
      from[0],
      client?.clientAddress?.[0] ?? "",
      ...context.options.values(),
    ];
    try {
      const unwrap = () => transports[name]!.server!(conn, context);
      client = await life.carry(TRANSPORT_TIMEOUT, unwrap, own);
      mistakes.works();
      if (client === null) return await life.untilSettled();
      const tor = await dialTor(name, client.clientAddress);
      const { error } = await relay(client.conn, life.own(tor), { signal: stop.end });
      if (error === null) await life.finish([client.conn, tor]);
      else if (!stop.end.aborted) logBroken(name, error, ...secrets());
    } catch (error) {
      if (isShortage(error)) return onShortage(error);
      const text = `${name}: no connection: ${reason(error, ...secrets())}`;
      // Anybody can connect and fail, and so fill tor's log with what it shows. What comes after the
      // transport is tor's own port, which fails for all of them.
      if (client !== null) orPort.failed(text);
      else if (isMistake(error)) mistakes.failed(text + placeOf(error));
      else log("info", text);
    } finally {
      life[Symbol.dispose]();
    }
  };
  const listenAndReport = (name: string, { args, address }: Publication) => {
    const listener = listen(info.transports[name]!);
    try {
      const bound: Address = [listener.addr.hostname, listener.addr.port];
      server.reportSuccess(name, address ?? bound, args);
      warnOfLength(name, args);
    } catch (error) {
      listener.close(); // What is not reported must not look alive.
      throw error;
    }
    const conns = acceptAll(listener, { signal: stop, onShortage });
    return () => handleEach(conns, (conn) => carry(name, args, conn));
  };
  const serving = launchAll(server, names, (name) => {
    checkOrPortGrants(info);
    const transport = transports[name]!;
    if (transport.publish === undefined) return listenAndReport(name, toPublication([]));
    const work = () => transport.publish!(contextOf(name));
    return inTime(PUBLISH_TIMEOUT, "publish()", stop.end, work).then((result) =>
      listenAndReport(name, toPublication(result))
    );
  }, options);
  await untilDone(serving, stop);
}

/**
 * The way through a transport: from a user of ours to a bridge or ORPort of ours.
 *
 * A transport that changes nothing is taken alone, between two ends of ours. Any other needs its
 * other half between them.
 *
 * @module
 */

import type { Address } from "../../address.ts";
import { formatSocksArgs } from "../../args.ts";
import type { Bench, Running } from "./bench.ts";
import { precondition, Skipped } from "./verdict.ts";
import type { Variables } from "./environment.ts";
import type { Arrivals } from "./far.ts";
import { socksConnect, type Target } from "./socks_connect.ts";
import { transparency } from "./transparent.ts";
import type { Wire } from "./wire.ts";

/** One connection, both of its ends ours. */
export interface Tunnel {
  /** The user's end, in front of the client half. */
  readonly user: Wire;
  /** The other end, behind the server half. */
  readonly far: Wire;
}

/** A way through a transport. */
export interface Route {
  /** The half that is checked. */
  readonly checked: Running;
  /** Where a client dials; null when the user reaches the server half directly. */
  readonly target: Target | null;
  /** Opens the user's end alone. */
  dial(): Promise<Wire>;
  /** Opens a connection; the check is skipped when it cannot be opened. */
  open(): Promise<Tunnel>;
}

/** Opens a plain connection. */
type Connect = (address: Address) => Promise<Wire>;

/** The user's end through a client. */
async function connectThrough(connect: Connect, client: Running, target: Target): Promise<Wire> {
  if (client.method.kind === "cmethod" && client.method.socksVersion !== 5) {
    throw new Skipped("needs a transport that speaks SOCKS5");
  }
  const wire = await connect(client.method.address);
  const reply = await precondition(socksConnect(wire, target));
  if (reply !== 0) throw new Skipped(`needs a granted connection, but got reply ${reply}`);
  return wire;
}

async function pair(dial: () => Promise<Wire>, far: Arrivals): Promise<Tunnel> {
  const user = await dial();
  const end = await far.accept();
  if (end === null) throw new Skipped("needs a connection through the transport: none arrives");
  return { user, far: end };
}

/** Where a server half is reached, by a client half. */
function targetOf(server: Running): Target {
  const { method } = server;
  const args = method.kind === "smethod" ? formatSocksArgs(method.args) : "";
  return { address: method.address, args };
}

/** What may be different about a way. */
export interface RouteOptions {
  /** Variables of the checked half to change; it is one of its own then. */
  readonly changes?: Variables;
  /** Where the connections arrive. */
  readonly far?: Arrivals;
  /** Has a program of its own, because the check may hurt it. */
  readonly alone?: boolean;
  /** How the user connects. */
  readonly connect?: Connect;
}

function plain(bench: Bench): Connect {
  return (address) => bench.dial(address);
}

/** Where a client is asked to connect: to our far end, or to a server half in front of it. */
export async function clientTarget(bench: Bench, far: Arrivals): Promise<Target> {
  const reason = await transparency(bench.subject, "client");
  if (reason === null) return { address: far.address, args: "" };
  return targetOf(await otherHalf(bench, "server", far, reason));
}

async function clientRoute(bench: Bench, options: RouteOptions): Promise<Route> {
  const { changes = {}, far = bench.far, alone = false, connect = plain(bench) } = options;
  const target = await clientTarget(bench, far);
  const shared = Object.keys(changes).length === 0 && !alone;
  const checked = shared ? await bench.sharedClient() : await bench.running(changes);
  const dial = () => connectThrough(connect, checked, target);
  return { checked, target, dial, open: () => pair(dial, far) };
}

async function serverRoute(bench: Bench, options: RouteOptions): Promise<Route> {
  const { changes = {}, far = bench.far, connect = plain(bench) } = options;
  const reason = await transparency(bench.subject, "server");
  const checked = await bench.running(changes, { orport: far.address });
  if (reason === null) {
    const dial = () => connect(checked.method.address);
    return { checked, target: null, dial, open: () => pair(dial, far) };
  }
  const client = await otherHalf(bench, "client", far, reason);
  const target = targetOf(checked);
  const dial = () => connectThrough(connect, client, target);
  return { checked, target, dial, open: () => pair(dial, far) };
}

async function otherHalf(
  bench: Bench,
  role: "client" | "server",
  far: Arrivals,
  reason: string,
): Promise<Running> {
  if (bench.subject.commands[role] === undefined) {
    throw new Skipped(`needs the ${role} half (--peer), because ${reason}`);
  }
  return await bench.running({}, { role, orport: far.address });
}

/** A way through the half that is checked. */
export function route(bench: Bench, options: RouteOptions = {}): Promise<Route> {
  return bench.role === "client" ? clientRoute(bench, options) : serverRoute(bench, options);
}

/** One connection through the half that is checked. */
export async function tunnel(bench: Bench, options: RouteOptions = {}): Promise<Tunnel> {
  return await (await route(bench, options)).open();
}

/**
 * The way through a transport: from a user of ours to a bridge or ORPort of ours.
 *
 * A transport that changes nothing is taken alone, between two ends of ours. Any other needs its
 * other half between them.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { formatSocksArgs } from "../args.ts";
import type { Fixture, Running } from "./fixture.ts";
import { precondition, Skipped } from "./verdict.ts";
import type { Variables } from "./program_environment.ts";
import { arrival, type Listener } from "./listener.ts";
import { refusal, socksConnect, type Target } from "./socks_connect.ts";
import { joinArguments } from "./socks_message.ts";
import { transparency } from "./carries_unchanged.ts";
import type { Probe } from "./probe.ts";

/** One connection, both of its ends ours. */
export interface TunnelledPair {
  /** The user's end, in front of the client half. */
  readonly user: Probe;
  /** The other end, behind the server half. */
  readonly backend: Probe;
}

/** A way through a transport. */
export interface TestTunnel {
  /** The half that is checked. */
  readonly checked: Running;
  /** Where a client dials; null when the user reaches the server half directly. */
  readonly target: Target | null;
  /** Opens the user's end alone. */
  dial(): Promise<Probe>;
  /**
   * Opens a connection on which the user says something at once, which is still to be read at the
   * other end. The check is skipped when it cannot be opened.
   */
  openSaying(early: Uint8Array): Promise<TunnelledPair>;
  /** Opens a connection through which a byte has come; the check is skipped when none does. */
  open(): Promise<TunnelledPair>;
}

/** Opens a plain connection. */
type Connect = (address: Address) => Promise<Probe>;

/** The user's end through a client. */
async function connectThrough(connect: Connect, client: Running, target: Target): Promise<Probe> {
  const probe = await connect(client.method.address);
  const reply = await precondition(socksConnect(probe, target, client.method));
  if (reply !== 0) throw new Skipped(refusal(reply, target));
  return probe;
}

async function pair(
  dial: () => Promise<Probe>,
  backend: Listener,
  early: Uint8Array,
): Promise<TunnelledPair> {
  const user = await dial();
  await user.send(early);
  const end = await arrival(user, backend);
  if (end === null) {
    throw new Skipped("needs a connection through the transport, but none arrives behind it");
  }
  return { user, backend: end };
}

/** What a user says that nobody looks for: a transport may dial with its first byte. */
export const EARLY: Uint8Array<ArrayBuffer> = Uint8Array.of(0);

function tunnelOf(
  checked: Running,
  target: Target | null,
  dial: () => Promise<Probe>,
  backend: Listener,
): TestTunnel {
  const openSaying = (early: Uint8Array) => pair(dial, backend, early);
  const open = async () => {
    const opened = await openSaying(EARLY);
    await precondition(opened.backend.receive(EARLY.length, "the user's first byte"));
    return opened;
  };
  return { checked, target, dial, openSaying, open };
}

/** Where a server half is reached, by a client half. */
function targetOf(fixture: Fixture, { method }: Running): Target {
  const published = method.kind === "smethod" ? formatSocksArgs(method.args) : "";
  const args = joinArguments(published, fixture.subject.args);
  return { address: fixture.reach(method.address), args };
}

/** What may be different about a way. */
export interface TestTunnelOptions {
  /** Variables of the checked half to change; it is one of its own then. */
  readonly changes?: Variables;
  /** Where the connections arrive. */
  readonly backend?: Listener;
  /** The half that is checked, where it runs already and has the ORPort of the fixture. */
  readonly checked?: Running;
  /** Has a program of its own, because the check may hurt it. */
  readonly alone?: boolean;
  /** How the user connects. */
  readonly connect?: Connect;
}

function plain(fixture: Fixture): Connect {
  return (address) => fixture.dial(address);
}

/** Where a client is asked to connect: to our backend, or to a server half in front of it. */
export async function clientTarget(fixture: Fixture, backend: Listener): Promise<Target> {
  const reason = await transparency(fixture.subject, "client");
  fixture.target = reason === null
    ? { address: backend.address, args: fixture.subject.args }
    : targetOf(fixture, await otherHalf(fixture, "server", backend, reason));
  return fixture.target;
}

async function clientTunnel(fixture: Fixture, options: TestTunnelOptions): Promise<TestTunnel> {
  const { changes = {}, backend = fixture.backend, alone = false, connect = plain(fixture) } =
    options;
  const target = await clientTarget(fixture, backend);
  const shared = Object.keys(changes).length === 0 && !alone;
  const checked = options.checked ??
    (shared ? await fixture.sharedClient() : await fixture.running(changes));
  return tunnelOf(checked, target, () => connectThrough(connect, checked, target), backend);
}

async function serverTunnel(fixture: Fixture, options: TestTunnelOptions): Promise<TestTunnel> {
  const { changes = {}, backend = fixture.backend, connect = plain(fixture) } = options;
  const reason = await transparency(fixture.subject, "server");
  const checked = options.checked ??
    await fixture.running(changes, { orport: backend.address });
  if (reason === null) {
    return tunnelOf(checked, null, () => connect(checked.method.address), backend);
  }
  const client = await otherHalf(fixture, "client", backend, reason);
  const target = targetOf(fixture, checked);
  return tunnelOf(checked, target, () => connectThrough(connect, client, target), backend);
}

async function otherHalf(
  fixture: Fixture,
  role: "client" | "server",
  backend: Listener,
  reason: Skipped,
): Promise<Running> {
  const command = fixture.subject.commands[role];
  if (command === undefined) {
    const why = `needs the ${role} half: give it with --peer, because ${reason.reason}`;
    throw new Skipped(why, reason.words);
  }
  fixture.otherHalf = command;
  return await fixture.running({}, { role, orport: backend.address });
}

/** A way through the half that is checked. */
export function testTunnel(fixture: Fixture, options: TestTunnelOptions = {}): Promise<TestTunnel> {
  return fixture.role === "client"
    ? clientTunnel(fixture, options)
    : serverTunnel(fixture, options);
}

/** One connection through the half that is checked. */
export async function openPair(
  fixture: Fixture,
  options: TestTunnelOptions = {},
): Promise<TunnelledPair> {
  return await (await testTunnel(fixture, options)).open();
}

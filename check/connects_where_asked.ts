/**
 * Finding out whether a client connects where its user asks, or where its arguments say, as
 * WebTunnel does. What the checks know is only where they asked.
 *
 * @module
 */

import { type Fixture, type Subject, withFixture } from "./fixture.ts";
import { clientTarget } from "./test_tunnel.ts";
import { socksConnect } from "./socks_connect.ts";
import { transparency } from "./carries_unchanged.ts";
import { Failed, Skipped } from "./verdict.ts";

const found = new WeakMap<Subject, Promise<boolean>>();

/** Whether a connection is granted without one to the place that was asked for. */
async function grantsElsewhere(fixture: Fixture): Promise<boolean> {
  const asked = fixture.listen();
  const { args } = await clientTarget(fixture, fixture.backend);
  const { method } = await fixture.running();
  const user = await fixture.dial(method.address);
  const reply = socksConnect(user, { address: asked.address, args }, method).catch(() => null);
  const first = asked.accept();
  if (await Promise.race([reply, first.then(() => null)]) !== 0) return false;
  // Whatever was on its way to that place arrives before a connection of our own.
  const own = (await fixture.dial(asked.address)).conn as Deno.TcpConn;
  const arrived = (await first)?.conn as Deno.TcpConn | undefined;
  return arrived?.remoteAddr.port === own.localAddr.port;
}

async function look(subject: Subject): Promise<boolean> {
  if (await transparency(subject, "client") === null) return false;
  try {
    return await withFixture(subject, "client", grantsElsewhere);
  } catch (error) {
    if (error instanceof Failed || error instanceof Skipped) return false;
    throw error;
  }
}

/** Has a check skipped whose client connects elsewhere than it is asked to. */
export async function needsDestination(subject: Subject): Promise<void> {
  const known = found.get(subject) ?? look(subject);
  found.set(subject, known);
  if (!await known) return;
  throw new Skipped("needs a transport that connects where it is asked to: it does elsewhere");
}

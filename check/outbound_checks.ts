/**
 * Checks of the source address of connections (pt-spec section 3.2.1). It counts only where the
 * destination is not loopback, so they are made in a network of their own.
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import type { Check } from "./definition.ts";
import type { Fixture } from "./fixture.ts";
import { needsConnection } from "./granted_plainly.ts";
import { needsDestination } from "./connects_where_asked.ts";
import { DESTINATION, SOURCE } from "./own_network.ts";
import type { TestListener } from "./listener.ts";
import type { Variables } from "./program_environment.ts";
import { askAndSpeak } from "./socks_connect.ts";
import { clientTarget, testTunnel } from "./test_tunnel.ts";
import { expect, type Role, Skipped } from "./verdict.ts";

const BOTH: readonly Role[] = ["client", "server"];
const V4: Variables = { TOR_PT_OUTBOUND_BIND_ADDRESS_V4: SOURCE.v4 };
const V6: Variables = { TOR_PT_OUTBOUND_BIND_ADDRESS_V6: `[${SOURCE.v6}]` };

type Family = keyof typeof SOURCE;

function listenFar(fixture: Fixture, family: Family): TestListener {
  try {
    return fixture.listen(DESTINATION[family]);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrNotAvailable)) throw error;
    throw new Skipped(`needs IP${family} in a network of its own`);
  }
}

/** Has a half connect to a place. */
type Connect = (to: TestListener, changes: Variables) => Promise<void>;

/** The user asks for a connection to that place, with the arguments of a server half. */
async function clientConnects(fixture: Fixture): Promise<Connect> {
  await needsConnection(fixture.subject);
  await needsDestination(fixture.subject);
  const { args } = await clientTarget(fixture, fixture.backend);
  return async (to, changes) => {
    const { method } = await fixture.running(changes);
    const user = await fixture.dial(method.address);
    // How that ends is of no interest, once there was a connection.
    void askAndSpeak(user, { address: to.address, args }, method).catch(() => {});
  };
}

/** That place is the ORPort. */
function serverConnects(fixture: Fixture): Connect {
  return async (to, changes) => {
    const tunnel = await testTunnel(fixture, { changes, backend: to });
    // It may be open only once there has been a connection.
    const dialled = tunnel.dial().then((user) => user.send(Uint8Array.of(0)));
    void dialled.catch(() => {});
  };
}

/** Where a connection to another machine comes from; null where there is none. */
async function sourceOf(
  fixture: Fixture,
  family: Family,
  connect: Connect,
  changes: Variables,
): Promise<string | null> {
  const far = listenFar(fixture, family);
  await connect(far, changes);
  const arrived = await far.accept();
  return arrived === null ? null : (arrived.conn as Deno.TcpConn).remoteAddr.hostname;
}

/** Expects a connection from the source address, where there is one from anywhere without it. */
async function usesSource(fixture: Fixture, family: Family, changes: Variables): Promise<void> {
  fixture.needsPlain("started");
  const connect = fixture.role === "client"
    ? await clientConnects(fixture)
    : serverConnects(fixture);
  if (await sourceOf(fixture, family, connect, {}) === null) {
    const place = formatAddress([DESTINATION[family], 0]).replace(/:0$/, "");
    throw new Skipped(`needs a connection to ${place}, without a source address: none arrives`);
  }
  const source = await sourceOf(fixture, family, connect, changes);
  const got = source === null ? "none arrives" : `one from ${source}`;
  expect(source === SOURCE[family], `a connection from ${SOURCE[family]}`, got);
}

/** The checks of source addresses that are not on loopback. */
export const outboundChecks: readonly Check[] = [
  {
    id: "outbound-used",
    roles: BOTH,
    title: "connects from the source address that is given",
    section: "pt-spec 3.2.1",
    level: "SHOULD",
    ownNetwork: true,
    hand: "have it connect, in the same network, and see where that comes from",
    run: (fixture) => usesSource(fixture, "v4", V4),
  },
  {
    id: "outbound-used-ipv6",
    roles: BOTH,
    title: "connects from the IPv6 source address that is given to IPv6 destinations",
    section: "pt-spec 3.2.1",
    level: "SHOULD",
    ownNetwork: true,
    hand: "have it connect, in the same network, and see where that comes from",
    // With both, as tor sets them: they are not to be mixed up.
    run: (fixture) => usesSource(fixture, "v6", { ...V4, ...V6 }),
  },
];

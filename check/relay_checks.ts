/**
 * Checks of the traffic through a transport (pt-spec section 3, step 6).
 *
 * A transport that changes nothing is checked alone. Any other is checked together with its other
 * half, and then a failure can be the fault of either.
 *
 * @module
 */

import type { Fixture } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { bytesArriveAgainst, type Direction, endArrives } from "./blame.ts";
import { carries, noise } from "./carried_bytes.ts";
import { connectResettable, listenResettable, reset } from "./resettable.ts";
import { arrival, refusingAddress, TestListener } from "./listener.ts";
import { openPair, testTunnel, type TunnelledPair } from "./test_tunnel.ts";
import { resultWithin } from "../parent/result_within.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Probe, sameBytes } from "./probe.ts";

const BOTH: readonly Role[] = ["client", "server"];
const SECTION = "pt-spec 3 (6)";
const MIB = 1 << 20;
const LARGE = 8 * MIB;
/** A piece that arrives before the next is sent; even one is enough of a slow transport. */
const PIECE = MIB / 2;
const MOST_CONNECTIONS = 50;
/** What the system's own buffers on the way take is well below. */
const MORE_THAN_BUFFERS = 64 * MIB;
/** A writer that gets no byte rid of for so long is stalled, in milliseconds. */
const STALLED = 1_000;
const NOTHING: Uint8Array = new Uint8Array();

function ends({ user, backend }: TunnelledPair, direction: Direction): [from: Probe, to: Probe] {
  return direction === "up" ? [user, backend] : [backend, user];
}

function names(direction: Direction): [from: string, to: string] {
  return direction === "up" ? ["the user", "the backend"] : ["the backend", "the user"];
}

/** Makes sure that both directions work before something else is tried. */
async function warmUp({ user, backend }: TunnelledPair): Promise<void> {
  await precondition(carries(user, backend, noise(8)));
  await precondition(carries(backend, user, noise(8)));
}

async function warm(fixture: Fixture): Promise<TunnelledPair> {
  const opened = await openPair(fixture, { alone: true });
  await warmUp(opened);
  return opened;
}

/** Carries a lot one way, or as much as gets through in a time. */
async function carriesMuch(from: Probe, to: Probe, milliseconds: number): Promise<void> {
  const end = Date.now() + milliseconds;
  for (let sent = 0; sent < LARGE && Date.now() < end; sent += PIECE) {
    await carries(from, to, noise(PIECE));
  }
}

/** Writes until the writer stalls or has written more than any buffer on the way. */
async function fill(from: Probe): Promise<{ written: number; pending: Promise<true> | null }> {
  const chunk = new Uint8Array(MIB / 4);
  for (let written = chunk.length;; written += chunk.length) {
    const sending = from.send(chunk).then(() => true as const);
    if (await resultWithin(sending, STALLED) === null) return { written, pending: sending };
    if (written >= MORE_THAN_BUFFERS) return { written, pending: null };
  }
}

function directed(direction: Direction): Check[] {
  const [from, to] = names(direction);
  return [
    {
      id: `relay-eof-${direction}`,
      roles: BOTH,
      title: `tells ${to} when ${from} has sent everything`,
      section: SECTION,
      level: "robustness",
      crosses: "end",
      hand: `half-close the connection at ${from}`,
      async run(fixture) {
        const [sender, receiver] = ends(await warm(fixture), direction);
        fixture.wire?.mark();
        await sender.closeWrite();
        const expected = `the end of the stream at ${to}`;
        await endArrives(fixture, direction, () => receiver.ended(expected));
      },
    },
    {
      id: `relay-half-open-${direction}`,
      roles: BOTH,
      title: `carries the other direction on when ${from} has sent everything`,
      section: SECTION,
      level: "robustness",
      crosses: "end",
      hand: `half-close the connection at ${from}, then send from ${to}`,
      async run(fixture) {
        const [sender, receiver] = ends(await warm(fixture), direction);
        fixture.wire?.mark();
        await sender.closeWrite();
        // A transport that tells of the end has closed everything by then, if it does so.
        await receiver.next();
        const bytes = noise(16);
        await bytesArriveAgainst(
          fixture,
          direction,
          bytes.length,
          () => carries(receiver, sender, bytes),
        );
      },
    },
    {
      id: `relay-reset-${direction}`,
      roles: BOTH,
      title: `ends the connection of ${to} when ${from} resets its own`,
      section: SECTION,
      level: "robustness",
      crosses: "end",
      hand: `reset the connection at ${from} (SO_LINGER 0)`,
      async run(fixture) {
        const { timeout } = fixture.subject;
        const opened = direction === "up"
          ? await openPair(fixture, {
            alone: true,
            connect: async (address) => fixture.own(await connectResettable(address, timeout)),
          })
          : await openPair(fixture, {
            backend: fixture.own(await listenResettable(timeout)),
            alone: true,
          });
        await warmUp(opened);
        const [sender, receiver] = ends(opened, direction);
        fixture.wire?.mark();
        reset(sender);
        const expected = `the end of the connection at ${to}`;
        await endArrives(fixture, direction, () => receiver.ended(expected));
      },
    },
    {
      id: `relay-stall-${direction}`,
      roles: BOTH,
      title: `stops ${from} while ${to} does not read, and loses nothing`,
      section: SECTION,
      level: "robustness",
      crosses: "end",
      hand: `do not read at ${to} and send ${MORE_THAN_BUFFERS / MIB} MiB from ${from}`,
      async run(fixture) {
        const [sender, receiver] = ends(await warm(fixture), direction);
        const { written, pending } = await fill(sender);
        expect(
          pending !== null,
          `a writer that stalls within ${MORE_THAN_BUFFERS / MIB} MiB`,
          "it could write all of that",
        );
        // What a slow transport still has when time is up is on its way.
        const end = Date.now() + fixture.subject.timeout;
        for (let left = written; left > 0 && Date.now() < end;) {
          const arrival = await receiver.peek();
          expect(arrival === "bytes", `${written} bytes at ${to}`, `${written - left}`);
          left -= receiver.take().length;
        }
      },
    },
  ];
}

/** The checks of traffic. */
export const relayChecks: readonly Check[] = [
  {
    id: "relay-bytes",
    roles: BOTH,
    title: "carries bytes both ways",
    section: SECTION,
    level: "MUST",
    crosses: "bytes",
    async run(fixture) {
      const tunnel = await testTunnel(fixture);
      const user = await tunnel.dial();
      const hello = noise(32);
      await user.send(hello);
      const backend = await arrival(user, fixture.backend);
      if (backend === null) throw new Failed("a connection at the other end", "none comes");
      const got = await backend.receive(hello.length, `${hex(hello)} at the other end`);
      expect(sameBytes(got, hello), hex(hello), hex(got));
      await carries(backend, user, noise(32));
    },
  },
  {
    id: "relay-far-first",
    roles: BOTH,
    title: "carries what the backend says before the user has said anything",
    section: SECTION,
    level: "robustness",
    crosses: "bytes",
    async run(fixture) {
      const { user, backend } = await (await testTunnel(fixture)).openSaying(NOTHING);
      await carries(backend, user, noise(32));
    },
  },
  {
    id: "relay-large",
    roles: BOTH,
    title: `carries up to ${LARGE / MIB} MiB both ways at once, whole`,
    section: SECTION,
    level: "MUST",
    crosses: "bytes",
    async run(fixture) {
      const { user, backend } = await warm(fixture);
      const { timeout } = fixture.subject;
      await Promise.all([
        carriesMuch(user, backend, timeout),
        carriesMuch(backend, user, timeout),
      ]);
    },
  },
  {
    id: "relay-concurrent",
    roles: BOTH,
    title: `carries ${MOST_CONNECTIONS} connections side by side`,
    section: SECTION,
    level: "robustness",
    crosses: "bytes",
    async run(fixture) {
      const tunnel = await testTunnel(fixture, { alone: true });
      const first = await tunnel.open();
      await warmUp(first);
      const tunnels = [first];
      while (tunnels.length < MOST_CONNECTIONS) {
        tunnels.push(await open(tunnel.open, tunnels.length));
      }
      await Promise.all(tunnels.map(async ({ user, backend }) => {
        await carries(user, backend, noise(1024));
        await carries(backend, user, noise(1024));
      }));
    },
  },
  {
    id: "relay-stall-beside",
    roles: BOTH,
    title: "carries a connection on beside one that is stalled",
    section: SECTION,
    level: "robustness",
    crosses: "end",
    async run(fixture) {
      const tunnel = await testTunnel(fixture, { alone: true });
      const [stalled, other] = [await tunnel.open(), await tunnel.open()];
      await warmUp(stalled);
      await warmUp(other);
      await fill(stalled.user);
      await carries(other.user, other.backend, noise(16));
      await carries(other.backend, other.user, noise(16));
    },
  },
  ...directed("up"),
  ...directed("down"),
  {
    id: "relay-orport-dead",
    roles: ["server"],
    title: "ends a connection when the ORPort refuses, and goes on",
    section: SECTION,
    level: "robustness",
    crosses: "end",
    hand: "connect to it while nobody listens at the ORPort, then again when somebody does",
    async run(fixture) {
      const address = await refusingAddress();
      if (address === null) throw new Skipped("needs a port where nobody listens");
      // The way needs an ORPort that opens later: nothing of it is used before.
      const later = { address, accept: () => Promise.resolve(null) };
      const tunnel = await testTunnel(fixture, { backend: later, alone: true });
      const lost = await tunnel.dial();
      await lost.send(noise(8));
      await endArrives(fixture, "down", () => lost.ended("the end of the user's connection"));
      let backend: TestListener;
      try {
        backend = fixture.own(new TestListener(fixture.subject.timeout, ...address));
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
        throw new Skipped("needs the port of the ORPort, which somebody else has taken");
      }
      const next = await tunnel.dial();
      // It may dial with the first byte of its user.
      await next.send(noise(8));
      const end = await arrival(next, backend);
      expect(end !== null, "a connection at the ORPort that is there again", "none comes");
    },
  },
];

/** Opens one more connection, and fails when that does not work. */
async function open(openNext: () => Promise<TunnelledPair>, count: number): Promise<TunnelledPair> {
  try {
    return await openNext();
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    throw new Failed(`connection ${count + 1} of ${MOST_CONNECTIONS}`, error.reason);
  }
}

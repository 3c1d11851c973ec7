/**
 * Checks of what the SOCKS5 listener of a client replies to a request (RFC 1928 sections 4 to 6).
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { Fixture } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { needsDestination } from "./connects_where_asked.ts";
import { needsConnection } from "./granted_plainly.ts";
import { refuses, refusingAddress, type TestListener } from "./listener.ts";
import { clientTarget } from "./test_tunnel.ts";
import { refusal, socksConnect, socksReply } from "./socks_connect.ts";
import { isReply, receiveReply } from "./socks_reply.ts";
import { request } from "./socks_message.ts";
import { transparency } from "./carries_unchanged.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Probe } from "./probe.ts";
import { ANYWHERE, atRequest, dial } from "./socks_steps.ts";

const CLIENT: readonly Role[] = ["client"];
const BIND = 2;
const UDP_ASSOCIATE = 3;
/** RFC 1928 section 6 gives 10 s from the failure to the end of its connection. */
const CLOSES = 12_000;
const utf8 = new TextEncoder();

/** The reply to a request, when one comes. */
async function replyTo(fixture: Fixture, bytes: Uint8Array): Promise<number | null> {
  const probe = await atRequest(fixture);
  await probe.send(bytes);
  if (await probe.peek() !== "bytes") return null;
  const reply = await probe.receive(2, "a SOCKS reply, or the end of the connection");
  return reply[1] ?? null;
}

async function repliesWith(fixture: Fixture, code: number, bytes: Uint8Array): Promise<void> {
  const got = await replyTo(fixture, bytes);
  if (got === null) throw new Skipped("needs a reply, but none comes");
  if (got === 0) throw new Skipped("needs a rejection, but the request was granted");
  expect(got === code, `reply ${code}`, `reply ${got}`);
}

async function doesNotGrant(fixture: Fixture, bytes: Uint8Array): Promise<void> {
  const got = await replyTo(fixture, bytes);
  expect(got !== 0, "a reply other than 0", "reply 0");
}

/** A request for an address type that does not exist. */
const BAD_ADDRESS_TYPE = Uint8Array.of(5, 1, 0, 5);

async function deadAddress(): Promise<Address> {
  const address = await refusingAddress();
  if (address === null) throw new Skipped("needs a port where nobody listens");
  return address;
}

/** A connection that has been rejected: for a target that refuses, or else for a command. */
async function rejected(fixture: Fixture): Promise<{ probe: Probe; reply: Uint8Array }> {
  for (const bytes of [request(await deadAddress()), request(ANYWHERE, BIND)]) {
    const probe = await atRequest(fixture);
    await probe.send(bytes);
    if (await probe.peek() !== "bytes") continue;
    const reply = await receiveReply(probe);
    if (reply[1] !== 0) return { probe, reply };
  }
  throw new Skipped("needs a rejection: whatever is asked for is granted, or gets no reply");
}

/** The reply to a request for a target that refuses. */
async function replyForDead(fixture: Fixture): Promise<number | null> {
  await needsConnection(fixture.subject);
  await needsDestination(fixture.subject);
  const { args } = await clientTarget(fixture, fixture.backend);
  const address = await deadAddress();
  const reply = await socksConnect(await dial(fixture), { address, args }).catch((error) => {
    if (error instanceof Failed) return null;
    throw error;
  });
  if (!await refuses(address)) throw new Skipped("needs a port where nobody listens");
  return reply;
}

/** Expects a request to reach a listener of ours, directly. */
async function reaches(
  fixture: Fixture,
  backend: TestListener,
  target: Readonly<Address>,
): Promise<void> {
  const reason = await transparency(fixture.subject, "client");
  if (reason !== null) {
    const why = `needs a client that works without its server half, but ${reason.reason}`;
    throw new Skipped(why, reason.words);
  }
  const user = await dial(fixture);
  const { args } = fixture.subject;
  const reply = await socksConnect(user, { address: [...target], args });
  expect(reply === 0, "reply 0", `reply ${reply}`);
  await user.send(utf8.encode("some may dial with the first byte"));
  expect(await backend.accept() !== null, "a connection to the target", "none comes");
}

/** The checks of the request and its reply. */
export const socksRequestChecks: readonly Check[] = [
  {
    id: "socks-command",
    roles: CLIENT,
    title: "does not grant BIND",
    section: "RFC 1928 6",
    level: "robustness",
    run: (fixture) => doesNotGrant(fixture, request(ANYWHERE, BIND)),
  },
  {
    id: "socks-command-code",
    roles: CLIENT,
    title: "answers UDP ASSOCIATE with reply 7",
    section: "RFC 1928 6",
    level: "robustness",
    run: (fixture) => repliesWith(fixture, 7, request(ANYWHERE, UDP_ASSOCIATE)),
  },
  {
    id: "socks-address-type",
    roles: CLIENT,
    title: "does not grant an address type that does not exist",
    section: "RFC 1928 6",
    level: "robustness",
    run: (fixture) => doesNotGrant(fixture, BAD_ADDRESS_TYPE),
  },
  {
    id: "socks-address-type-code",
    roles: CLIENT,
    title: "answers an address type that does not exist with reply 8",
    section: "RFC 1928 6",
    level: "robustness",
    run: (fixture) => repliesWith(fixture, 8, BAD_ADDRESS_TYPE),
  },
  {
    id: "socks-reply-whole",
    roles: CLIENT,
    title: "sends a rejection whole: 05 REP 00 ATYP and an address",
    section: "RFC 1928 6",
    level: "MUST",
    async run(fixture) {
      const { reply } = await rejected(fixture);
      expect(isReply(reply), "05 REP 00 ATYP ...", hex(reply));
    },
  },
  {
    id: "socks-reply-closes",
    roles: CLIENT,
    title: "ends the connection after a rejection",
    section: "RFC 1928 6",
    level: "MUST",
    async run(fixture) {
      const { probe } = await precondition(rejected(fixture));
      await probe.ended("the end of the connection within 10 s after the reply", CLOSES);
    },
  },
  {
    id: "socks-granted",
    roles: CLIENT,
    title: "grants a connection to a target that takes it",
    section: "RFC 1928 6",
    level: "MUST",
    crosses: "bytes",
    async run(fixture) {
      const target = await clientTarget(fixture, fixture.backend);
      const reply = await socksConnect(await dial(fixture, await fixture.running()), target);
      // Whoever refuses although nobody gave it arguments may need some, unless it got through.
      if (reply !== 0 && target.args === "" && await fixture.backend.accept() === null) {
        throw new Skipped(refusal(reply, target));
      }
      expect(reply === 0, "reply 0", `reply ${reply}`);
    },
  },
  {
    id: "socks-granted-form",
    roles: CLIENT,
    title: "grants with a reply that tor reads: 05 00 00, ATYP 1, 3 or 4, address and port",
    section: "RFC 1928 6",
    level: "MUST",
    async run(fixture) {
      const target = await clientTarget(fixture, fixture.backend);
      const reply = await socksReply(await dial(fixture), target);
      if (reply[1] !== 0) throw new Skipped(refusal(reply[1] ?? 0xff, target));
      expect(isReply(reply), "05 00 00 ATYP ...", hex(reply));
    },
  },
  {
    id: "socks-refused",
    roles: CLIENT,
    title: "does not grant a connection to a target that refuses it",
    section: "RFC 1928 6",
    level: "robustness",
    async run(fixture) {
      expect(await replyForDead(fixture) !== 0, "a reply other than 0", "reply 0");
    },
  },
  {
    id: "socks-refused-code",
    roles: CLIENT,
    title: "answers with reply 5 when the target refuses",
    section: "RFC 1928 6",
    level: "robustness",
    async run(fixture) {
      const reply = await replyForDead(fixture);
      // A grant is another check's.
      if (reply === null || reply === 0) {
        const got = reply === null ? "no whole reply comes" : "it is granted";
        throw new Skipped(`needs a rejection where the target refuses, but ${got}`);
      }
      expect(reply === 5, "reply 5", `reply ${reply}`);
    },
  },
  {
    id: "socks-ipv6",
    roles: CLIENT,
    title: "connects to an IPv6 address",
    section: "RFC 1928 5",
    level: "MUST",
    async run(fixture) {
      const backend = fixture.listenIpv6();
      await reaches(fixture, backend, backend.address);
    },
  },
  {
    id: "socks-name",
    roles: CLIENT,
    title: "connects to a host name",
    section: "RFC 1928 5",
    level: "robustness",
    run: (fixture) => reaches(fixture, fixture.backend, ["localhost", fixture.backend.address[1]]),
  },
];

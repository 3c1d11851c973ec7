/**
 * Checks of what users and accidents do to the SOCKS5 listener of a client.
 *
 * @module
 */

import { concat } from "../net/conn.ts";
import { endWords, type Fixture, type Running } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { needsDestination } from "./connects_where_asked.ts";
import { needsConnection } from "./granted_plainly.ts";
import { needsAnswer } from "./answered_plainly.ts";
import { SilentListener } from "./silent_listener.ts";
import { clientTarget } from "./test_tunnel.ts";
import { askAndSpeak, refusal } from "./socks_connect.ts";
import { resultWithin } from "../parent/result_within.ts";
import { receiveReply } from "./socks_reply.ts";
import { argumentFields, greeting, KEY, NO_AUTH, PASSWORD, request } from "./socks_message.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Probe, sameBytes } from "./probe.ts";
import { ANYWHERE, choice, dial, fields, takes } from "./socks_steps.ts";

const CLIENT: readonly Role[] = ["client"];
const HALF_OPEN = 50;
/** How long a client that left may be missed, in milliseconds. */
const ABANDONED = 500;
/** How long a client may take to dial, in milliseconds, before another user comes. */
const DIALS = 500;
const utf8 = new TextEncoder();

/** A connection to a client that has taken one before. */
async function dialAgain(fixture: Fixture, client: Running, after: string): Promise<Probe> {
  try {
    return await dial(fixture, client);
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    await needsAnswer(fixture.subject);
    throw new Failed(`a client that goes on ${after}`, error.reason);
  }
}

/** Expects that a client still takes connections. */
async function stillServes(fixture: Fixture, client: Running, after: string): Promise<void> {
  await needsAnswer(fixture.subject);
  const { status } = client.program;
  expect(status === null, `a client that goes on ${after}`, endWords(status));
  const probe = await dialAgain(fixture, client, after);
  await probe.send(greeting(NO_AUTH, PASSWORD));
  await probe.receive(2, `an answer to the next client ${after}`);
}

/** Writes a byte at a time. The pauses only make it more likely that each is read alone. */
async function trickle(probe: Probe, bytes: Uint8Array): Promise<void> {
  for (const byte of bytes) {
    await probe.send(Uint8Array.of(byte));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Goes through a handshake that writes its messages in one way or another, up to some reply. */
async function handshake(
  fixture: Fixture,
  write: (probe: Probe, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const probe = await dial(fixture);
  await write(probe, greeting(PASSWORD));
  await probe.receive(2, "a choice of method");
  await write(probe, fields(fixture, `${KEY}=value`));
  await probe.receive(2, "an answer to the arguments");
  await write(probe, request(ANYWHERE));
  await probe.receive(2, "a reply");
}

/** Makes sure that a handshake gets a reply when it is written as all do. */
async function needsReply(fixture: Fixture): Promise<void> {
  await precondition(takes(fixture, `${KEY}=value`));
  await precondition(handshake(fixture, (probe, bytes) => probe.send(bytes)));
}

/** The checks of what users and accidents do. */
export const socksRobustnessChecks: readonly Check[] = [
  {
    id: "socks-as-tor",
    roles: CLIENT,
    title: "takes the handshake that tor makes: methods 0 and 2, arguments, request",
    section: "tor connection_proxy_connect()",
    level: "MUST",
    async run(fixture) {
      const target = await clientTarget(fixture, fixture.backend);
      // Without arguments of its own it may know none.
      if (target.args === "") await precondition(takes(fixture, `${KEY}=value`));
      const probe = await dial(fixture);
      // What it prefers is another check's.
      const method = await precondition(choice(probe, NO_AUTH, PASSWORD));
      if (method !== PASSWORD) {
        throw new Skipped(`needs a client that chooses method 2 for arguments, not ${method}`);
      }
      await probe.send(argumentFields(target.args === "" ? `${KEY}=value` : target.args));
      const status = await probe.receive(2, "01 00");
      expect(hex(status) === "01 00", "01 00", hex(status));
      await probe.send(request(target.address));
      await receiveReply(probe);
    },
  },
  {
    id: "socks-chunked",
    roles: CLIENT,
    title: "takes a handshake that comes a byte at a time",
    section: "RFC 1928 3",
    level: "robustness",
    async run(fixture) {
      await needsReply(fixture);
      await handshake(fixture, trickle);
    },
  },
  {
    id: "socks-pipelined",
    roles: CLIENT,
    title: "takes a handshake that comes all at once",
    section: "RFC 1928 3",
    level: "extra",
    async run(fixture) {
      await needsReply(fixture);
      const probe = await dial(fixture);
      await probe.send(
        concat(greeting(PASSWORD), fields(fixture, `${KEY}=value`), request(ANYWHERE)),
      );
      await probe.receive(2 + 2 + 2, "a choice of method, an answer to the arguments and a reply");
    },
  },
  {
    id: "socks-early-data",
    roles: CLIENT,
    title: "keeps the bytes that come along with the request",
    section: "RFC 1928 6",
    level: "extra",
    crosses: "bytes",
    async run(fixture) {
      const target = await clientTarget(fixture, fixture.backend);
      const probe = await dial(fixture);
      const method = target.args === "" ? NO_AUTH : PASSWORD;
      if (await precondition(choice(probe, method)) !== method) {
        throw new Skipped(`needs a client that takes method ${method} of SOCKS5`);
      }
      if (method === PASSWORD) {
        await probe.send(argumentFields(target.args));
        await precondition(probe.receive(2, "an answer to the arguments"));
      }
      const early = utf8.encode("early data");
      await probe.send(concat(request(target.address), early));
      const reply = await receiveReply(probe);
      if (reply[1] !== 0) throw new Skipped(refusal(reply[1] ?? 0xff, target));
      const backend = await fixture.backend.accept();
      if (backend === null) throw new Failed("a connection at the other end", "none comes");
      const got = await backend.receive(early.length, `the early bytes ${hex(early)}`);
      expect(sameBytes(got, early), `the early bytes ${hex(early)}`, hex(got));
    },
  },
  {
    id: "socks-half-open",
    roles: CLIENT,
    title: `serves a client beside ${HALF_OPEN} that do not finish their handshake`,
    section: "RFC 1928 3",
    level: "robustness",
    hand: `open ${HALF_OPEN} connections to it and send nothing, then try another one`,
    async run(fixture) {
      const client = await fixture.running();
      for (let count = 0; count < HALF_OPEN; count++) {
        const probe = await dial(fixture, client);
        if (count % 2 === 1) await probe.send(Uint8Array.of(5, 2));
      }
      await stillServes(fixture, client, "beside half-open ones");
    },
  },
  {
    id: "socks-stalled",
    roles: CLIENT,
    title: "serves a user beside one whose target does not answer",
    section: "pt-spec 3 (6)",
    level: "robustness",
    hand: "ask the transport for a connection to an address that does not answer, then for another",
    async run(fixture) {
      await needsConnection(fixture.subject);
      await needsDestination(fixture.subject);
      const { method } = await fixture.running();
      const target = await clientTarget(fixture, fixture.backend);
      const silent = fixture.own(new SilentListener());
      await silent.fill();
      const stalled = await fixture.dial(method.address);
      const asked = askAndSpeak(stalled, { ...target, address: silent.address }, method);
      await resultWithin(asked.then(() => true), DIALS);
      // What comes of it is of no interest, once there was a connection.
      void askAndSpeak(await fixture.dial(method.address), target, method).catch(() => {});
      expect(await fixture.backend.accept() !== null, "the next user's connection", "none comes");
    },
  },
  {
    id: "socks-garbage",
    roles: CLIENT,
    title: "goes on after a connection that speaks another protocol",
    section: "RFC 1928 3",
    level: "robustness",
    hand: "send an HTTP request to it",
    async run(fixture) {
      const client = await fixture.running();
      const probe = await dial(fixture, client);
      await probe.send(utf8.encode("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
      await probe.next();
      await stillServes(fixture, client, "after another protocol");
    },
  },
  {
    id: "socks-abandoned",
    roles: CLIENT,
    title: "goes on after clients that leave in the middle of their handshake",
    section: "RFC 1928 3",
    level: "robustness",
    async run(fixture) {
      const client = await fixture.running();
      (await dial(fixture, client))[Symbol.dispose]();
      for (const start of [[], [5], [5, 1], [5, 1, NO_AUTH], [5, 1, PASSWORD]]) {
        const probe = await dialAgain(fixture, client, "after clients that left");
        await probe.send(Uint8Array.from(start));
        // An answer shows that the client has got as far.
        if (start.length === 3) await probe.next();
        await probe.closeWrite();
        await probe.next(ABANDONED);
        probe[Symbol.dispose]();
      }
      await stillServes(fixture, client, "after clients that left");
    },
  },
];

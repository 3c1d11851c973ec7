/**
 * Checks of the SOCKS5 listener of a client (RFC 1928, RFC 1929, pt-spec section 3.5).
 *
 * @module
 */

import type { Address } from "../address.ts";
import { concat } from "../net/conn.ts";
import { endWords, type Fixture, type Running } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { needsDestination } from "./connects_where_asked.ts";
import { needsConnection } from "./granted_plainly.ts";
import { needsAnswer } from "./answered_plainly.ts";
import { refuses, refusingAddress, type TestListener } from "./listener.ts";
import { SilentListener } from "./silent_listener.ts";
import { clientTarget } from "./test_tunnel.ts";
import { askAndSpeak, refusal, socksConnect, socksReply } from "./socks_connect.ts";
import { resultWithin } from "../parent/result_within.ts";
import { isReply, receiveReply } from "./socks_reply.ts";
import {
  argumentFields,
  credentials,
  greeting,
  joinArguments,
  KEY,
  NO_AUTH,
  PASSWORD,
  request,
  SECOND_KEY,
} from "./socks_message.ts";
import { transparency } from "./carries_unchanged.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Probe, sameBytes } from "./probe.ts";

const CLIENT: readonly Role[] = ["client"];
const BIND = 2;
const UDP_ASSOCIATE = 3;
/** A method that IANA has given to nobody. GSSAPI and private ones a program may know. */
const UNASSIGNED = 0x7e;
/** The choice of none. */
const NONE = 0xff;
/** RFC 1928 section 6 gives 10 s from the failure to the end of its connection. */
const CLOSES = 12_000;
const HALF_OPEN = 50;
/** How long a client that left may be missed, in milliseconds. */
const ABANDONED = 500;
/** How long a client may take to dial, in milliseconds, before another user comes. */
const DIALS = 500;
const utf8 = new TextEncoder();

/** What the first field holds. */
const FIRST_FIELD = 255;

/** Arguments in the fields, behind those without which the transport takes none. */
function fields({ subject }: Fixture, args: string): Uint8Array<ArrayBuffer> {
  return argumentFields(joinArguments(subject.args, args));
}

/** Arguments of which the first field ends with the backslash of an escape. */
function long({ subject }: Fixture): string {
  const before = joinArguments(subject.args, `${KEY}=`).length;
  return `${KEY}=${"x".repeat(FIRST_FIELD - 1 - before)}\\;${"y".repeat(40)}`;
}

/** A connection to the SOCKS5 listener. */
async function dial(fixture: Fixture, client?: Running): Promise<Probe> {
  const { method } = client ?? await fixture.sharedClient();
  if (method.kind !== "cmethod" || method.socksVersion !== 5) {
    throw new Skipped("needs a transport that speaks SOCKS5");
  }
  return await fixture.dial(method.address);
}

/** What a listener chooses among the methods it is offered. */
async function choice(probe: Probe, ...methods: readonly number[]): Promise<number> {
  await probe.send(greeting(...methods));
  const bytes = await probe.receive(2, "a choice of 2 bytes: 05 and the method");
  expect(bytes[0] === 5, "05 as the first byte of the choice", hex(bytes));
  return bytes[1] ?? NONE;
}

async function chooses(fixture: Fixture, expected: number, ...methods: readonly number[]) {
  const got = await choice(await dial(fixture), ...methods);
  expect(got === expected, `method ${expected}`, `method ${got}`);
}

/** A connection on which the arguments come next. */
async function atArguments(fixture: Fixture): Promise<Probe> {
  const probe = await dial(fixture);
  if (await precondition(choice(probe, PASSWORD)) === PASSWORD) return probe;
  throw new Skipped("needs a client that takes user name and password, for the arguments");
}

/** A connection on which the request comes next. */
async function atRequest(fixture: Fixture, client?: Running): Promise<Probe> {
  const probe = await dial(fixture, client);
  if (await precondition(choice(probe, NO_AUTH)) === NO_AUTH) return probe;
  const other = await dial(fixture, client);
  const method = await precondition(choice(other, PASSWORD));
  const { args } = fixture.subject;
  await other.send(argumentFields(args === "" ? `${KEY}=1` : args));
  const status = await precondition(other.receive(2, "an answer"));
  if (method === PASSWORD && status[1] === 0) return other;
  throw new Skipped(
    "needs a client that takes a request: it takes neither a user without arguments nor these",
  );
}

/** Expects arguments to be accepted. */
async function takes(fixture: Fixture, args: string): Promise<void> {
  const probe = await atArguments(fixture);
  await probe.send(fields(fixture, args));
  const expected = "arguments that are taken with 01 00";
  const status = await probe.receive(2, expected);
  expect(hex(status) === "01 00", expected, hex(status));
}

/** The same, for arguments that are odd: plain ones have to work first. */
async function takesAlso(fixture: Fixture, args: string): Promise<void> {
  await precondition(takes(fixture, `${KEY}=value;${SECOND_KEY}=one`));
  await takes(fixture, args);
}

/** Expects the RFC 1929 fields to be refused, by a status or by the end of the connection. */
async function refusesFields(fixture: Fixture, why: string, fields: Uint8Array): Promise<void> {
  const probe = await atArguments(fixture);
  await probe.send(fields);
  const expected = `a status other than 0, because ${why}`;
  const arrival = await probe.peek();
  if (arrival === "end" || arrival === "reset") return;
  const status = await probe.receive(2, expected);
  expect(status[1] !== 0, expected, hex(status));
}

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
const ANYWHERE: Readonly<Address> = ["127.0.0.1", 9];

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

/** The handshake up to the request. */
const negotiationChecks: readonly Check[] = [
  {
    id: "socks-no-auth",
    roles: CLIENT,
    title: "takes a client without authentication, or says that it cannot",
    section: "RFC 1928 3",
    level: "MUST",
    hand: "send 05 01 00",
    async run(fixture) {
      const got = await choice(await dial(fixture), NO_AUTH);
      expect(got === NO_AUTH || got === NONE, "05 00, or 05 ff", `05 ${got}`);
    },
  },
  {
    id: "socks-password",
    roles: CLIENT,
    title: "takes user name and password, in which the arguments travel",
    section: "pt-spec 3.5",
    // Where there are no arguments, tor does not offer it.
    level: "robustness",
    hand: "send 05 01 02",
    run: (fixture) => chooses(fixture, PASSWORD, PASSWORD),
  },
  {
    id: "socks-password-preferred",
    roles: CLIENT,
    // Else the arguments that it has for the transport are lost.
    title: "prefers user name and password to nothing, as tor offers both",
    section: "tor connection_proxy_connect()",
    level: "MUST",
    hand: "send 05 02 00 02",
    async run(fixture) {
      const alone = await precondition(choice(await dial(fixture), PASSWORD));
      if (alone === NONE) {
        throw new Skipped(
          "needs a client with arguments to lose: it takes none, 05 01 02 gets 05 ff",
        );
      }
      await chooses(fixture, PASSWORD, NO_AUTH, PASSWORD);
    },
  },
  {
    id: "socks-unacceptable",
    roles: CLIENT,
    title: "says 05 FF when no offered method will do",
    section: "RFC 1928 3",
    level: "MUST",
    hand: "send 05 01 7e",
    run: (fixture) => chooses(fixture, NONE, UNASSIGNED),
  },
  {
    id: "socks-methods-many",
    roles: CLIENT,
    title: "finds its method among 255",
    section: "RFC 1928 3",
    level: "MUST",
    async run(fixture) {
      await atArguments(fixture);
      const methods = [...Array.from({ length: 254 }, () => UNASSIGNED), PASSWORD];
      await chooses(fixture, PASSWORD, ...methods);
    },
  },
  {
    id: "socks-version-4",
    roles: CLIENT,
    title: "ends a SOCKS4 connection to a SOCKS5 listener",
    section: "RFC 1928 3",
    level: "robustness",
    hand: "send 04 01 00 09 7f 00 00 01 00",
    async run(fixture) {
      const probe = await dial(fixture);
      await probe.send(Uint8Array.of(4, 1, 0, 9, 127, 0, 0, 1, 0));
      const got = await probe.ended("the end of the connection");
      expect(got[0] !== 5 && got[1] !== 90, "no answer, or a refusal", hex(got));
    },
  },
  {
    id: "socks-auth-version",
    roles: CLIENT,
    title: "refuses another version of user name and password",
    section: "RFC 1929 2",
    level: "robustness",
    hand: "send 05 01 02, then 05 ...",
    async run(fixture) {
      const fields = argumentFields(`${KEY}=value`);
      fields[0] = 5;
      await refusesFields(fixture, "the version is 5", fields);
    },
  },
];

/** The arguments in the RFC 1929 fields. */
const argumentChecks: readonly Check[] = [
  {
    id: "socks-args",
    roles: CLIENT,
    title: "takes arguments",
    section: "pt-spec 3.5",
    level: "SHOULD",
    async run(fixture) {
      // A transport may refuse arguments that it does not know.
      await precondition(takes(fixture, `${KEY}=value`));
      await takes(fixture, `${KEY}=value;${SECOND_KEY}=one`);
    },
  },
  {
    id: "socks-args-equals",
    roles: CLIENT,
    title: "takes an = in a value, which tor does not escape",
    section: "tor pt_stringify_socks_args()",
    level: "MUST",
    run: (fixture) => takesAlso(fixture, `${KEY}=a=b`),
  },
  {
    id: "socks-args-semicolon",
    roles: CLIENT,
    title: "does not split arguments at a ; that is escaped",
    section: "pt-spec 3.5",
    level: "MUST",
    run: (fixture) => takesAlso(fixture, `${KEY}=a\\;b;${SECOND_KEY}=c`),
  },
  {
    id: "socks-args-escaped",
    roles: CLIENT,
    title: "understands the escapes in arguments",
    section: "pt-spec 3.5",
    level: "MUST",
    run: (fixture) => takesAlso(fixture, `${KEY}=a\\;b\\=c\\\\`),
  },
  {
    id: "socks-args-split",
    roles: CLIENT,
    title: "joins the two fields before it looks for escapes",
    section: "pt-spec 3.5",
    level: "MUST",
    run: (fixture) => takesAlso(fixture, long(fixture)),
  },
  {
    id: "socks-args-empty-value",
    roles: CLIENT,
    title: "takes an empty value",
    section: "pt-spec 3.5",
    level: "robustness",
    run: (fixture) => takesAlso(fixture, `${KEY}=`),
  },
  {
    id: "socks-args-no-equals",
    roles: CLIENT,
    title: "refuses an argument without =",
    section: "pt-spec 3.5",
    level: "robustness",
    run: (fixture) => refusesFields(fixture, "there is no =", argumentFields(`${KEY}=value;word`)),
  },
  {
    id: "socks-args-backslash",
    roles: CLIENT,
    title: "refuses a backslash that escapes nothing",
    section: "pt-spec 3.5",
    level: "robustness",
    run: (fixture) =>
      refusesFields(fixture, "a backslash is last", argumentFields(`${KEY}=value\\`)),
  },
  {
    id: "socks-args-empty-key",
    roles: CLIENT,
    title: "refuses an empty key",
    section: "pt-spec 3.5",
    level: "robustness",
    run: (fixture) => refusesFields(fixture, "the key is empty", argumentFields("=value")),
  },
  {
    id: "socks-user-empty",
    roles: CLIENT,
    title: "refuses an empty user name",
    section: "RFC 1929 2",
    level: "robustness",
    run: (fixture) =>
      refusesFields(
        fixture,
        "ULEN is 1 to 255",
        credentials(new Uint8Array(), utf8.encode(`${KEY}=value`)),
      ),
  },
  {
    id: "socks-password-empty",
    roles: CLIENT,
    title: "refuses an empty password",
    section: "RFC 1929 2",
    level: "robustness",
    run: (fixture) =>
      refusesFields(
        fixture,
        "PLEN is 1 to 255",
        credentials(utf8.encode(`${KEY}=value`), new Uint8Array()),
      ),
  },
];

/** The request and its reply. */
const requestChecks: readonly Check[] = [
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

/** What clients and accidents do. */
const robustnessChecks: readonly Check[] = [
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

/** The checks of the SOCKS5 listener. */
export const socksChecks: readonly Check[] = [
  ...negotiationChecks,
  ...argumentChecks,
  ...requestChecks,
  ...robustnessChecks,
];

/**
 * Checks of the SOCKS5 listener of a client (RFC 1928, RFC 1929, pt-spec section 3.5).
 *
 * @module
 */

import type { Address } from "../../address.ts";
import { concat } from "../../net/conn.ts";
import { type Bench, endWords, type Running } from "./bench.ts";
import type { Check } from "./check.ts";
import { needsDestination } from "./destination.ts";
import { type Far, refuses, refusingAddress } from "./far.ts";
import { clientTarget } from "./route.ts";
import { socksConnect } from "./socks_connect.ts";
import {
  argumentFields,
  credentials,
  greeting,
  NO_AUTH,
  PASSWORD,
  request,
} from "./socks_message.ts";
import { transparency } from "./transparent.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Wire } from "./wire.ts";

const CLIENT: readonly Role[] = ["client"];
const BIND = 2;
const UDP_ASSOCIATE = 3;
const HALF_OPEN = 50;
/** How long a client that left may be missed, in milliseconds. */
const ABANDONED = 500;
const utf8 = new TextEncoder();

const PLAIN = argumentFields("key=value;other=one");
/** The backslash is the last byte of the first field. */
const LONG = `key=${"x".repeat(250)}\\;${"y".repeat(40)}`;

/** A connection to the SOCKS5 listener. */
async function dial(bench: Bench, client?: Running): Promise<Wire> {
  const { method } = client ?? await bench.sharedClient();
  if (method.kind !== "cmethod" || method.socksVersion !== 5) {
    throw new Skipped("needs a transport that speaks SOCKS5");
  }
  return await bench.dial(method.address);
}

/** What a listener chooses among the methods it is offered. */
async function choice(wire: Wire, ...methods: readonly number[]): Promise<number> {
  await wire.send(greeting(...methods));
  const bytes = await wire.receive(2, "a choice of 2 bytes: 05 and the method");
  expect(bytes[0] === 5, "05 as the first byte of the choice", hex(bytes));
  return bytes[1] ?? 0xff;
}

async function chooses(bench: Bench, expected: number, ...methods: readonly number[]) {
  const got = await choice(await dial(bench), ...methods);
  expect(got === expected, `method ${expected}`, `method ${got}`);
}

/** A connection on which the arguments come next. */
async function atArguments(bench: Bench): Promise<Wire> {
  const wire = await dial(bench);
  if (await precondition(choice(wire, PASSWORD)) === PASSWORD) return wire;
  throw new Skipped("needs a listener that takes user name and password");
}

/** A connection on which the request comes next. */
async function atRequest(bench: Bench, client?: Running): Promise<Wire> {
  const wire = await dial(bench, client);
  if (await precondition(choice(wire, NO_AUTH)) === NO_AUTH) return wire;
  const other = await dial(bench, client);
  const method = await precondition(choice(other, PASSWORD));
  await other.send(argumentFields("ptlib-check=1"));
  const status = await precondition(other.receive(2, "an answer"));
  if (method === PASSWORD && status[1] === 0) return other;
  throw new Skipped("needs a handshake that gets as far as the request");
}

/** Expects the RFC 1929 fields to be accepted. */
async function takesFields(bench: Bench, fields: Uint8Array): Promise<void> {
  const wire = await atArguments(bench);
  await wire.send(fields);
  const status = await wire.receive(2, "01 00");
  expect(hex(status) === "01 00", "01 00", hex(status));
}

/** The same, for fields that are odd: plain ones have to work first. */
async function takesFieldsAlso(bench: Bench, fields: Uint8Array): Promise<void> {
  await precondition(takesFields(bench, PLAIN));
  await takesFields(bench, fields);
}

/** Expects the RFC 1929 fields to be refused, by a status or by the end of the connection. */
async function refusesFields(bench: Bench, why: string, fields: Uint8Array): Promise<void> {
  const wire = await atArguments(bench);
  await wire.send(fields);
  const expected = `a status other than 0, because ${why}`;
  const arrival = await wire.peek();
  if (arrival === "end" || arrival === "reset") return;
  const status = await wire.receive(2, expected);
  expect(status[1] !== 0, expected, hex(status));
}

/** The reply to a request, when one comes. */
async function replyTo(bench: Bench, bytes: Uint8Array): Promise<number | null> {
  const wire = await atRequest(bench);
  await wire.send(bytes);
  const arrival = await wire.peek();
  if (arrival === "end" || arrival === "reset") return null;
  const reply = await wire.receive(2, "a SOCKS reply, or the end of the connection");
  return reply[1] ?? null;
}

async function repliesWith(bench: Bench, code: number, bytes: Uint8Array): Promise<void> {
  const got = await replyTo(bench, bytes);
  if (got === null) throw new Skipped("needs a reply, but the connection ends without one");
  if (got === 0) throw new Skipped("needs a rejection, but the request was granted");
  expect(got === code, `reply ${code}`, `reply ${got}`);
}

async function doesNotGrant(bench: Bench, bytes: Uint8Array): Promise<void> {
  const got = await replyTo(bench, bytes);
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

/** The reply to a request for a target that refuses. */
async function replyForDead(bench: Bench): Promise<number | null> {
  await needsDestination(bench.subject);
  const { args } = await clientTarget(bench, bench.far);
  const address = await deadAddress();
  const reply = await socksConnect(await dial(bench), { address, args }).catch((error) => {
    if (error instanceof Failed) return null;
    throw error;
  });
  if (!await refuses(address)) throw new Skipped("needs a port where nobody listens");
  return reply;
}

/** Expects a request to reach a listener of ours, directly. */
async function reaches(bench: Bench, far: Far, target: Readonly<Address>): Promise<void> {
  const reason = await transparency(bench.subject, "client");
  if (reason !== null) throw new Skipped(`needs a transport that connects anywhere, but ${reason}`);
  const reply = await socksConnect(await dial(bench), { address: [...target], args: "" });
  expect(reply === 0, "reply 0", `reply ${reply}`);
  expect(await far.accept() !== null, "a connection to the target", "none comes");
}

/** A connection to a client that has taken one before. */
async function dialAgain(bench: Bench, client: Running, after: string): Promise<Wire> {
  try {
    return await dial(bench, client);
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    throw new Failed(`a client that goes on ${after}`, error.reason);
  }
}

/** Expects that a client still takes connections. */
async function stillServes(bench: Bench, client: Running, after: string): Promise<void> {
  const { status } = client.child;
  expect(status === null, `a client that goes on ${after}`, endWords(status));
  const wire = await dialAgain(bench, client, after);
  await wire.send(greeting(NO_AUTH, PASSWORD));
  await wire.receive(2, `an answer to the next client ${after}`);
}

/** Writes a byte at a time. The pauses only make it more likely that each is read alone. */
async function trickle(wire: Wire, bytes: Uint8Array): Promise<void> {
  for (const byte of bytes) {
    await wire.send(Uint8Array.of(byte));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The handshake up to the request. */
const negotiationChecks: readonly Check[] = [
  {
    id: "socks-no-auth",
    roles: CLIENT,
    title: "takes a client without authentication, or says that it cannot",
    section: "RFC 1928 3",
    grade: "MUST",
    hand: "send 05 01 00",
    async run(bench) {
      const got = await choice(await dial(bench), NO_AUTH);
      expect(got === NO_AUTH || got === 0xff, "05 00, or 05 ff", `05 ${got}`);
    },
  },
  {
    id: "socks-password",
    roles: CLIENT,
    title: "takes user name and password, in which the arguments travel",
    section: "pt-spec 3.5",
    grade: "SHOULD",
    hand: "send 05 01 02",
    run: (bench) => chooses(bench, PASSWORD, PASSWORD),
  },
  {
    id: "socks-password-preferred",
    roles: CLIENT,
    title: "prefers user name and password to nothing",
    section: "pt-spec 3.5",
    grade: "SHOULD",
    hand: "send 05 02 00 02",
    run: (bench) => chooses(bench, PASSWORD, NO_AUTH, PASSWORD),
  },
  {
    id: "socks-unacceptable",
    roles: CLIENT,
    title: "says 05 FF when no offered method will do",
    section: "RFC 1928 3",
    grade: "MUST",
    hand: "send 05 01 01",
    run: (bench) => chooses(bench, 0xff, 1),
  },
  {
    id: "socks-methods-many",
    roles: CLIENT,
    title: "finds its method among 255",
    section: "RFC 1928 3",
    grade: "MUST",
    async run(bench) {
      await atArguments(bench);
      const methods = [...Array.from({ length: 254 }, () => 0x80), PASSWORD];
      await chooses(bench, PASSWORD, ...methods);
    },
  },
  {
    id: "socks-version-4",
    roles: CLIENT,
    title: "ends a SOCKS4 connection to a SOCKS5 listener",
    section: "RFC 1928 3",
    grade: "robustness",
    hand: "send 04 01 00 09 7f 00 00 01 00",
    async run(bench) {
      const wire = await dial(bench);
      await wire.send(Uint8Array.of(4, 1, 0, 9, 127, 0, 0, 1, 0));
      const got = await wire.ended("the end of the connection");
      expect(got[0] !== 5 && got[1] !== 90, "no answer, or a refusal", hex(got));
    },
  },
  {
    id: "socks-auth-version",
    roles: CLIENT,
    title: "refuses another version of user name and password",
    section: "RFC 1929 2",
    grade: "robustness",
    hand: "send 05 01 02, then 05 ...",
    async run(bench) {
      const fields = argumentFields("key=value");
      fields[0] = 5;
      await refusesFields(bench, "the version is 5", fields);
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
    // A transport may refuse arguments that it does not know.
    grade: "SHOULD",
    run: (bench) => takesFields(bench, PLAIN),
  },
  {
    id: "socks-args-escaped",
    roles: CLIENT,
    title: "understands the escapes in arguments",
    section: "pt-spec 3.5",
    grade: "MUST",
    run: (bench) => takesFieldsAlso(bench, argumentFields("key=a\\;b\\=c\\\\")),
  },
  {
    id: "socks-args-split",
    roles: CLIENT,
    title: "joins the two fields before it looks for escapes",
    section: "pt-spec 3.5",
    grade: "MUST",
    run: (bench) => takesFieldsAlso(bench, argumentFields(LONG)),
  },
  {
    id: "socks-args-empty-value",
    roles: CLIENT,
    title: "takes an empty value",
    section: "pt-spec 3.5",
    grade: "robustness",
    run: (bench) => takesFieldsAlso(bench, argumentFields("key=")),
  },
  {
    id: "socks-args-no-equals",
    roles: CLIENT,
    title: "refuses an argument without =",
    section: "pt-spec 3.5",
    grade: "robustness",
    run: (bench) => refusesFields(bench, "there is no =", argumentFields("key=value;word")),
  },
  {
    id: "socks-args-backslash",
    roles: CLIENT,
    title: "refuses a backslash that escapes nothing",
    section: "pt-spec 3.5",
    grade: "robustness",
    run: (bench) => refusesFields(bench, "a backslash is last", argumentFields("key=value\\")),
  },
  {
    id: "socks-args-empty-key",
    roles: CLIENT,
    title: "refuses an empty key",
    section: "pt-spec 3.5",
    grade: "robustness",
    run: (bench) => refusesFields(bench, "the key is empty", argumentFields("=value")),
  },
  {
    id: "socks-user-empty",
    roles: CLIENT,
    title: "refuses an empty user name",
    section: "RFC 1929 2",
    grade: "robustness",
    run: (bench) =>
      refusesFields(
        bench,
        "ULEN is 1 to 255",
        credentials(new Uint8Array(), utf8.encode("key=value")),
      ),
  },
  {
    id: "socks-password-empty",
    roles: CLIENT,
    title: "refuses an empty password",
    section: "RFC 1929 2",
    grade: "robustness",
    run: (bench) =>
      refusesFields(
        bench,
        "PLEN is 1 to 255",
        credentials(utf8.encode("key=value"), new Uint8Array()),
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
    grade: "robustness",
    run: (bench) => doesNotGrant(bench, request(ANYWHERE, BIND)),
  },
  {
    id: "socks-command-code",
    roles: CLIENT,
    title: "answers UDP ASSOCIATE with reply 7",
    section: "RFC 1928 6",
    grade: "SHOULD",
    run: (bench) => repliesWith(bench, 7, request(ANYWHERE, UDP_ASSOCIATE)),
  },
  {
    id: "socks-address-type",
    roles: CLIENT,
    title: "does not grant an address type that does not exist",
    section: "RFC 1928 6",
    grade: "MUST",
    run: (bench) => doesNotGrant(bench, BAD_ADDRESS_TYPE),
  },
  {
    id: "socks-address-type-code",
    roles: CLIENT,
    title: "answers an address type that does not exist with reply 8",
    section: "RFC 1928 6",
    grade: "SHOULD",
    run: (bench) => repliesWith(bench, 8, BAD_ADDRESS_TYPE),
  },
  {
    id: "socks-reply-whole",
    roles: CLIENT,
    title: "sends a rejection whole: 05 REP 00 ATYP and an address",
    section: "RFC 1928 6",
    grade: "MUST",
    async run(bench) {
      const wire = await atRequest(bench);
      await wire.send(request(ANYWHERE, BIND));
      const reply = await wire.receive(10, "a reply of 10 bytes or more");
      const form = reply[0] === 5 && reply[2] === 0 && [1, 3, 4].includes(reply[3] ?? 0);
      expect(form, "05 REP 00 ATYP ...", hex(reply));
    },
  },
  {
    id: "socks-reply-closes",
    roles: CLIENT,
    title: "ends the connection behind a rejection",
    section: "RFC 1928 6",
    grade: "MUST",
    async run(bench) {
      const wire = await atRequest(bench);
      await wire.send(request(ANYWHERE, BIND));
      await wire.ended("the end of the connection behind the reply");
    },
  },
  {
    id: "socks-granted",
    roles: CLIENT,
    title: "grants a connection to a target that takes it",
    section: "RFC 1928 6",
    grade: "MUST",
    async run(bench) {
      const target = await clientTarget(bench, bench.far);
      const reply = await socksConnect(await dial(bench), target);
      expect(reply === 0, "reply 0", `reply ${reply}`);
    },
  },
  {
    id: "socks-refused",
    roles: CLIENT,
    title: "does not grant a connection to a target that refuses it",
    section: "RFC 1928 6",
    grade: "MUST",
    async run(bench) {
      expect(await replyForDead(bench) !== 0, "a reply other than 0", "reply 0");
    },
  },
  {
    id: "socks-refused-code",
    roles: CLIENT,
    title: "answers with reply 5 when the target refuses",
    section: "RFC 1928 6",
    grade: "robustness",
    async run(bench) {
      const reply = await replyForDead(bench);
      // A grant is another check's.
      if (reply === null || reply === 0) throw new Skipped("needs a rejection of 10 bytes");
      expect(reply === 5, "reply 5", `reply ${reply}`);
    },
  },
  {
    id: "socks-ipv6",
    roles: CLIENT,
    title: "connects to an IPv6 address",
    section: "RFC 1928 5",
    grade: "MUST",
    async run(bench) {
      let far: Far;
      try {
        far = bench.listen("::1");
      } catch {
        throw new Skipped("needs the IPv6 loopback address ::1");
      }
      await reaches(bench, far, far.address);
    },
  },
  {
    id: "socks-name",
    roles: CLIENT,
    title: "connects to a host name",
    section: "RFC 1928 5",
    grade: "SHOULD",
    run: (bench) => reaches(bench, bench.far, ["localhost", bench.far.address[1]]),
  },
];

/** What clients and accidents do. */
const robustnessChecks: readonly Check[] = [
  {
    id: "socks-chunked",
    roles: CLIENT,
    title: "takes a handshake that comes a byte at a time",
    section: "RFC 1928 3",
    grade: "robustness",
    async run(bench) {
      const wire = await dial(bench);
      await trickle(wire, greeting(PASSWORD));
      const chosen = await wire.receive(2, "a choice of method");
      if (chosen[1] !== PASSWORD) throw new Skipped("needs a listener that takes method 2");
      await trickle(wire, argumentFields("key=value"));
      const status = await wire.receive(2, "an answer to the arguments");
      if (status[1] !== 0) throw new Skipped("needs a listener that takes arguments");
      await trickle(wire, request(ANYWHERE, BIND));
      await wire.receive(2, "a reply");
    },
  },
  {
    id: "socks-pipelined",
    roles: CLIENT,
    title: "takes a handshake that comes all at once",
    section: "RFC 1928 3",
    grade: "robustness",
    async run(bench) {
      const wire = await dial(bench);
      const all = [greeting(PASSWORD), argumentFields("key=value"), request(ANYWHERE, BIND)];
      await wire.send(concat(...all));
      const chosen = await wire.receive(2, "a choice of method");
      if (chosen[1] !== PASSWORD) throw new Skipped("needs a listener that takes method 2");
      await wire.receive(2 + 2, "an answer to the arguments and a reply");
    },
  },
  {
    id: "socks-early-data",
    roles: CLIENT,
    title: "keeps the bytes that come along with the request",
    section: "RFC 1928 6",
    grade: "robustness",
    async run(bench) {
      const target = await clientTarget(bench, bench.far);
      const wire = await dial(bench);
      const method = target.args === "" ? NO_AUTH : PASSWORD;
      if (await precondition(choice(wire, method)) !== method) {
        throw new Skipped(`needs a listener that takes method ${method}`);
      }
      if (method === PASSWORD) {
        await wire.send(argumentFields(target.args));
        await precondition(wire.receive(2, "an answer to the arguments"));
      }
      const early = utf8.encode("early data");
      await wire.send(concat(request(target.address), early));
      const reply = await wire.receive(10, "reply 0");
      if (reply[1] !== 0) throw new Skipped(`needs a granted connection, but got ${hex(reply)}`);
      const far = await bench.far.accept();
      if (far === null) throw new Failed("a connection at the other end", "none comes");
      const got = await far.receive(early.length, `the early bytes ${hex(early)}`);
      expect(hex(got) === hex(early), `the early bytes ${hex(early)}`, hex(got));
    },
  },
  {
    id: "socks-half-open",
    roles: CLIENT,
    title: `serves a client beside ${HALF_OPEN} that do not finish their handshake`,
    section: "RFC 1928 3",
    grade: "robustness",
    hand: `open ${HALF_OPEN} connections to it and send nothing, then try another one`,
    async run(bench) {
      const client = await bench.running();
      for (let count = 0; count < HALF_OPEN; count++) {
        const wire = await dial(bench, client);
        if (count % 2 === 1) await wire.send(Uint8Array.of(5, 2));
      }
      await stillServes(bench, client, "beside half-open ones");
    },
  },
  {
    id: "socks-garbage",
    roles: CLIENT,
    title: "goes on behind a connection that speaks another protocol",
    section: "RFC 1928 3",
    grade: "robustness",
    hand: "send an HTTP request to it",
    async run(bench) {
      const client = await bench.running();
      const wire = await dial(bench, client);
      await wire.send(utf8.encode("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
      await wire.next();
      await stillServes(bench, client, "behind another protocol");
    },
  },
  {
    id: "socks-abandoned",
    roles: CLIENT,
    title: "goes on behind clients that leave in the middle of their handshake",
    section: "RFC 1928 3",
    grade: "robustness",
    async run(bench) {
      const client = await bench.running();
      (await dial(bench, client))[Symbol.dispose]();
      for (const start of [[], [5], [5, 1], [5, 1, NO_AUTH], [5, 1, PASSWORD]]) {
        using wire = await dialAgain(bench, client, "behind clients that left");
        await wire.send(Uint8Array.from(start));
        // An answer shows that the client has got as far.
        if (start.length === 3) await wire.next();
        await wire.closeWrite();
        await wire.next(ABANDONED);
      }
      await stillServes(bench, client, "behind clients that left");
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

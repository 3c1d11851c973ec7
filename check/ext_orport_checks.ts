/**
 * Checks of how a server introduces its clients at the Extended ORPort (ext-orport-spec).
 *
 * @module
 */

import { type Address, formatAddress, parseAddress, unmappedIp } from "../address.ts";
import { isTransportName } from "../grammar.ts";
import { concat } from "../net/conn.ts";
import { bodyText, CODES, COOKIE_HEADER, formatMessage } from "../net/ext_orport.ts";
import { endWords, type Fixture, isDone, methodOf, outputOf } from "./fixture.ts";
import type { Check } from "./definition.ts";
import {
  admit,
  authenticate,
  clientHash,
  exchangeNonces,
  type Extended,
  extended,
  freshCookie,
  type Introduced,
  introduced,
  offer,
  openExtended,
  readCommands,
  serverHash,
} from "./test_ext_orport.ts";
import { endArrives } from "./blame.ts";
import { arrival } from "./listener.ts";
import { EARLY, openPair, type TestTunnel } from "./test_tunnel.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Probe, sameBytes } from "./probe.ts";

const SERVER: readonly Role[] = ["server"];
/** How long a server is watched for bytes that it must not send, in milliseconds. */
const WATCH = 500;
/** The pause that makes it likely that a byte is read alone, in milliseconds. */
const BETWEEN_BYTES = 10;
const PAYLOAD: Uint8Array<ArrayBuffer> = new TextEncoder().encode("payload of the user");
const ANSWER: Uint8Array<ArrayBuffer> = new TextEncoder().encode("payload of the backend");
const UNKNOWN_COMMAND = 0x2abc;
/** A command that the spec names and does not use. */
const CONTROL = 0x1002;
const NOT_SAFE_COOKIE = 2;

async function arrives(probe: Probe, bytes: Uint8Array, where: string): Promise<void> {
  const got = await probe.receive(bytes.length, `the payload at ${where}`);
  expect(sameBytes(got, bytes), `the payload ${hex(bytes)} at ${where}`, hex(got));
}

/** Answers DONE and expects the payload to flow both ways. */
async function goesOn(fixture: Fixture, ...answers: readonly Uint8Array[]): Promise<void> {
  await goesOnFrom(await extended(fixture), answers);
}

async function goesOnFrom(
  server: Extended,
  answers: readonly Uint8Array[],
): Promise<void> {
  server.port.attendant = (probe) => admit(probe, server.cookie, answers);
  const { user, backend } = await introduced(server, PAYLOAD);
  for (const answer of answers) await backend.send(answer);
  await arrives(backend, PAYLOAD, "the Extended ORPort");
  await backend.send(ANSWER);
  await arrives(user, ANSWER, "the user");
}

/** The same, for an answer that is odd: a plain OKAY has to work first. */
async function goesOnAlso(fixture: Fixture, ...answers: readonly Uint8Array[]): Promise<void> {
  await precondition(goesOn(fixture, formatMessage(CODES.OKAY)));
  await goesOn(fixture, ...answers);
}

/** A server and a connection of it to the Extended ORPort. */
async function connected(fixture: Fixture): Promise<Extended & { user: Probe; backend: Probe }> {
  const server = await extended(fixture);
  return { ...server, ...await server.tunnel.openSaying(EARLY) };
}

/** A user who says something at once. */
async function nextUser(tunnel: TestTunnel): Promise<Probe> {
  const user = await tunnel.dial();
  await user.send(EARLY);
  return user;
}

async function endsInSilence(backend: Probe): Promise<void> {
  const got = await backend.ended("the end of the connection");
  expect(got.length === 0, "nothing more", hex(got));
}

/** Agrees on SAFE_COOKIE, which other checks look at. */
async function agree(backend: Probe): Promise<void> {
  const type = await precondition(offer(backend, 1));
  if (type !== 1) throw new Skipped(`needs a server that chooses SAFE_COOKIE, not ${type}`);
}

/** Expects a server with a bad cookie file not to prove that it knows the cookie. */
async function provesNothing(fixture: Fixture, file: Uint8Array<ArrayBuffer>): Promise<void> {
  // A server that does not even start is as good.
  const server = await extended(fixture, { file });
  const user = await nextUser(server.tunnel);
  const proof = (async () => {
    const backend = await server.port.accept();
    if (backend === null) return false;
    // HMAC takes a short key for the same as one that is filled up with zeros.
    await authenticate(backend, file.slice(COOKIE_HEADER.length));
    return true;
  })();
  const proven = proof.catch((error) => {
    if (error instanceof Failed) return false;
    throw error;
  });
  // Most end the user's connection instead, but nothing demands it.
  const ended = user.ended("the end of the connection").then(() => false, () => proven);
  expect(!await Promise.race([proven, ended]), "no proof with such a cookie file", "a ClientHash");
}

/** The authentication (sections 2 and 2.1). */
const authenticationChecks: readonly Check[] = [
  {
    id: "ext-starts",
    roles: SERVER,
    title: "starts with an Extended ORPort as it does without",
    section: "pt-spec 3.2.3",
    level: "robustness",
    async run(fixture) {
      fixture.needsPlain("started");
      const { variables } = await openExtended(fixture);
      const program = await fixture.start(variables);
      await program.line(({ message }) =>
        message?.kind === "env-error" || isDone("server", message)
      );
      const method = methodOf(program, fixture.subject.transport);
      expect(method !== null, "a start, although there is an Extended ORPort", outputOf(program));
    },
  },
  {
    id: "ext-preferred",
    roles: SERVER,
    title: "uses the Extended ORPort rather than the plain one",
    section: "pt-spec 3.2.3",
    level: "robustness",
    crosses: "bytes",
    async run(fixture) {
      await openPair(fixture);
      const plain = fixture.listen();
      const server = await extended(fixture, {
        changes: { TOR_PT_ORPORT: formatAddress(plain.address) },
      });
      const backend = await arrival(await nextUser(server.tunnel), server.port);
      // Whatever the other half does, where to is the server's choice.
      const others = await plain.uninvited();
      if (others > 0) throw new Failed("no connection to the plain ORPort", "one comes", true);
      expect(backend !== null, "a connection to the Extended ORPort", "none comes");
    },
  },
  {
    id: "ext-ipv6",
    roles: SERVER,
    title: "connects to an Extended ORPort with an IPv6 address",
    section: "pt-spec 3.2.3",
    level: "robustness",
    async run(fixture) {
      const port = fixture.listenIpv6();
      await precondition(goesOn(fixture, formatMessage(CODES.OKAY)));
      const server = await extended(fixture, { port });
      await goesOnFrom(server, [formatMessage(CODES.OKAY)]).catch((error) => {
        if (!(error instanceof Skipped)) throw error;
        throw new Failed("a connection to the Extended ORPort", error.reason);
      });
    },
  },
  {
    id: "ext-auth-type",
    roles: SERVER,
    title: "chooses SAFE_COOKIE",
    section: "ext-orport-spec 2",
    level: "MUST",
    async run(fixture) {
      const { backend } = await connected(fixture);
      const type = await offer(backend, 1);
      expect(type === 1, "01", hex(Uint8Array.of(type)));
    },
  },
  {
    id: "ext-auth-among",
    roles: SERVER,
    title: "finds SAFE_COOKIE among other types",
    section: "ext-orport-spec 2",
    level: "MUST",
    async run(fixture) {
      const { backend } = await connected(fixture);
      const type = await offer(backend, 3, NOT_SAFE_COOKIE, 1);
      expect(type === 1, "01", hex(Uint8Array.of(type)));
    },
  },
  {
    id: "ext-auth-none",
    roles: SERVER,
    title: "gives up when SAFE_COOKIE is not offered",
    section: "ext-orport-spec 2",
    level: "MUST",
    async run(fixture) {
      const expected = "00, or the end of the connection";
      const { backend } = await connected(fixture);
      await backend.send(Uint8Array.of(NOT_SAFE_COOKIE, 0));
      const arrival = await backend.peek();
      if (arrival === "end" || arrival === "reset") return;
      const type = await backend.receive(1, expected);
      expect(type[0] === 0, expected, hex(type));
      // It is the parent that has to close then.
      await backend.next(WATCH);
      expect(backend.buffered === 0, "nothing behind 00", hex(backend.take()));
    },
  },
  {
    id: "ext-nonce-fresh",
    roles: SERVER,
    title: "sends another nonce every time",
    section: "ext-orport-spec 2.1.3",
    level: "MUST",
    async run(fixture) {
      const server = await extended(fixture);
      const nonces: string[] = [];
      for (let count = 0; count < 2; count++) {
        const { backend } = await server.tunnel.openSaying(EARLY);
        await agree(backend);
        nonces.push((await exchangeNonces(backend)).client.toHex());
      }
      expect(nonces[0] !== nonces[1], "two different nonces", `${nonces[0]} twice`);
    },
  },
  {
    id: "ext-client-hash",
    roles: SERVER,
    title: "proves that it knows the cookie",
    section: "ext-orport-spec 2.1.3",
    level: "MUST",
    async run(fixture) {
      const { backend, cookie } = await connected(fixture);
      await agree(backend);
      const nonces = await precondition(exchangeNonces(backend));
      await backend.send(concat(await serverHash(cookie, nonces), nonces.server));
      const hash = await backend.receive(32, "a hash of 32 bytes");
      const right = await clientHash(cookie, nonces);
      expect(sameBytes(hash, right), `ClientHash ${hex(right)}`, hex(hash));
    },
  },
  {
    id: "ext-wrong-hash",
    roles: SERVER,
    title: "ends the connection on a wrong ServerHash, and sends nothing more",
    section: "ext-orport-spec 2.1.3",
    level: "MUST",
    async run(fixture) {
      const { backend } = await connected(fixture);
      await agree(backend);
      const nonces = await precondition(exchangeNonces(backend));
      await backend.send(concat(await serverHash(freshCookie(), nonces), nonces.server));
      await endsInSilence(backend);
    },
  },
  {
    id: "ext-status-0",
    roles: SERVER,
    title: "gives up when its own proof is refused",
    section: "ext-orport-spec 2.1.3",
    level: "robustness",
    async run(fixture) {
      const { backend, cookie } = await connected(fixture);
      await precondition(authenticate(backend, cookie));
      await backend.send(Uint8Array.of(0));
      await endsInSilence(backend);
    },
  },
  {
    id: "ext-cookie-header",
    roles: SERVER,
    title: "does not use a cookie file without its header",
    section: "ext-orport-spec 2.1.2",
    level: "MUST",
    run: (fixture) =>
      provesNothing(
        fixture,
        concat(new TextEncoder().encode("! Something else entirely ! ! !\n"), freshCookie()),
      ),
  },
  {
    id: "ext-cookie-short",
    roles: SERVER,
    title: "does not use a cookie file that is cut off",
    section: "ext-orport-spec 2.1.2",
    level: "robustness",
    run: (fixture) => provesNothing(fixture, concat(COOKIE_HEADER, freshCookie().slice(0, 8))),
  },
  {
    id: "ext-cookie-new",
    roles: SERVER,
    title: "reads the cookie file again when tor has written a new one",
    section: "ext-orport-spec 2.1",
    level: "robustness",
    async run(fixture) {
      const server = await extended(fixture);
      const { backend: first } = await server.tunnel.openSaying(EARLY);
      const before = await precondition(authenticate(first, server.cookie));
      if (!sameBytes(before.hash, await clientHash(server.cookie, before.nonces))) {
        throw new Skipped("needs a server that proves that it knows the first cookie");
      }
      const cookie = freshCookie();
      await Deno.writeFile(server.path, concat(COOKIE_HEADER, cookie));
      const { backend } = await server.tunnel.openSaying(EARLY);
      const { nonces, hash } = await authenticate(backend, cookie);
      const right = await clientHash(cookie, nonces);
      expect(sameBytes(hash, right), `ClientHash ${hex(right)}`, hex(hash));
    },
  },
];

/** The address in a text, as tor reads it; null where there is none. */
function addressIn(text: string): Address | null {
  try {
    const address = parseAddress(text);
    return address[1] > 0 ? address : null;
  } catch {
    return null;
  }
}

/** Whether a text is an address as tor reads it. */
function isAddress(text: string): boolean {
  return addressIn(text) !== null;
}

/** What the commands of one kind say. */
function textsOf(commands: Introduced["commands"], code: number): string[] {
  return commands.filter((command) => command.code === code).map(({ body }) => bodyText(body));
}

/** The same of a server that has introduced its client. */
async function told(fixture: Fixture, code: number): Promise<string[]> {
  const { commands } = await introduced(await extended(fixture));
  return textsOf(commands, code);
}

/** The commands and their answer (section 3). */
const commandChecks: readonly Check[] = [
  {
    id: "ext-useraddr",
    roles: SERVER,
    title: "tells the client's address",
    section: "ext-orport-spec 3.2.1",
    level: "robustness",
    async run(fixture) {
      const server = await extended(fixture);
      const { user, commands } = await introduced(server);
      const texts = textsOf(commands, CODES.USERADDR);
      // Whether a NUL hangs on it is another check's.
      const told = texts.map((text) => addressIn(text.replace(/\0$/, "")))
        .filter((address) => address !== null);
      if (texts.length > 0 && told.length === 0) {
        throw new Skipped(`needs an address in USERADDR: ${JSON.stringify(texts)}`);
      }
      if (server.tunnel.target === null) {
        const { hostname, port } = (user.conn as Deno.TcpConn).localAddr;
        const right = told.some(([host, its]) => unmappedIp(host) === hostname && its === port);
        expect(right, `USERADDR ${formatAddress([hostname, port])}`, JSON.stringify(texts));
      } else {
        // The client half has made the connection, from a port that only it knows.
        const form = told.some(([host]) => unmappedIp(host) === "127.0.0.1");
        expect(form, "USERADDR 127.0.0.1:port", JSON.stringify(texts));
      }
    },
  },
  {
    id: "ext-useraddr-form",
    roles: SERVER,
    title: "writes the client's address as 1.2.3.4:5678 or [1:2::3:4]:5678",
    section: "ext-orport-spec 3.2.1",
    level: "MUST",
    async run(fixture) {
      const texts = await told(fixture, CODES.USERADDR);
      if (texts.length === 0) throw new Skipped("needs a USERADDR command");
      expect(texts.every(isAddress), "ip:port", JSON.stringify(texts));
    },
  },
  {
    id: "ext-useraddr-ipv6",
    roles: SERVER,
    title: "writes an IPv6 client's address in brackets",
    section: "ext-orport-spec 3.2.1",
    level: "MUST",
    async run(fixture) {
      fixture.listenIpv6(); // Or there is no such address.
      const { transport } = fixture.subject;
      const server = await extended(fixture, {
        changes: { TOR_PT_SERVER_BINDADDR: `${transport}-[::1]:0` },
      });
      const [host] = server.tunnel.checked.method.address;
      if (!host.includes(":")) throw new Skipped(`needs a server that listens at ::1, not ${host}`);
      const { commands } = await introduced(server);
      const texts = textsOf(commands, CODES.USERADDR);
      if (texts.length === 0) throw new Skipped("needs a USERADDR command");
      const hosts = texts.map((text) => /^\[(.*)\]:\d+/.exec(text)?.[1] ?? "");
      const good = hosts.every((host) => unmappedIp(host) === "::1");
      expect(good, "[::1]:port", JSON.stringify(texts));
    },
  },
  {
    id: "ext-transport",
    roles: SERVER,
    title: "tells the transport's name",
    section: "ext-orport-spec 3.2.2",
    level: "robustness",
    async run(fixture) {
      const names = await told(fixture, CODES.TRANSPORT);
      const { transport } = fixture.subject;
      // What else there is in it is another check's.
      const right = names.length === 1 && names[0]?.replace(/\W/g, "") === transport;
      expect(right, `TRANSPORT ${transport}`, JSON.stringify(names));
    },
  },
  {
    id: "ext-transport-form",
    roles: SERVER,
    title: "writes the transport's name as an identifier, without a NUL",
    section: "ext-orport-spec 3.2.2",
    level: "MUST",
    async run(fixture) {
      const names = await told(fixture, CODES.TRANSPORT);
      if (names.length === 0) throw new Skipped("needs a TRANSPORT command");
      expect(names.every(isTransportName), "an identifier", JSON.stringify(names));
    },
  },
  {
    id: "ext-done",
    roles: SERVER,
    title: "ends its introduction with DONE",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    async run(fixture) {
      const { backend, cookie } = await connected(fixture);
      await precondition(authenticate(backend, cookie));
      await backend.send(Uint8Array.of(1));
      await readCommands(backend);
    },
  },
  {
    id: "ext-waits",
    roles: SERVER,
    title: "sends no payload before it is told OKAY",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    async run(fixture) {
      const { backend } = await introduced(await extended(fixture), PAYLOAD);
      const arrival = await backend.peek(WATCH);
      expect(arrival !== "bytes", "nothing before OKAY", hex(backend.take()));
    },
  },
  {
    id: "ext-okay",
    roles: SERVER,
    title: "carries the payload after OKAY",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    crosses: "bytes",
    run: (fixture) => goesOn(fixture, formatMessage(CODES.OKAY)),
  },
  {
    id: "ext-okay-body",
    roles: SERVER,
    title: "ignores a body of OKAY",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    run: (fixture) =>
      goesOnAlso(fixture, formatMessage(CODES.OKAY, new TextEncoder().encode("welcome"))),
  },
  {
    id: "ext-okay-joined",
    roles: SERVER,
    title: "takes what comes along with OKAY for the first of the payload",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    crosses: "bytes",
    async run(fixture) {
      await precondition(goesOn(fixture, formatMessage(CODES.OKAY)));
      const { user, backend } = await introduced(await extended(fixture));
      await backend.send(concat(formatMessage(CODES.OKAY), ANSWER));
      await arrives(user, ANSWER, "the user");
    },
  },
  {
    id: "ext-deny",
    roles: SERVER,
    title: "sends no payload after DENY",
    section: "ext-orport-spec 3.1",
    level: "SHOULD",
    async run(fixture) {
      const { user, backend } = await introduced(await extended(fixture));
      await backend.send(formatMessage(CODES.DENY));
      await backend.next(WATCH);
      backend.take(); // What came without waiting for an answer is another check's.
      await user.send(PAYLOAD);
      const arrival = await backend.peek(WATCH);
      expect(arrival !== "bytes", "no payload after DENY", hex(backend.take()));
    },
  },
  {
    id: "ext-deny-user",
    roles: SERVER,
    title: "ends the user's connection on DENY",
    section: "ext-orport-spec 3.1",
    level: "robustness",
    crosses: "end",
    async run(fixture) {
      const { user, backend } = await introduced(await extended(fixture));
      fixture.wire?.mark();
      await backend.send(formatMessage(CODES.DENY));
      await precondition(backend.ended("the end of the connection to the Extended ORPort"));
      await endArrives(fixture, "down", () => user.ended("the end of the user's connection"));
    },
  },
  {
    id: "ext-unknown",
    roles: SERVER,
    title: "ignores commands it does not know",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    run: (fixture) =>
      goesOnAlso(
        fixture,
        formatMessage(UNKNOWN_COMMAND, Uint8Array.of(1, 2, 3)),
        formatMessage(CODES.OKAY),
      ),
  },
  {
    id: "ext-control",
    roles: SERVER,
    title: "ignores the command CONTROL, which is not used",
    section: "ext-orport-spec 3.1",
    level: "MUST",
    run: (fixture) => goesOnAlso(fixture, formatMessage(CONTROL), formatMessage(CODES.OKAY)),
  },
  {
    id: "ext-chunked",
    roles: SERVER,
    title: "takes answers that come a byte at a time",
    section: "ext-orport-spec 3.1",
    level: "robustness",
    async run(fixture) {
      await precondition(goesOn(fixture, formatMessage(CODES.OKAY)));
      const { user, backend } = await introduced(await extended(fixture), PAYLOAD);
      for (const byte of formatMessage(CODES.OKAY)) {
        await backend.send(Uint8Array.of(byte));
        await backend.next(BETWEEN_BYTES);
      }
      await arrives(backend, PAYLOAD, "the Extended ORPort");
      await backend.send(ANSWER);
      await arrives(user, ANSWER, "the user");
    },
  },
  {
    id: "ext-stalled",
    roles: SERVER,
    title: "serves a client beside one for whom the parent does not answer",
    section: "ext-orport-spec 2",
    level: "robustness",
    crosses: "bytes",
    async run(fixture) {
      const server = await extended(fixture);
      await server.tunnel.openSaying(EARLY);
      await nextUser(server.tunnel);
      const backend = await server.port.accept();
      if (backend === null) throw new Failed("a second connection at the Extended ORPort", "none");
      await offer(backend, 1);
    },
  },
  {
    id: "ext-again",
    roles: SERVER,
    title: "goes on after a connection that was denied",
    section: "ext-orport-spec 3.1",
    level: "robustness",
    crosses: "bytes",
    async run(fixture) {
      const server = await extended(fixture);
      const { backend } = await introduced(server);
      await backend.send(formatMessage(CODES.DENY));
      await precondition(backend.ended("the end of the connection"));
      const { program } = server.tunnel.checked;
      expect(program.status === null, "a server that goes on", endWords(program.status));
      await nextUser(server.tunnel).catch((error) => {
        if (error instanceof Skipped) throw new Failed("a server that goes on", error.reason);
        throw error;
      });
      const next = await server.port.accept();
      expect(next !== null, "the next connection at the Extended ORPort", "none comes");
    },
  },
];

/** The checks of the Extended ORPort. */
export const extOrPortChecks: readonly Check[] = [...authenticationChecks, ...commandChecks];

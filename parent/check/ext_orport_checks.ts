/**
 * Checks of how a server introduces its clients at the Extended ORPort (ext-orport-spec).
 *
 * @module
 */

import { formatAddress } from "../../address.ts";
import { concat } from "../../net/conn.ts";
import { CODES, COOKIE_HEADER, formatMessage } from "../../net/ext_orport.ts";
import { type Bench, endWords } from "./bench.ts";
import type { Check } from "./check.ts";
import {
  authenticate,
  clientHash,
  exchangeNonces,
  type Extended,
  extended,
  freshCookie,
  introduced,
  offer,
  readCommands,
  serverHash,
} from "./ext_orport_peer.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Wire } from "./wire.ts";

const SERVER: readonly Role[] = ["server"];
/** How long a server is watched for bytes that it must not send, in milliseconds. */
const WATCH = 500;
/** The pause that makes it likely that a byte is read alone, in milliseconds. */
const BETWEEN_BYTES = 10;
const PAYLOAD: Uint8Array<ArrayBuffer> = new TextEncoder().encode("payload of the user");
const ANSWER: Uint8Array<ArrayBuffer> = new TextEncoder().encode("payload of the far end");
const UNKNOWN_COMMAND = 0x2abc;
/** A command that the spec names and does not use. */
const CONTROL = 0x1002;
const NOT_SAFE_COOKIE = 2;

async function arrives(wire: Wire, bytes: Uint8Array, where: string): Promise<void> {
  const got = await wire.receive(bytes.length, `the payload at ${where}`);
  expect(hex(got) === hex(bytes), `the payload ${hex(bytes)} at ${where}`, hex(got));
}

/** Answers DONE and expects the payload to flow both ways. */
async function goesOn(bench: Bench, ...answers: readonly Uint8Array[]): Promise<void> {
  const { user, far } = await introduced(await extended(bench), PAYLOAD);
  for (const answer of answers) await far.send(answer);
  await arrives(far, PAYLOAD, "the Extended ORPort");
  await far.send(ANSWER);
  await arrives(user, ANSWER, "the user");
}

/** The same, for an answer that is odd: a plain OKAY has to work first. */
async function goesOnAlso(bench: Bench, ...answers: readonly Uint8Array[]): Promise<void> {
  await precondition(goesOn(bench, formatMessage(CODES.OKAY)));
  await goesOn(bench, ...answers);
}

/** A server and a connection of it to the Extended ORPort. */
async function connected(bench: Bench): Promise<Extended & { user: Wire; far: Wire }> {
  const server = await extended(bench);
  return { ...server, ...await server.way.open() };
}

/** Agrees on SAFE_COOKIE, which other checks look at. */
async function agree(far: Wire): Promise<void> {
  const type = await precondition(offer(far, 1));
  if (type !== 1) throw new Skipped(`needs a server that chooses SAFE_COOKIE, not ${type}`);
}

/** Expects a server with a bad cookie file not to prove that it knows the cookie. */
async function provesNothing(bench: Bench, file: Uint8Array<ArrayBuffer>): Promise<void> {
  // A server that does not even start is as good.
  const server = await extended(bench, { file });
  const user = await server.way.dial();
  const proof = (async () => {
    const far = await server.port.accept();
    if (far === null) return false;
    // HMAC takes a short key for the same as one that is filled up with zeros.
    await authenticate(far, file.slice(COOKIE_HEADER.length));
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
    id: "ext-preferred",
    roles: SERVER,
    title: "uses the Extended ORPort rather than the plain one",
    section: "pt-spec 3.2.3",
    grade: "SHOULD",
    async run(bench) {
      const plain = formatAddress(bench.far.address);
      const server = await extended(bench, { changes: { TOR_PT_ORPORT: plain } });
      await server.way.dial();
      const far = await server.port.accept();
      expect(far !== null, "a connection to the Extended ORPort", "none comes");
      const others = await bench.far.uninvited();
      expect(others === 0, "no connection to the plain ORPort", "one comes");
    },
  },
  {
    id: "ext-auth-type",
    roles: SERVER,
    title: "chooses SAFE_COOKIE",
    section: "ext-orport-spec 2",
    grade: "MUST",
    async run(bench) {
      const { far } = await connected(bench);
      const type = await offer(far, 1);
      expect(type === 1, "01", hex(Uint8Array.of(type)));
    },
  },
  {
    id: "ext-auth-among",
    roles: SERVER,
    title: "finds SAFE_COOKIE among other types",
    section: "ext-orport-spec 2",
    grade: "MUST",
    async run(bench) {
      const { far } = await connected(bench);
      const type = await offer(far, 3, NOT_SAFE_COOKIE, 1);
      expect(type === 1, "01", hex(Uint8Array.of(type)));
    },
  },
  {
    id: "ext-auth-none",
    roles: SERVER,
    title: "gives up when SAFE_COOKIE is not offered",
    section: "ext-orport-spec 2",
    grade: "MUST",
    async run(bench) {
      const { far } = await connected(bench);
      await far.send(Uint8Array.of(NOT_SAFE_COOKIE, 0));
      const got = await far.ended("00 or nothing, and the end of the connection");
      expect(
        got.length === 0 || (got.length === 1 && got[0] === 0),
        "00 or nothing, and the end of the connection",
        hex(got),
      );
    },
  },
  {
    id: "ext-nonce-fresh",
    roles: SERVER,
    title: "sends another nonce every time",
    section: "ext-orport-spec 2.1.3",
    grade: "MUST",
    async run(bench) {
      const server = await extended(bench);
      const nonces: string[] = [];
      for (let count = 0; count < 2; count++) {
        const { far } = await server.way.open();
        await agree(far);
        nonces.push((await exchangeNonces(far)).client.toHex());
      }
      expect(nonces[0] !== nonces[1], "two different nonces", `${nonces[0]} twice`);
    },
  },
  {
    id: "ext-client-hash",
    roles: SERVER,
    title: "proves that it knows the cookie",
    section: "ext-orport-spec 2.1.3",
    grade: "MUST",
    async run(bench) {
      const { far, cookie } = await connected(bench);
      await agree(far);
      const nonces = await precondition(exchangeNonces(far));
      await far.send(concat(await serverHash(cookie, nonces), nonces.server));
      const hash = await far.receive(32, "a hash of 32 bytes");
      const right = await clientHash(cookie, nonces);
      expect(hex(hash) === hex(right), `ClientHash ${hex(right)}`, hex(hash));
    },
  },
  {
    id: "ext-wrong-hash",
    roles: SERVER,
    title: "ends the connection on a wrong ServerHash, and sends nothing more",
    section: "ext-orport-spec 2.1.3",
    grade: "MUST",
    async run(bench) {
      const { far } = await connected(bench);
      await agree(far);
      const nonces = await precondition(exchangeNonces(far));
      await far.send(concat(await serverHash(freshCookie(), nonces), nonces.server));
      const got = await far.ended("the end of the connection");
      expect(got.length === 0, "nothing more", hex(got));
    },
  },
  {
    id: "ext-status-0",
    roles: SERVER,
    title: "gives up when its own proof is refused",
    section: "ext-orport-spec 2.1.3",
    grade: "SHOULD",
    async run(bench) {
      const { far, cookie } = await connected(bench);
      await precondition(authenticate(far, cookie));
      await far.send(Uint8Array.of(0));
      const got = await far.ended("the end of the connection");
      expect(got.length === 0, "nothing more", hex(got));
    },
  },
  {
    id: "ext-cookie-header",
    roles: SERVER,
    title: "does not use a cookie file without its header",
    section: "ext-orport-spec 2.1.2",
    grade: "MUST",
    run: (bench) =>
      provesNothing(
        bench,
        concat(new TextEncoder().encode("! Something else entirely ! ! !\n"), freshCookie()),
      ),
  },
  {
    id: "ext-cookie-short",
    roles: SERVER,
    title: "does not use a cookie file that is cut off",
    section: "ext-orport-spec 2.1.2",
    grade: "MUST",
    run: (bench) => provesNothing(bench, concat(COOKIE_HEADER, freshCookie().slice(0, 8))),
  },
  {
    id: "ext-cookie-new",
    roles: SERVER,
    title: "reads the cookie file again when tor has written a new one",
    section: "ext-orport-spec 2.1",
    grade: "robustness",
    async run(bench) {
      const server = await extended(bench);
      const { far: first } = await server.way.open();
      const before = await precondition(authenticate(first, server.cookie));
      if (hex(before.hash) !== hex(await clientHash(server.cookie, before.nonces))) {
        throw new Skipped("needs a server that proves that it knows the first cookie");
      }
      const cookie = freshCookie();
      await Deno.writeFile(server.path, concat(COOKIE_HEADER, cookie));
      const { far } = await server.way.open();
      const { nonces, hash } = await authenticate(far, cookie);
      const right = await clientHash(cookie, nonces);
      expect(hex(hash) === hex(right), `ClientHash ${hex(right)}`, hex(hash));
    },
  },
];

/** The commands and their answer (section 3). */
const commandChecks: readonly Check[] = [
  {
    id: "ext-useraddr",
    roles: SERVER,
    title: "tells the client's address",
    section: "ext-orport-spec 3.2.1",
    grade: "SHOULD",
    async run(bench) {
      const server = await extended(bench);
      const { user, commands } = await introduced(server);
      const bodies = commands.filter(({ code }) => code === CODES.USERADDR).map(({ body }) => body);
      const texts = bodies.map((body) => new TextDecoder().decode(body));
      if (server.way.target === null) {
        const own = (user.conn as Deno.TcpConn).localAddr;
        const right = formatAddress([own.hostname, own.port]);
        // Whether something hangs on it is another check's.
        const told = texts[0]?.startsWith(right) ?? false;
        expect(told, `USERADDR ${right}`, JSON.stringify(texts));
      } else {
        // The client half has made the connection, from a port that only it knows.
        const form = texts.some((text) => text.startsWith("127.0.0.1:"));
        expect(form, "USERADDR 127.0.0.1:port", JSON.stringify(texts));
      }
    },
  },
  {
    id: "ext-useraddr-form",
    roles: SERVER,
    title: "writes the client's address as 1.2.3.4:5678 or [1:2::3:4]:5678",
    section: "ext-orport-spec 3.2.1",
    grade: "MUST",
    async run(bench) {
      const { commands } = await introduced(await extended(bench));
      const bodies = commands.filter(({ code }) => code === CODES.USERADDR).map(({ body }) => body);
      if (bodies.length === 0) throw new Skipped("needs a USERADDR command");
      const texts = bodies.map((body) => new TextDecoder().decode(body));
      const form = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[\da-fA-F:.]+\]):\d{1,5}$/;
      expect(texts.every((text) => form.test(text)), "ip:port", JSON.stringify(texts));
    },
  },
  {
    id: "ext-useraddr-ipv6",
    roles: SERVER,
    title: "writes an IPv6 client's address in brackets",
    section: "ext-orport-spec 3.2.1",
    grade: "MUST",
    async run(bench) {
      try {
        Deno.listen({ hostname: "::1", port: 0 }).close();
      } catch {
        throw new Skipped("needs the IPv6 loopback address ::1");
      }
      const { transport } = bench.subject;
      const server = await extended(bench, {
        changes: { TOR_PT_SERVER_BINDADDR: `${transport}-[::1]:0` },
      });
      const { commands } = await introduced(server);
      const bodies = commands.filter(({ code }) => code === CODES.USERADDR).map(({ body }) => body);
      if (bodies.length === 0) throw new Skipped("needs a USERADDR command");
      const texts = bodies.map((body) => new TextDecoder().decode(body));
      const good = texts.every((text) => /^\[::1\]:\d+/.test(text));
      expect(good, "[::1]:port", JSON.stringify(texts));
    },
  },
  {
    id: "ext-transport",
    roles: SERVER,
    title: "tells the transport's name",
    section: "ext-orport-spec 3.2.2",
    grade: "SHOULD",
    async run(bench) {
      const { commands } = await introduced(await extended(bench));
      const names = commands.filter(({ code }) => code === CODES.TRANSPORT)
        .map(({ body }) => new TextDecoder().decode(body));
      const { transport } = bench.subject;
      const right = names.length === 1 && names[0] === transport;
      expect(right, `TRANSPORT ${transport}`, JSON.stringify(names));
    },
  },
  {
    id: "ext-done",
    roles: SERVER,
    title: "ends its introduction with DONE",
    section: "ext-orport-spec 3.1",
    grade: "MUST",
    async run(bench) {
      const { far, cookie } = await connected(bench);
      await precondition(authenticate(far, cookie));
      await far.send(Uint8Array.of(1));
      await readCommands(far);
    },
  },
  {
    id: "ext-waits",
    roles: SERVER,
    title: "sends no payload before it is told OKAY",
    section: "ext-orport-spec 3.1",
    grade: "MUST",
    async run(bench) {
      const { far } = await introduced(await extended(bench), PAYLOAD);
      const arrival = await far.peek(WATCH);
      expect(arrival !== "bytes", "nothing before OKAY", hex(far.take()));
    },
  },
  {
    id: "ext-okay",
    roles: SERVER,
    title: "carries the payload behind OKAY",
    section: "ext-orport-spec 3.1",
    grade: "MUST",
    run: (bench) => goesOn(bench, formatMessage(CODES.OKAY)),
  },
  {
    id: "ext-okay-body",
    roles: SERVER,
    title: "ignores a body of OKAY",
    section: "ext-orport-spec 3.1",
    grade: "MUST",
    run: (bench) =>
      goesOnAlso(bench, formatMessage(CODES.OKAY, new TextEncoder().encode("welcome"))),
  },
  {
    id: "ext-okay-joined",
    roles: SERVER,
    title: "takes what comes along with OKAY for the first of the payload",
    section: "ext-orport-spec 3.1",
    grade: "MUST",
    async run(bench) {
      await precondition(goesOn(bench, formatMessage(CODES.OKAY)));
      const { user, far } = await introduced(await extended(bench));
      await far.send(concat(formatMessage(CODES.OKAY), ANSWER));
      await arrives(user, ANSWER, "the user");
    },
  },
  {
    id: "ext-deny",
    roles: SERVER,
    title: "sends no payload behind DENY",
    section: "ext-orport-spec 3.1",
    grade: "MUST",
    async run(bench) {
      const { user, far } = await introduced(await extended(bench));
      await far.send(formatMessage(CODES.DENY));
      await far.next(WATCH);
      await user.send(PAYLOAD);
      const arrival = await far.peek(WATCH);
      expect(arrival !== "bytes", "no payload behind DENY", hex(far.take()));
    },
  },
  {
    id: "ext-deny-user",
    roles: SERVER,
    title: "ends the user's connection on DENY",
    section: "ext-orport-spec 3.1",
    grade: "robustness",
    async run(bench) {
      const { user, far } = await introduced(await extended(bench));
      await far.send(formatMessage(CODES.DENY));
      await precondition(far.ended("the end of the connection to the Extended ORPort"));
      await user.ended("the end of the user's connection");
    },
  },
  {
    id: "ext-unknown",
    roles: SERVER,
    title: "ignores commands it does not know",
    section: "ext-orport-spec 3.1",
    grade: "MUST",
    run: (bench) =>
      goesOnAlso(
        bench,
        formatMessage(UNKNOWN_COMMAND, Uint8Array.of(1, 2, 3)),
        formatMessage(CODES.OKAY),
      ),
  },
  {
    id: "ext-control",
    roles: SERVER,
    title: "ignores the command CONTROL, which is not used",
    section: "ext-orport-spec 3.1",
    grade: "MUST",
    run: (bench) => goesOnAlso(bench, formatMessage(CONTROL), formatMessage(CODES.OKAY)),
  },
  {
    id: "ext-chunked",
    roles: SERVER,
    title: "takes answers that come a byte at a time",
    section: "ext-orport-spec 3.1",
    grade: "robustness",
    async run(bench) {
      await precondition(goesOn(bench, formatMessage(CODES.OKAY)));
      const { user, far } = await introduced(await extended(bench), PAYLOAD);
      for (const byte of formatMessage(CODES.OKAY)) {
        await far.send(Uint8Array.of(byte));
        await far.next(BETWEEN_BYTES);
      }
      await arrives(far, PAYLOAD, "the Extended ORPort");
      await far.send(ANSWER);
      await arrives(user, ANSWER, "the user");
    },
  },
  {
    id: "ext-stalled",
    roles: SERVER,
    title: "serves a client beside one for whom the parent does not answer",
    section: "ext-orport-spec 2",
    grade: "robustness",
    async run(bench) {
      const server = await extended(bench);
      await server.way.open();
      await server.way.dial();
      const far = await server.port.accept();
      if (far === null) throw new Failed("a second connection at the Extended ORPort", "none");
      await offer(far, 1);
    },
  },
  {
    id: "ext-again",
    roles: SERVER,
    title: "goes on behind a connection that was denied",
    section: "ext-orport-spec 3.1",
    grade: "robustness",
    async run(bench) {
      const server = await extended(bench);
      const { far } = await introduced(server);
      await far.send(formatMessage(CODES.DENY));
      await precondition(far.ended("the end of the connection"));
      const { child } = server.way.checked;
      expect(child.status === null, "a server that goes on", endWords(child.status));
      await server.way.dial().catch((error) => {
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

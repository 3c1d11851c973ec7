/**
 * Checks of how a server authenticates at the Extended ORPort (ext-orport-spec sections 2 and 2.1).
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import { concat } from "../net/conn.ts";
import { CODES, COOKIE_HEADER, formatMessage } from "../net/ext_orport.ts";
import { type Fixture, isDone, methodOf, outputOf } from "./fixture.ts";
import type { Check } from "./definition.ts";
import {
  authenticate,
  clientHash,
  exchangeNonces,
  extended,
  freshCookie,
  offer,
  openExtended,
  serverHash,
} from "./test_ext_orport.ts";
import { arrival } from "./listener.ts";
import { EARLY, openPair } from "./test_tunnel.ts";
import { expect, Failed, precondition, type Role, Skipped } from "./verdict.ts";
import { hex, type Probe, sameBytes } from "./probe.ts";
import { connected, goesOn, goesOnFrom, nextUser, WATCH } from "./ext_orport_steps.ts";

const SERVER: readonly Role[] = ["server"];
const NOT_SAFE_COOKIE = 2;

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

/** The checks of the authentication. */
export const extOrPortAuthenticationChecks: readonly Check[] = [
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

/**
 * Checks of upstream proxies (pt-spec sections 3.2.2 and 3.3.2). The proxies are ours, and none of
 * them lets anything through: what counts is that nothing goes around them.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { endWords, type Fixture, isDone, methodOf, outputOf, type Running } from "./fixture.ts";
import type { Check } from "./definition.ts";
import { isAside, type Program } from "./checked_program.ts";
import { needsDestination } from "./connects_where_asked.ts";
import { needsConnection } from "./granted_plainly.ts";
import { refusingAddress, type TestListener } from "./listener.ts";
import { clientTarget } from "./test_tunnel.ts";
import { askAndSpeak, type Target } from "./socks_connect.ts";
import { credentials, PASSWORD } from "./socks_message.ts";
import { expectConnect, expectSocks4Request, expectSocks5Request } from "./proxy_request.ts";
import { expect, Failed, type Role, Skipped } from "./verdict.ts";
import { hex, type Probe, sameBytes } from "./probe.ts";

const CLIENT: readonly Role[] = ["client"];
const PROXY = "TOR_PT_PROXY";

async function answer(fixture: Fixture, uri: string): Promise<Program> {
  fixture.needsPlain("started");
  const program = await fixture.start({ [PROXY]: uri });
  await program.line(({ message }) =>
    message?.kind === "proxy-error" || message?.kind === "env-error" || isDone("client", message)
  );
  return program;
}

/** Expects a URI to be refused, before any method. */
async function refused(fixture: Fixture, uri: string): Promise<void> {
  const program = await answer(fixture, uri);
  const kinds = program.lines.map(({ message }) => message?.kind);
  const refusal = kinds.some((kind) => kind === "proxy-error" || kind === "env-error");
  const method = methodOf(program, fixture.subject.transport);
  expect(refusal && method === null, `PROXY-ERROR for ${uri}, and no CMETHOD`, outputOf(program));
}

/** A client that has said PROXY-ERROR. */
async function refusing(fixture: Fixture): Promise<Program> {
  for (const uri of ["socks5://127.0.0.1:0:0", "socks5://127.0.0.1:9"]) {
    const program = await answer(fixture, uri);
    if (program.lines.some(({ message }) => message?.kind === "proxy-error")) return program;
  }
  throw new Skipped("needs a PROXY-ERROR, for a malformed proxy or for any");
}

/** A client that has accepted a proxy. */
async function accepting(fixture: Fixture, uri: string): Promise<Running> {
  const program = await answer(fixture, uri);
  const method = methodOf(program, fixture.subject.transport);
  const accepted = program.lines.some(({ message }) => message?.kind === "proxy-done");
  if (accepted && method !== null) return { program, method };
  throw new Skipped(
    `needs a client that accepts ${uri.split(":")[0]} proxies: ${outputOf(program)}`,
  );
}

/** One of our proxies, in the middle of a conversation. */
interface Meeting {
  readonly client: Running;
  /** Where the client was asked to connect. */
  readonly target: Target;
  /** The proxy's end of the connection. */
  readonly proxy: Probe;
  readonly user: Probe;
  /** Settles when the user has been answered. */
  readonly asked: Promise<void>;
}

/** What a proxy takes from a client that is to connect to a target. */
type Converse = (proxy: Probe, target: Readonly<Address>) => Promise<unknown>;

/**
 * Asks a client for a connection and meets it at its proxy. `converse` is what the proxy takes from
 * others, who come once the check is over.
 */
async function meet(
  fixture: Fixture,
  scheme: string,
  converse: Converse,
  userInfo = "",
  proxies: TestListener = fixture.listen(),
): Promise<Meeting> {
  await needsConnection(fixture.subject);
  await needsDestination(fixture.subject);
  const target = await clientTarget(fixture, fixture.backend);
  proxies.attendant = (proxy) => converse(proxy, target.address);
  const client = await accepting(
    fixture,
    `${scheme}://${userInfo}${formatAddress(proxies.address)}`,
  );
  const user = await fixture.dial(client.method.address);
  // A handshake that does not get as far as the request ends the check at once.
  const asked = askAndSpeak(user, target, client.method);
  const never = asked.then(() => Promise.withResolvers<never>().promise);
  const proxy = await Promise.race([proxies.accept(), never]);
  if (proxy === null) throw new Failed("a connection to the proxy", "none comes");
  return { client, target, proxy, user, asked };
}

/** Expects that a connection that a proxy does not make is not made around it. */
async function wentNowhere(user: Probe, backend: TestListener): Promise<void> {
  // Whoever would dial around it has done so before the user's connection ends.
  await user.ended("").catch((error) => {
    if (!(error instanceof Failed)) throw error;
  });
  const around = await backend.uninvited();
  expect(around === 0, "no connection around the proxy", "the target saw one");
}

/** The SOCKS5 request that a client makes to a proxy without authentication. */
async function expectSocks5(proxy: Probe, target: Readonly<Address>): Promise<void> {
  const [, count = 0] = await proxy.receive(2, "a SOCKS5 greeting");
  await proxy.receive(count, "its methods");
  await proxy.send(Uint8Array.of(5, 0));
  await expectSocks5Request(proxy, target);
}

/** The same, with user name and password. */
async function expectSocks5As(
  proxy: Probe,
  target: Readonly<Address>,
  user: string,
  password: string,
): Promise<void> {
  const [, count = 0] = await proxy.receive(2, "a SOCKS5 greeting");
  const methods = await proxy.receive(count, "its methods");
  expect(methods.includes(PASSWORD), "method 2 among those offered", hex(methods));
  await proxy.send(Uint8Array.of(5, PASSWORD));
  const text = new TextEncoder();
  const wanted = credentials(text.encode(user), text.encode(password));
  const got = await proxy.receive(wanted.length, hex(wanted));
  expect(sameBytes(got, wanted), hex(wanted), hex(got));
  await proxy.send(Uint8Array.of(1, 0));
  await expectSocks5Request(proxy, target);
}

function as(user: string, password: string): Converse {
  return (proxy, target) => expectSocks5As(proxy, target, user, password);
}

/** Refuses, and expects that the client does not go around. */
async function refuse(fixture: Fixture, { proxy, user, asked }: Meeting, answer: Uint8Array) {
  await proxy.send(answer);
  proxy[Symbol.dispose]();
  await asked;
  await wentNowhere(user, fixture.backend);
}

/** Expects that a client connects through a proxy of a kind, and not around it when that refuses. */
async function connectsThrough(
  fixture: Fixture,
  scheme: string,
  converse: Converse,
  refusal: Uint8Array,
): Promise<void> {
  const meeting = await meet(fixture, scheme, converse);
  await converse(meeting.proxy, meeting.target.address);
  await refuse(fixture, meeting, refusal);
}

/** Whether the head of a request has credentials. */
function hasCredentials(head: string): boolean {
  return /^proxy-authorization:/im.test(head);
}

/** What a proxy says to a client that gives no credentials, which then may ask again. */
const CHALLENGE: Uint8Array = new TextEncoder().encode(
  "HTTP/1.1 407 Proxy Authentication Required\r\n" +
    'Proxy-Authenticate: Basic realm="check"\r\nContent-Length: 0\r\n\r\n',
);

/** Takes requests until one has credentials, or none comes on this connection any more. */
async function challenge(proxy: Probe, target: Readonly<Address>): Promise<void> {
  while (!hasCredentials(await expectConnect(proxy, target))) await proxy.send(CHALLENGE);
}

/** Where a client asks again, on the same connection or on another one; null when it does not. */
async function askedAgain(proxy: Probe, proxies: TestListener): Promise<Probe | null> {
  const other = proxies.accept();
  const same = proxy.peek().then((arrival) => arrival === "bytes" ? proxy : other);
  return await Promise.race([same, other]);
}

/** The head of a client's request, or of its next one where the first has no credentials. */
async function receiveCredentials(
  { proxy, target }: Meeting,
  proxies: TestListener,
): Promise<string> {
  const first = await expectConnect(proxy, target.address);
  if (hasCredentials(first)) return first;
  await proxy.send(CHALLENGE);
  const again = await askedAgain(proxy, proxies);
  return again === null ? first : await expectConnect(again, target.address);
}

/** Expects that a client gives a SOCKS5 proxy its user name and password. */
async function givesCredentials(fixture: Fixture, user: string, password: string): Promise<void> {
  const converse = as(user, password);
  const { proxy, target } = await meet(fixture, "socks5", converse, `${user}:${password}@`);
  await converse(proxy, target.address);
}

/** Expects that a client makes no connection when nobody listens at its proxy. */
async function failsClosed(fixture: Fixture, scheme: string, target: Target): Promise<void> {
  const dead = await refusingAddress();
  if (dead === null) throw new Skipped("needs a port where nobody listens");
  const client = await accepting(fixture, `${scheme}://${formatAddress(dead)}`);
  const user = await fixture.dial(client.method.address);
  await askAndSpeak(user, target, client.method);
  await wentNowhere(user, fixture.backend);
}

/** The kinds of proxies that tor knows. */
const SCHEMES = ["socks5", "socks4a", "http"] as const;
const SOCKS5_REFUSAL = Uint8Array.of(5, 2, 0, 1, 0, 0, 0, 0, 0, 0);
const SOCKS4_REFUSAL = Uint8Array.of(0, 91, 0, 0, 0, 0, 0, 0);
const HTTP_REFUSAL: Uint8Array = new TextEncoder().encode("HTTP/1.1 403 Forbidden\r\n\r\n");

/** The checks of upstream proxies. */
export const proxyChecks: readonly Check[] = [
  {
    id: "proxy-answered",
    roles: CLIENT,
    title: "answers for a proxy with PROXY DONE or PROXY-ERROR",
    section: "pt-spec 3.3.2",
    level: "MUST",
    async run(fixture) {
      const program = await answer(fixture, `socks5://${formatAddress(fixture.backend.address)}`);
      const answered = program.lines.some(({ message }) =>
        message?.kind === "proxy-done" || message?.kind === "proxy-error"
      );
      expect(answered, "PROXY DONE or PROXY-ERROR", outputOf(program));
    },
  },
  {
    id: "proxy-first",
    roles: CLIENT,
    title: "answers for a proxy before the first method",
    section: "pt-spec 3.3.2",
    level: "MUST",
    async run(fixture) {
      const program = await answer(fixture, `socks5://${formatAddress(fixture.backend.address)}`);
      const kinds = program.lines.map(({ message }) => message?.kind);
      const [done, method] = [kinds.indexOf("proxy-done"), kinds.indexOf("cmethod")];
      if (done === -1) {
        throw new Skipped(`needs a client that accepts a proxy: ${outputOf(program)}`);
      }
      expect(method === -1 || done < method, "PROXY DONE before CMETHOD", outputOf(program));
    },
  },
  {
    id: "proxy-unasked",
    roles: CLIENT,
    title: "says nothing of proxies when there is none",
    section: "pt-spec 3.3.2",
    level: "robustness",
    async run(fixture) {
      const { program } = await fixture.transcript();
      const lines = program.lines.filter(({ text }) => text.startsWith("PROXY"));
      expect(lines.length === 0, "no PROXY line", outputOf(program));
    },
  },
  {
    id: "proxy-scheme",
    roles: CLIENT,
    title: "refuses a kind of proxy that does not exist",
    section: "pt-spec 3.3.2",
    level: "MUST",
    run: (fixture) => refused(fixture, "gopher://127.0.0.1:70"),
  },
  {
    id: "proxy-no-scheme",
    roles: CLIENT,
    title: "refuses a proxy without a kind",
    section: "pt-spec 3.3.2",
    level: "MUST",
    run: (fixture) => refused(fixture, "127.0.0.1:1080"),
  },
  {
    id: "proxy-no-port",
    roles: CLIENT,
    title: "refuses a proxy without a port",
    section: "pt-spec 3.3.2",
    level: "MUST",
    run: (fixture) => refused(fixture, "socks5://127.0.0.1"),
  },
  {
    id: "proxy-host-name",
    roles: CLIENT,
    title: "refuses a proxy that is a host name, which would have to be looked up",
    section: "pt-spec 3.2.2",
    level: "robustness",
    run: (fixture) => refused(fixture, "socks5://localhost:1080"),
  },
  {
    id: "proxy-error-ends",
    roles: CLIENT,
    title: "ends after PROXY-ERROR and says nothing more",
    section: "pt-spec 3.3.2",
    level: "MUST",
    async run(fixture) {
      const program = await refusing(fixture);
      const status = await program.ended();
      expect(status !== null, "the program's end after PROXY-ERROR", endWords(status));
      const last = program.lines.findLast(({ message }) => !isAside(message));
      expect(
        last?.message?.kind === "proxy-error",
        "PROXY-ERROR as the last word",
        outputOf(program),
      );
    },
  },
  {
    id: "proxy-socks5",
    roles: CLIENT,
    title: "connects through a SOCKS5 proxy",
    section: "pt-spec 3.2.2",
    level: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    run: (fixture) => connectsThrough(fixture, "socks5", expectSocks5, SOCKS5_REFUSAL),
  },
  {
    id: "proxy-socks4a",
    roles: CLIENT,
    title: "connects through a SOCKS4a proxy",
    section: "pt-spec 3.2.2",
    level: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    run: (fixture) => connectsThrough(fixture, "socks4a", expectSocks4Request, SOCKS4_REFUSAL),
  },
  {
    id: "proxy-http",
    roles: CLIENT,
    title: "connects through an HTTP proxy",
    section: "pt-spec 3.2.2",
    level: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    run: (fixture) => connectsThrough(fixture, "http", expectConnect, HTTP_REFUSAL),
  },
  {
    id: "proxy-credentials",
    roles: CLIENT,
    title: "gives a SOCKS5 proxy its user name and password",
    section: "RFC 1929 2",
    level: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    run: (fixture) => givesCredentials(fixture, "tor", "test1234"),
  },
  {
    id: "proxy-credentials-raw",
    roles: CLIENT,
    title: "takes a proxy's password as tor writes it, with an @ and a : in it",
    section: "tor get_pt_proxy_uri()",
    level: "robustness",
    hand: "ask the transport for a connection and watch the proxy",
    run: (fixture) => givesCredentials(fixture, "tor", "p@ss:word"),
  },
  {
    id: "proxy-credentials-http",
    roles: CLIENT,
    title: "gives an HTTP proxy its user name and password",
    section: "pt-spec 3.2.2",
    level: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    async run(fixture) {
      const proxies = fixture.listen();
      const meeting = await meet(fixture, "http", challenge, "tor:test1234@", proxies);
      const head = await receiveCredentials(meeting, proxies);
      const line = `Proxy-Authorization: Basic ${btoa("tor:test1234")}`;
      const lines = head.split("\r\n").map((line) => line.replace(/: */, ": "));
      const given = lines.some((other) => other.toLowerCase() === line.toLowerCase());
      expect(given, line, JSON.stringify(head.slice(0, 200)));
    },
  },
  {
    id: "proxy-credentials-socks4a",
    roles: CLIENT,
    title: "gives a SOCKS4a proxy its user id",
    section: "pt-spec 3.2.2",
    level: "robustness",
    hand: "ask the transport for a connection and watch the proxy",
    async run(fixture) {
      const { proxy, target } = await meet(fixture, "socks4a", expectSocks4Request, "tor@");
      const userId = await expectSocks4Request(proxy, target.address);
      expect(userId === "tor", "the user id tor", JSON.stringify(userId));
    },
  },
  {
    id: "proxy-ipv6",
    roles: CLIENT,
    title: "connects through a proxy with an IPv6 address",
    section: "pt-spec 3.2.2",
    level: "robustness",
    hand: "ask the transport for a connection and watch the proxy",
    async run(fixture) {
      const proxies = fixture.listenIpv6();
      const { proxy, target } = await meet(fixture, "socks5", expectSocks5, "", proxies);
      await expectSocks5(proxy, target.address);
    },
  },
  {
    id: "proxy-stalled",
    roles: CLIENT,
    title: "serves a user beside one for whom the proxy does not answer",
    section: "pt-spec 3.2.2",
    level: "robustness",
    hand: "ask the transport for two connections, and answer the second at the proxy",
    async run(fixture) {
      const proxies = fixture.listen();
      const { client, target } = await meet(fixture, "socks5", expectSocks5, "", proxies);
      void askAndSpeak(await fixture.dial(client.method.address), target, client.method).catch(
        () => {},
      );
      const proxy = await proxies.accept();
      expect(proxy !== null, "the next connection at the proxy", "none comes");
      await proxy.receive(2, "a SOCKS5 greeting");
    },
  },
  {
    id: "proxy-fails-closed",
    roles: CLIENT,
    title: "connects nowhere when the proxy is dead",
    section: "pt-spec 3.2.2",
    level: "MUST",
    hand: "ask the transport for a connection and watch the target",
    async run(fixture) {
      await needsConnection(fixture.subject);
      const target = await clientTarget(fixture, fixture.backend);
      const skipped: Skipped[] = [];
      for (const scheme of SCHEMES) {
        await failsClosed(fixture, scheme, target).catch((error) => {
          if (!(error instanceof Skipped)) throw error;
          skipped.push(error);
        });
      }
      const [first] = skipped;
      if (first !== undefined && skipped.length === SCHEMES.length) throw first;
    },
  },
];

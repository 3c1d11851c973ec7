/**
 * Checks of upstream proxies (pt-spec sections 3.2.2 and 3.3.2). The proxies are ours, and none of
 * them lets anything through: what counts is that nothing goes around them.
 *
 * @module
 */

import { type Address, formatAddress, ipToBytes } from "../../address.ts";
import { concat } from "../../net/conn.ts";
import { type Bench, endWords, isDone, methodOf, type Running, said } from "./bench.ts";
import type { Check } from "./check.ts";
import type { Child } from "./child.ts";
import { needsDestination } from "./destination.ts";
import { type Far, refusingAddress } from "./far.ts";
import { clientTarget } from "./route.ts";
import { socksConnect, type Target } from "./socks_connect.ts";
import { request } from "./socks_message.ts";
import { expect, Failed, type Role, Skipped } from "./verdict.ts";
import { hex, type Wire } from "./wire.ts";

const CLIENT: readonly Role[] = ["client"];
const PROXY = "TOR_PT_PROXY";
const LONGEST_HEAD = 4096;

async function answer(bench: Bench, uri: string): Promise<Child> {
  const child = await bench.start({ [PROXY]: uri });
  await child.line(({ message }) =>
    message?.kind === "proxy-error" || message?.kind === "env-error" || isDone("client", message)
  );
  return child;
}

/** Expects a URI to be refused, before any method. */
async function refused(bench: Bench, uri: string): Promise<void> {
  const child = await answer(bench, uri);
  const kinds = child.lines.map(({ message }) => message?.kind);
  const refusal = kinds.some((kind) => kind === "proxy-error" || kind === "env-error");
  const method = methodOf(child, bench.subject.transport);
  expect(refusal && method === null, `PROXY-ERROR for ${uri}, and no CMETHOD`, said(child));
}

/** A client that has said PROXY-ERROR. */
async function refusing(bench: Bench): Promise<Child> {
  for (const uri of ["socks5://127.0.0.1:0:0", "socks5://127.0.0.1:9"]) {
    const child = await answer(bench, uri);
    if (child.lines.some(({ message }) => message?.kind === "proxy-error")) return child;
  }
  throw new Skipped("needs a PROXY-ERROR, for a malformed proxy or for any");
}

/** A client that has accepted a proxy. */
async function accepting(bench: Bench, uri: string): Promise<Running> {
  const child = await answer(bench, uri);
  const method = methodOf(child, bench.subject.transport);
  const accepted = child.lines.some(({ message }) => message?.kind === "proxy-done");
  if (accepted && method !== null) return { child, method };
  throw new Skipped(`needs a client that accepts ${uri.split(":")[0]} proxies: ${said(child)}`);
}

/** One of our proxies, in the middle of a conversation. */
interface Meeting {
  /** Where the client was asked to connect. */
  readonly target: Target;
  /** The proxy's end of the connection. */
  readonly proxy: Wire;
  /** What the client answers to its user. */
  readonly outcome: Promise<number | null>;
}

/** Asks a client for a connection and meets it at its proxy. */
async function meet(bench: Bench, scheme: string, userInfo = ""): Promise<Meeting> {
  await needsDestination(bench.subject);
  const proxies = bench.listen();
  const target = await clientTarget(bench, bench.far);
  const client = await accepting(
    bench,
    `${scheme}://${userInfo}${formatAddress(proxies.address)}`,
  );
  const user = await bench.dial(client.method.address);
  const outcome = socksConnect(user, target).catch((error) => {
    if (error instanceof Failed) return null;
    throw error;
  });
  // A handshake that does not get as far as the request ends the check at once.
  const never = outcome.then(() => Promise.withResolvers<never>().promise);
  const proxy = await Promise.race([proxies.accept(), never]);
  if (proxy === null) throw new Failed("a connection to the proxy", "none comes");
  return { target, proxy, outcome };
}

/** Expects that a request that a proxy refused is refused, and went nowhere else. */
async function wentNowhere(meeting: Meeting, far: Far): Promise<void> {
  meeting.proxy[Symbol.dispose]();
  const outcome = await meeting.outcome;
  expect(outcome !== 0, "a rejection, because the proxy refused", "the connection was granted");
  const around = await far.uninvited();
  expect(around === 0, "no connection around the proxy", "the target saw one");
}

/** The SOCKS5 request that a client makes to a proxy without authentication. */
async function expectSocks5(proxy: Wire, target: Readonly<Address>): Promise<void> {
  const [, count = 0] = await proxy.receive(2, "a SOCKS5 greeting");
  await proxy.receive(count, "its methods");
  await proxy.send(Uint8Array.of(5, 0));
  await expectRequest(proxy, target);
}

async function expectRequest(proxy: Wire, target: Readonly<Address>): Promise<void> {
  const wanted = request(target);
  const got = await proxy.receive(wanted.length, `the SOCKS5 request ${hex(wanted)}`);
  expect(hex(got) === hex(wanted), `the SOCKS5 request ${hex(wanted)}`, hex(got));
  await proxy.send(Uint8Array.of(5, 2, 0, 1, 0, 0, 0, 0, 0, 0));
}

async function readHead(proxy: Wire): Promise<string> {
  let head = "";
  while (!head.endsWith("\r\n\r\n") && head.length < LONGEST_HEAD) {
    head += String.fromCharCode(...await proxy.receive(1, "an HTTP head that ends"));
  }
  return head;
}

/** The checks of upstream proxies. */
export const proxyChecks: readonly Check[] = [
  {
    id: "proxy-answered",
    roles: CLIENT,
    title: "answers for a proxy with PROXY DONE or PROXY-ERROR",
    section: "pt-spec 3.3.2",
    grade: "MUST",
    async run(bench) {
      const child = await answer(bench, `socks5://${formatAddress(bench.far.address)}`);
      const answered = child.lines.some(({ message }) =>
        message?.kind === "proxy-done" || message?.kind === "proxy-error"
      );
      expect(answered, "PROXY DONE or PROXY-ERROR", said(child));
    },
  },
  {
    id: "proxy-first",
    roles: CLIENT,
    title: "answers for a proxy before the first method",
    section: "pt-spec 3.3.2",
    grade: "MUST",
    async run(bench) {
      const child = await answer(bench, `socks5://${formatAddress(bench.far.address)}`);
      const kinds = child.lines.map(({ message }) => message?.kind);
      const [done, method] = [kinds.indexOf("proxy-done"), kinds.indexOf("cmethod")];
      if (done === -1) throw new Skipped(`needs a client that accepts a proxy: ${said(child)}`);
      expect(method === -1 || done < method, "PROXY DONE before CMETHOD", said(child));
    },
  },
  {
    id: "proxy-unasked",
    roles: CLIENT,
    title: "says nothing of proxies when there is none",
    section: "pt-spec 3.3.2",
    grade: "MUST",
    async run(bench) {
      const { child } = await bench.transcript();
      const lines = child.lines.filter(({ text }) => text.startsWith("PROXY"));
      expect(lines.length === 0, "no PROXY line", said(child));
    },
  },
  {
    id: "proxy-scheme",
    roles: CLIENT,
    title: "refuses a kind of proxy that does not exist",
    section: "pt-spec 3.3.2",
    grade: "MUST",
    run: (bench) => refused(bench, "gopher://127.0.0.1:70"),
  },
  {
    id: "proxy-no-scheme",
    roles: CLIENT,
    title: "refuses a proxy without a kind",
    section: "pt-spec 3.2.2",
    grade: "MUST",
    run: (bench) => refused(bench, "127.0.0.1:1080"),
  },
  {
    id: "proxy-no-port",
    roles: CLIENT,
    title: "refuses a proxy without a port",
    section: "pt-spec 3.2.2",
    grade: "MUST",
    run: (bench) => refused(bench, "socks5://127.0.0.1"),
  },
  {
    id: "proxy-host-name",
    roles: CLIENT,
    title: "refuses a proxy that is a host name, which would have to be looked up",
    section: "pt-spec 3.2.2",
    grade: "robustness",
    run: (bench) => refused(bench, "socks5://localhost:1080"),
  },
  {
    id: "proxy-error-ends",
    roles: CLIENT,
    title: "ends behind PROXY-ERROR and says nothing more",
    section: "pt-spec 3.3.2",
    grade: "MUST",
    async run(bench) {
      const child = await refusing(bench);
      const status = await child.ended();
      expect(status !== null, "the program's end behind PROXY-ERROR", endWords(status));
      const last = child.lines.findLast(({ message }) => message?.kind !== "log");
      expect(last?.message?.kind === "proxy-error", "PROXY-ERROR as the last word", said(child));
    },
  },
  {
    id: "proxy-socks5",
    roles: CLIENT,
    title: "connects through a SOCKS5 proxy",
    section: "pt-spec 3.2.2",
    grade: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    async run(bench) {
      const meeting = await meet(bench, "socks5");
      await expectSocks5(meeting.proxy, meeting.target.address);
      await wentNowhere(meeting, bench.far);
    },
  },
  {
    id: "proxy-socks4a",
    roles: CLIENT,
    title: "connects through a SOCKS4a proxy",
    section: "pt-spec 3.2.2",
    grade: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    async run(bench) {
      const meeting = await meet(bench, "socks4a");
      const [host, port] = meeting.target.address;
      const ip = ipToBytes(host);
      if (ip?.length !== 4) throw new Skipped("needs a server that listens at an IPv4 address");
      const wanted = concat(Uint8Array.of(4, 1, port >> 8, port & 0xff), ip);
      const got = await meeting.proxy.receive(8, `the SOCKS4 request ${hex(wanted)}`);
      expect(hex(got) === hex(wanted), `the SOCKS4 request ${hex(wanted)}`, hex(got));
      await meeting.proxy.receive(1, "a user id that ends");
      await meeting.proxy.send(Uint8Array.of(0, 91, 0, 0, 0, 0, 0, 0));
      await wentNowhere(meeting, bench.far);
    },
  },
  {
    id: "proxy-http",
    roles: CLIENT,
    title: "connects through an HTTP proxy",
    section: "pt-spec 3.2.2",
    grade: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    async run(bench) {
      const meeting = await meet(bench, "http");
      const wanted = `CONNECT ${formatAddress(meeting.target.address)} HTTP/1.`;
      const head = await readHead(meeting.proxy);
      expect(head.startsWith(wanted), wanted, JSON.stringify(head.slice(0, 100)));
      await meeting.proxy.send(new TextEncoder().encode("HTTP/1.1 403 Forbidden\r\n\r\n"));
      await wentNowhere(meeting, bench.far);
    },
  },
  {
    id: "proxy-credentials",
    roles: CLIENT,
    title: "gives a SOCKS5 proxy its user name and password",
    section: "RFC 1929 2",
    grade: "MUST",
    hand: "ask the transport for a connection and watch the proxy",
    async run(bench) {
      const { proxy, target } = await meet(bench, "socks5", "tor:test1234@");
      const [, count = 0] = await proxy.receive(2, "a SOCKS5 greeting");
      const methods = await proxy.receive(count, "its methods");
      expect(methods.includes(2), "method 2 among those offered", hex(methods));
      await proxy.send(Uint8Array.of(5, 2));
      const text = new TextEncoder();
      const [user, password] = [text.encode("tor"), text.encode("test1234")];
      const wanted = concat(Uint8Array.of(1, 3), user, Uint8Array.of(8), password);
      const got = await proxy.receive(wanted.length, hex(wanted));
      expect(hex(got) === hex(wanted), hex(wanted), hex(got));
      await proxy.send(Uint8Array.of(1, 0));
      await expectRequest(proxy, target.address);
    },
  },
  {
    id: "proxy-fails-closed",
    roles: CLIENT,
    title: "connects nowhere when the proxy is dead",
    section: "pt-spec 3.2.2",
    grade: "MUST",
    hand: "ask the transport for a connection and watch the target",
    async run(bench) {
      const dead = await refusingAddress();
      if (dead === null) throw new Skipped("needs a port where nobody listens");
      const target = await clientTarget(bench, bench.far);
      const client = await accepting(bench, `socks5://${formatAddress(dead)}`);
      const user = await bench.dial(client.method.address);
      const outcome = await socksConnect(user, target).catch((error) => {
        if (error instanceof Failed) return null;
        throw error;
      });
      expect(outcome !== 0, "a rejection, because the proxy is dead", "the connection was granted");
      const around = await bench.far.uninvited();
      expect(around === 0, "no connection around the proxy", "the target saw one");
    },
  },
];

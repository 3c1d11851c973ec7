/**
 * Rules about known protocols: TLS, TLS within a tunnel, plain HTTP.
 *
 * @module
 */

import { type ClientHello, parseClientHello } from "./client_hello.ts";
import { type Judgement, worst } from "./finding.ts";
import { firstBurst, type Flow } from "./flow.ts";
import { beginsLikeTls } from "./fully_encrypted.ts";
import { type HttpRequest, parseHttpRequest } from "./http_request.ts";
import { knownClient } from "./known_clients.ts";
import { findNestedHandshakes, LAST_START } from "./nested_handshake.ts";
import { type Recording, SITE } from "./recording.ts";
import type { Rule } from "./rule.ts";
import { ja3, ja4 } from "./tls_fingerprint.ts";

/** How many more connections are habit, and how many no more than chance. */
const [HABIT, CHANCE] = [0.5, 0.35];
/** Where a handshake could begin: with any message, or with that of a number. */
const PLACES = [null, ...Array.from({ length: LAST_START + 1 }, (_, start) => start)];

/** The share of connections in which there could be a handshake from some message on. */
function shareOf(flows: readonly Flow[], place: number | null): number {
  if (flows.length === 0) return 0;
  const having = flows.filter((flow) => {
    const starts = findNestedHandshakes(flow);
    return place === null ? starts.length > 0 : starts.includes(place);
  });
  return having.length / flows.length;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function inSome(flows: readonly Flow[], place: number | null, inside: string): string {
  if (flows.length === 0) return "";
  return `, in ${percent(shareOf(flows, place))} of ${flows.length} ${inside}`;
}

/**
 * Judges by how many more connections could have a handshake with HTTPS inside than with text. What
 * a tunnel itself says first can look like one, whatever is inside: so each place counts alone.
 */
function nested(
  https: readonly Flow[],
  text: readonly Flow[],
  tor: readonly Flow[],
): Judgement {
  if (https.length === 0) return { sight: "unclear", figure: "no connection with HTTPS inside" };
  const excesses = PLACES.map((place) => shareOf(https, place) - shareOf(text, place));
  const excess = Math.max(...excesses);
  const place = PLACES[excesses.indexOf(excess)] ?? null;
  const where = place === null ? "" : `from message ${place + 1} on `;
  return {
    sight: excess >= HABIT ? "seen" : excess >= CHANCE ? "unclear" : "clear",
    figure: `${where}in ${percent(shareOf(https, place))} of ${https.length} connections` +
      (text.length > 0
        ? " with HTTPS inside" + inSome(text, place, "with text") + inSome(tor, null, "with tor")
        : ", whatever is inside"),
  };
}

const nestedHandshake: Rule = {
  id: "nested-tls",
  title: "sizes and directions show a TLS handshake inside",
  threshold:
    "half of the connections with HTTPS inside more than of those with text, at the same place",
  source: "Xue et al., USENIX Security 2024",
  limits:
    "These are ranges of sizes; the paper's classifier learns from many flows and finds more. " +
    "What else has such sizes is blocked with it.",
  remedy: "pad or split the first messages of what is inside, in both directions, or put several " +
    "connections into one",
  // What tor says is its own, and says in what order it likes: it is told, and decides nothing.
  judge: ({ captured = [], https = captured, text = [], tor = [] }: Recording) => {
    // Of those in a capture it is not known whether they are in something else.
    const isOpen = captured.length === 0 && https.length > 0 && https.every(isHello) &&
      !text.some(isHello);
    return isOpen
      ? { sight: "clear", figure: "TLS is not inside: it passes as it is" }
      : nested(https, text, tor);
  },
};

function helloOf(flow: Flow): ClientHello | null {
  return parseClientHello(firstBurst(flow, true));
}

function isHello(flow: Flow): boolean {
  return beginsLikeTls(firstBurst(flow, true));
}

/** What ClientHellos tell everybody, in words: all of their fingerprints, and what the first asks for. */
async function describe(
  hello: ClientHello,
  hellos: readonly ClientHello[],
  ja4s: readonly string[],
): Promise<string> {
  const name = hello.serverName === null ? "no name" : `the name ${hello.serverName}`;
  const alpn = hello.alpn.length === 0 ? "no ALPN" : `ALPN ${hello.alpn.join(" ")}`;
  const ja3s = await different(hellos, ja3);
  const three = ja3s.length === 1 ? `JA3 ${ja3s[0]}` : `${ja3s.length} different JA3`;
  const four = ja4s.length === 1 ? `JA4 ${ja4s[0]}` : `${ja4s.length} different JA4`;
  return `${four}, ${three}, ${name}, ${alpn}`;
}

/** The different fingerprints of some kind. */
async function different(
  hellos: readonly ClientHello[],
  fingerprint: (hello: ClientHello) => Promise<string>,
): Promise<string[]> {
  return [...new Set(await Promise.all(hellos.map(fingerprint)))];
}

/** More JA4 than these, and than this share of connections, are those of nobody. */
const [MOST_JA4, SHARE_OF_JA4] = [3, 1 / 8];

const BROKEN = "no ClientHello can be read: whoever reads on sees that";

/** Judges the TLS that is the transport's own. */
async function judgeOwn(flows: readonly Flow[]): Promise<Judgement> {
  const hellos = flows.map(helloOf).filter((hello) => hello !== null);
  const [first] = hellos;
  if (first === undefined) return { sight: "seen", figure: `it begins like TLS, but ${BROKEN}` };
  const ja4s = await different(hellos, ja4);
  const words = await describe(first, hellos, ja4s);
  if (ja4s.length > Math.max(MOST_JA4, SHARE_OF_JA4 * hellos.length)) {
    const figure = `${words}, in ${hellos.length} connections; no program changes what it offers`;
    return { sight: "seen", figure };
  }
  const clients = ja4s.map(knownClient);
  const program = clients.find((client) => client?.isBrowser === false);
  if (program) return { sight: "seen", figure: `${words}; as ${program.name} sends it` };
  const [browser] = clients;
  return browser && !clients.includes(null)
    ? { sight: "clear", figure: `${words}; as ${browser.name} sends it` }
    : { sight: "unclear", figure: `${words}; not a fingerprint that is known here` };
}

/** Judges the TLS that is inside and shows outside. */
function judgeInside(flows: readonly Flow[]): Judgement {
  const start = "TLS inside still begins like TLS outside";
  const [first] = flows.map(helloOf).filter((hello) => hello !== null);
  if (first === undefined) return { sight: "seen", figure: `${start}, but ${BROKEN}` };
  return first.serverName === SITE
    ? { sight: "clear", figure: "TLS inside passes as it is: its fingerprint is its user's" }
    : {
      sight: "seen",
      figure: `${start}; for ${SITE} it asks for ${first.serverName ?? "nobody"}`,
    };
}

/** Judges what shows of tor inside. */
async function judgeTor(flows: readonly Flow[]): Promise<Judgement> {
  const hellos = flows.map(helloOf).filter((hello) => hello !== null);
  const [first] = hellos;
  if (first === undefined) return { sight: "clear", figure: "tor's TLS does not show" };
  const words = await describe(first, hellos, await different(hellos, ja4));
  return { sight: "seen", figure: `tor's own TLS shows: ${words}` };
}

const tls: Rule = {
  id: "tls-fingerprint",
  title: "the ClientHello names the program and the server",
  threshold:
    "a fingerprint of a library that no browser has, or of nobody because it changes all the " +
    "time, or a ClientHello that is none",
  source: "JA3 (Althouse et al., Salesforce, 2017), JA4 (FoxIO, 2023)",
  limits:
    "Few programs are listed here. One that is not may be a browser's, or nobody else's. That " +
    "of a browser is rarer with each of its versions that comes after.",
  remedy: "send what a browser sends, by a library for it such as uTLS, and renew that with it",
  judge: async ({ text = [], random = [], captured = [], https = [], tor = [] }: Recording) => {
    const all = [...text, ...random, ...captured];
    const own = all.filter(isHello);
    if (own.length * 2 > all.length) return await judgeOwn(own);
    const inside = https.filter(isHello);
    if (inside.length * 2 > https.length) {
      return worst([judgeInside(inside), ...tor.length === 0 ? [] : [await judgeTor(tor)]]);
    }
    if (all.length + https.length === 0) return { sight: "unclear", figure: "no connections" };
    return own.length === 0
      ? { sight: "clear", figure: "it is not TLS" }
      : { sight: "unclear", figure: `${own.length} of ${all.length} connections are TLS` };
  },
};

function inWords({ line, headers }: HttpRequest): string {
  return [line, ...headers.map(([name]) => name)].join(", ");
}

const http: Rule = {
  id: "http",
  title: "a request of plain HTTP can be read",
  threshold: "half of the connections begin with one",
  source: "RFC 9112 section 3; every censor reads Host and path",
  limits: "Plain HTTP is ordinary. It shows which site and path, and whatever the headers say.",
  remedy: "put it into TLS, or behind a web server that does",
  judge: ({ text = [], random = [], captured = [] }: Recording) => {
    const flows = [...text, ...random, ...captured];
    const requests = flows.map((flow) => parseHttpRequest(firstBurst(flow, true)))
      .filter((request) => request !== null);
    const [first] = requests;
    if (flows.length === 0) return { sight: "unclear", figure: "no connections" };
    if (first === undefined) return { sight: "clear", figure: "it is not HTTP" };
    return {
      sight: requests.length * 2 >= flows.length ? "seen" : "unclear",
      figure: `${requests.length} of ${flows.length} connections: ${inWords(first)}`,
    };
  },
};

/** The rules, in their order. */
export const protocolRules: readonly Rule[] = [nestedHandshake, tls, http];

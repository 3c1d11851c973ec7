/**
 * What goes through a transport while it is watched. User and service take turns, so that what
 * passes does not depend on how fast anybody is; only in bulk both speak at once.
 *
 * @module
 */

import { closeQuietly, readFull, type StreamConn, writeAll } from "../net/conn.ts";
import { unlessAborted, withDeadline } from "../net/deadline.ts";
import { readHead } from "../net/head.ts";
import { acceptTls, startTls } from "../net/tls.ts";
import { CensorError } from "./censor_error.ts";
import type { Certificate } from "./certificate.ts";
import { type Load, SITE } from "./recording.ts";

/** One connection may take so long, in milliseconds, on the busiest machine. */
const TIMEOUT = 60_000;
/** How often user and service speak in turn. */
const TURNS = 3;
const LONGEST_HEAD = 16_384;
/** How much goes each way in bulk, and how much random bytes there are at a time. */
const [BULK, MOST_RANDOM] = [1024 * 1024, 65_536];

/** What both ends say here. */
export type OwnLoad = Exclude<Load, "tor">;

/** The two ends of a way: a user's connections, and where they arrive. */
export interface Way {
  /** Opens the user's end. */
  open(signal: AbortSignal): Promise<StreamConn>;
  /** The next connection that arrives at the service. */
  accept(): Promise<StreamConn>;
}

/** The two ends of one connection. */
interface Ends {
  readonly user: StreamConn;
  readonly service: StreamConn;
}

/** A whole number of a range, both ends included. */
function between(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least + 1));
}

function randomBytes(least: number, most: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(between(least, most)));
}

const WORDS =
  ("the be to of and a in that have it for not on with he as you do at this but his by " +
    "from they we say her she or an will my one all would there their what so up out if about who " +
    "get which go me when make can like time no just him know take people into year your good some")
    .split(" ");

function words(least: number, most: number): Uint8Array {
  const length = between(least, most);
  let text = "";
  while (text.length < length) text += `${WORDS[between(0, WORDS.length - 1)]} `;
  return new TextEncoder().encode(text.slice(0, length));
}

/** What the user and what the service says in one turn. */
type Turn = () => readonly [Uint8Array, Uint8Array];

const TURN: Readonly<Record<"random" | "text", Turn>> = {
  random: () => [randomBytes(20, 600), randomBytes(20, 1_200)],
  text: () => [words(20, 120), words(40, 400)],
};

/** Receives what was sent, or says that something else came. */
async function receive(conn: StreamConn, sent: Uint8Array): Promise<void> {
  const arrived = await readFull(conn, new Uint8Array(sent.length));
  if (arrived.every((byte, index) => byte === sent[index])) return;
  throw new CensorError(
    "What goes into the transport does not come out of it: are these its halves?",
  );
}

async function takeTurns({ user, service }: Ends, first: Uint8Array, turn: Turn): Promise<void> {
  let question = first;
  for (let left = TURNS; left > 0; left--) {
    const [next, answer] = turn();
    await receive(service, question);
    await Promise.all([writeAll(service, answer), receive(user, answer)]);
    question = next;
    if (left > 1) await writeAll(user, question);
  }
}

/** One connection with turns of some kind. */
async function speak(way: Way, turn: Turn, opened: Set<StreamConn>, signal: AbortSignal) {
  const user = await way.open(signal);
  opened.add(user);
  const [first] = turn();
  await writeAll(user, first); // Some transports wait for it before they tell the service.
  const service = await unlessAborted(way.accept(), signal);
  opened.add(service);
  await takeTurns({ user, service }, first, turn);
}

const REQUEST = `GET / HTTP/1.1\r\nHost: ${SITE}\r\nUser-Agent: ${"M".repeat(90)}\r\n` +
  `Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\r\n`;

async function serve(conn: StreamConn, certificate: Certificate, signal: AbortSignal) {
  const secure = await acceptTls(conn, { ...certificate, signal, alpnProtocols: ["http/1.1"] });
  await readHead(secure, LONGEST_HEAD);
  const page = words(1_000, 20_000);
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${page.length}\r\n\r\n`;
  await writeAll(secure, new TextEncoder().encode(head));
  await writeAll(secure, page);
}

async function fetchPage(conn: StreamConn, { cert }: Certificate, signal: AbortSignal) {
  const options = { hostname: SITE, caCerts: [cert], signal, alpnProtocols: ["http/1.1"] };
  const secure = await startTls(conn, options);
  await writeAll(secure, new TextEncoder().encode(REQUEST));
  const { head, rest } = await readHead(secure, LONGEST_HEAD);
  const [, length] = /content-length: (\d+)/i.exec(new TextDecoder().decode(head)) ?? [];
  await readFull(secure, new Uint8Array(Number(length) - rest.length));
}

/** One connection with a page by HTTPS. */
async function browse(
  way: Way,
  certificate: Certificate,
  opened: Set<StreamConn>,
  signal: AbortSignal,
): Promise<void> {
  const user = await way.open(signal);
  opened.add(user);
  const serving = (async () => {
    const service = await unlessAborted(way.accept(), signal);
    opened.add(service);
    await serve(service, certificate, signal);
  })();
  await Promise.all([serving, fetchPage(user, certificate, signal)]);
}

function bulk(): Uint8Array {
  const bytes = new Uint8Array(BULK);
  for (let at = 0; at < BULK; at += MOST_RANDOM) {
    crypto.getRandomValues(bytes.subarray(at, at + MOST_RANDOM));
  }
  return bytes;
}

/**
 * One connection with many bytes both ways at once. The service takes nothing before all of its own
 * is sent, so that what the user sends has to wait on the way.
 */
async function pour(way: Way, opened: Set<StreamConn>, signal: AbortSignal): Promise<void> {
  const [question, answer] = [bulk(), bulk()];
  const user = await way.open(signal);
  opened.add(user);
  const serving = (async () => {
    const service = await unlessAborted(way.accept(), signal);
    opened.add(service);
    await writeAll(service, answer);
    await receive(service, question);
  })();
  await Promise.all([serving, writeAll(user, question), receive(user, answer)]);
}

/** What is done with one connection of each kind. */
const WORK: Readonly<
  Record<
    OwnLoad,
    (way: Way, opened: Set<StreamConn>, signal: AbortSignal, of: Certificate) => Promise<void>
  >
> = {
  random: (way, opened, signal) => speak(way, TURN.random, opened, signal),
  text: (way, opened, signal) => speak(way, TURN.text, opened, signal),
  https: (way, opened, signal, certificate) => browse(way, certificate, opened, signal),
  bulk: pour,
};

/**
 * Lets one connection pass.
 *
 * @throws {CensorError} When it does not get through.
 */
export async function pass(
  load: OwnLoad,
  way: Way,
  certificate: Certificate,
  signal: AbortSignal | undefined,
): Promise<void> {
  const opened = new Set<StreamConn>();
  const what = `A connection with ${load} inside`;
  try {
    await withDeadline(
      TIMEOUT,
      what,
      signal,
      (signal) => unlessAborted(WORK[load](way, opened, signal, certificate), signal),
    );
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof CensorError || !(cause instanceof Error)) throw cause;
    throw new CensorError(`${what} does not get through the transport: ${cause.message}`, {
      cause,
    });
  } finally {
    opened.forEach(closeQuietly);
  }
}

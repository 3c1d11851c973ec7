/**
 * The upgrade: one request of HTTP/1.1, one answer, and from then on bytes of the user's as they are
 * (RFC 9110 section 7.8).
 *
 * @module
 */

import { prefixed, type StreamConn, writeAll } from "../net/conn.ts";
import { HeadError, readHead } from "../net/head.ts";
import { type HttpHead, isUpgrade, parseHead } from "./http_head.ts";
import { WebTunnelError, type WebTunnelFailure } from "./webtunnel_error.ts";

/** How long the head of an answer may be. Some web sites send many cookies. */
const LONGEST_HEAD = 64 * 1024;

/** How many answers of the kind 1xx may come before the real one. */
const MOST_ANNOUNCED = 16;

/** The words with which every answer begins. */
const BEGINNING = new TextEncoder().encode("HTTP/1.");

/** Both official clients send just these bytes, and ours shall look like them to the server. */
function requestBytes(host: string, path: string): Uint8Array {
  return new TextEncoder().encode(
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: Go-http-client/1.1\r\n` +
      "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
}

function notHttp(): WebTunnelError {
  return new WebTunnelError(
    "no-http",
    "The server does not speak HTTP/1.1: is it another service?",
  );
}

/** Gives up at the first byte that cannot be an answer's: another service may wait for ours. */
function answering(conn: StreamConn): Pick<StreamConn, "read"> {
  let seen = 0;
  return {
    async read(p) {
      const count = await conn.read(p);
      for (let index = 0; index < (count ?? 0) && seen < BEGINNING.length; index++) {
        if (p[index] !== BEGINNING[seen++]) throw notHttp();
      }
      return count;
    },
  };
}

/** An answer, and its status. */
interface Answer extends HttpHead {
  status: number;
}

/** Parses the head of an answer (RFC 9112 section 4). */
function parseAnswer(head: Uint8Array): Answer {
  const parsed = parseHead(head);
  const [, status] = /^HTTP\/1\.[0-9] ([1-9][0-9]{2})(?: .*)?$/s.exec(parsed.line) ?? [];
  if (status === undefined) throw notHttp();
  return { ...parsed, status: Number(status) };
}

/** What an answer means that grants nothing. */
function refusal({ status }: Answer): WebTunnelError {
  const [failure, why]: [WebTunnelFailure, string] = status === 101
    ? ["no-webtunnel", "it switches to another protocol than was asked for"]
    : status === 404 || status === 410
    ? ["wrong-path", "it has nothing at the path of url=, which may be wrong or out of date"]
    : status === 401 || status === 403 || status === 407
    ? ["not-allowed", "it lets nobody in at the path of url="]
    : status >= 502 && status <= 504
    ? ["unavailable", "the WebTunnel server behind it does not run, or takes no upgrade"]
    : status >= 300 && status < 400
    ? ["no-webtunnel", "it redirects elsewhere; url= may be out of date"]
    : status === 400
    ? ["no-webtunnel", "it does not understand us; url= may need https:// or another port"]
    : ["no-webtunnel", "it is a web site there, and no WebTunnel; the path of url= may be wrong"];
  return new WebTunnelError(failure, `The server answered ${status} instead of 101: ${why}`);
}

/** Turns the end of a connection, in whatever way it came, into words. */
function hungUp(cause: unknown): unknown {
  const { BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof } = Deno.errors;
  if (cause instanceof HeadError && cause.reason === "too-long") {
    return new WebTunnelError("no-webtunnel", "The server's answer is too long", { cause });
  }
  const ends = [HeadError, BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
  if (!ends.some((end) => cause instanceof end)) return cause;
  const words = "The server hung up instead of answering; the path of url= may be wrong";
  return new WebTunnelError("hung-up", words, { cause });
}

/** Reads answers until one is the real one, and returns what is behind it. */
async function readAnswer(conn: StreamConn): Promise<[Answer, StreamConn]> {
  let stream = conn;
  for (let announced = 0; announced <= MOST_ANNOUNCED; announced++) {
    const { head, rest } = await readHead(answering(stream), LONGEST_HEAD);
    stream = prefixed(stream, rest);
    const answer = parseAnswer(head);
    if (answer.status >= 200 || answer.status === 101) return [answer, stream];
  }
  throw new WebTunnelError("no-webtunnel", "The server announces an answer for ever");
}

/**
 * Asks a server for the tunnel. Nothing follows the request before the answer is there: the official
 * server would lose it.
 *
 * @param conn A connection to the server. After an error it is of no more use; the caller closes it,
 * and sees to a deadline.
 * @param host The value of `Host`.
 * @param path The path, escaped.
 * @returns The tunnel. What came along with the answer is the first of it.
 * @throws {WebTunnelError} When something else came instead.
 * @throws {Error} What the connection throws.
 */
export async function upgrade(conn: StreamConn, host: string, path: string): Promise<StreamConn> {
  try {
    await writeAll(conn, requestBytes(host, path));
    const [answer, stream] = await readAnswer(conn);
    if (answer.status !== 101 || !isUpgrade(answer)) throw refusal(answer);
    return stream;
  } catch (error) {
    throw hungUp(error);
  }
}

/** WebTunnel's server: what anybody may send to it (`webtunnel/`), in memory. */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import type { ServerContext } from "../../run/transport.ts";
import { webtunnel } from "../../webtunnel/mod.ts";
import { GRANTED } from "../webtunnel/test_bridge.ts";
import { bytesOf, editedBytes, rarely } from "./arbitraries.ts";
import { headOf, isWebTunnel } from "./http_reference.ts";
import {
  type Arrival,
  arrival,
  DRIBBLE,
  type End,
  end,
  everyArrival,
  MemoryConn,
  readAll,
  replace,
  WHOLE,
} from "./memory_conn.ts";
import { forAllAsync, type NamedProperty } from "./property.ts";

const SITE_ANSWER = bytesOf("HTTP/1.1 404 Not Found\r\n\r\n");

/** What became of a connection. */
type Fate =
  | { tunnel: number[] }
  | { site: number[] }
  | { refused: string }
  | { lost: true };

/** Hands a connection to a server, alone or behind a reverse proxy. */
async function serve(
  all: Uint8Array,
  sizes: Arrival,
  end: End,
  way: "alone" | "behind",
): Promise<Fate> {
  const conn = new MemoryConn(all, sizes, end);
  const site = new MemoryConn(Uint8Array.from(SITE_ANSWER), sizes);
  using _connect = replace(Deno, {
    connect: () => Promise.resolve(Object.assign(site, { setKeepAlive() {} })),
  });
  using _granted = replace(Deno.permissions, {
    query: () => Promise.resolve({ state: "granted" }),
  });
  const waiting: Promise<unknown>[] = [];
  const options = new URLSearchParams({ url: "http://pt.example/secret", "trusted-hops": "1" });
  if (way === "alone") options.set("fallback", "127.0.0.1:1");
  const context: ServerContext = {
    state_loc: "/nonexistent/state",
    stateDirectory: () => Promise.reject(new Error("none")),
    flags: {},
    signal: new AbortController().signal,
    options,
    args: new URLSearchParams(),
    clientAddress: ["192.0.2.1", 1],
    waitUntil: (promise) => void waiting.push(promise),
  };
  const transport = webtunnel();
  await transport.publish!(context);
  let result;
  try {
    result = await transport.server!(conn, context);
  } catch (error) {
    assert(error instanceof Deno.errors.ConnectionReset, String(error));
    assertEquals(conn.written, []);
    return { lost: true };
  }
  if (result !== null) {
    assert("conn" in result);
    assertEquals(String.fromCharCode(...conn.written), GRANTED);
    const behind = await readAll(result.conn);
    result.conn.close();
    assert(conn.closed);
    return { tunnel: behind };
  }
  await Promise.all(waiting).catch(() => {});
  if (way === "behind") return { refused: String.fromCharCode(...conn.written) };
  assertEquals(conn.written, [...SITE_ANSWER].slice(0, conn.written.length));
  if (end === "end") assertEquals(conn.written.length, SITE_ANSWER.length);
  assert(conn.closed && site.closed);
  return { site: site.written };
}

/** What has to become of it, by the grammar of RFC 9112. */
function reference(all: Uint8Array, end: End, way: "alone" | "behind"): Fate {
  const text = Array.from(all, (byte) => String.fromCharCode(byte)).join("");
  const other = (isAnswered: boolean): Fate => {
    if (way === "alone") return { site: [...all] };
    const answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    return { refused: isAnswered ? answer : "" };
  };
  if (!"GET /".startsWith(text.slice(0, 5))) return other(true);
  const head = headOf(text);
  // What comes behind 16 KiB is not looked at.
  const seen = (head ?? text).slice(0, 16_384);
  // deno-lint-ignore no-control-regex -- what no head may have is what is looked for
  if (/[\0-\x08\x0b\x0c\x0e-\x1f]/.test(seen)) return other(true);
  const [line = ""] = seen.split("\n", 1);
  if (line.length > 600) return other(true);
  if (seen.includes("\n") && !/^GET \S+ HTTP\/1\.[01]\r?$/.test(line)) return other(true);
  if (head === undefined || head.length > 16_384) {
    if (all.length >= 16_384) return other(true);
    return end === "reset" ? { lost: true } : other(false);
  }
  if (isWebTunnel(head) && (way === "behind" || /^GET \/secret HTTP\/1\.1\r?\n/.test(head))) {
    return { tunnel: [...all.slice(head.length)] };
  }
  return other(true);
}

const field = fc.constantFrom(
  "Host: pt.example",
  "Connection: upgrade",
  "connection:keep-alive , Upgrade",
  "CONNECTION: close",
  "Connection: up\r\n grade",
  "Connection:\r\n\tupgrade",
  "Upgrade: websocket",
  "upgrade: WebSocket, h2c",
  "Upgrade: h2c",
  "X-Forwarded-For: 203.0.113.9",
  "no field",
  ": x",
  "X: \xff\0",
);
const asking = ["Host: pt.example", "Connection: upgrade", "Upgrade: websocket"];
const requestLine = fc.oneof(
  { arbitrary: fc.constant("GET /secret HTTP/1.1"), weight: 4 },
  fc.constantFrom(
    "GET /secret HTTP/1.0",
    "GET /secret HTTP/2",
    "GET /Secret HTTP/1.1",
    "GET /secret/ HTTP/1.1",
    "GET / HTTP/1.1",
    "GET //secret HTTP/1.1",
    "GET  /secret HTTP/1.1",
    "GET /secret  HTTP/1.1",
    "GET /secret HTTP/1.1 ",
    "get /secret HTTP/1.1",
    "POST /secret HTTP/1.1",
    "GET http://pt.example/secret HTTP/1.1",
    "GET /secret\r HTTP/1.1",
  ),
);
const request = fc.tuple(
  requestLine,
  fc.oneof(
    fc.constant(asking),
    fc.shuffledSubarray(asking),
    fc.array(field, { maxLength: 5 }),
  ),
  fc.constantFrom("\r\n", "\r\n", "\r\n", "\n"),
).map(([line, fields, end]) => [line, ...fields, "", ""].join(end));

/** Requests, right and nearly so, with something behind them, and what is none. */
const sent = fc.oneof(
  {
    arbitrary: editedBytes(
      fc.tuple(request, fc.string({ maxLength: 20 })).map((parts) => bytesOf(parts.join(""))),
    ),
    weight: 8,
  },
  {
    arbitrary: fc.tuple(request, rarely(fc.constantFrom(16_000, 16_384, 20_000), 20)).map((
      [request, long],
    ) =>
      Uint8Array.from(
        bytesOf(long === null ? request : request.replace("\n", `\nX: ${"x".repeat(long)}\n`)),
      )
    ),
    weight: 1,
  },
  fc.constantFrom(
    Uint8Array.of(22, 3, 1, 0, 165, 1, 0, 0, 161, 3, 3),
    Uint8Array.from(bytesOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
    Uint8Array.from(bytesOf("SSH-2.0-OpenSSH_9.2\r\n")),
    Uint8Array.from(bytesOf("CONNECT pt.example:443 HTTP/1.1\r\n\r\n")),
    Uint8Array.of(5, 1, 0),
  ),
  fc.uint8Array({ maxLength: 60 }),
);

const way = fc.constantFrom("alone", "behind");

/** The properties of WebTunnel's server. */
export const webtunnelServerProperties: NamedProperty[] = [
  forAllAsync(
    "what comes to WebTunnel's server goes into the tunnel or to the web site, however it arrives",
    fc.tuple(sent, arrival, end, way),
    async ([sent, arrival, end, way]) => {
      const expected = reference(sent, end, way);
      for (const sizes of [WHOLE, arrival, DRIBBLE]) {
        assertEquals(await serve(sent, sizes, end, way), expected);
      }
    },
  ),
  forAllAsync(
    "what comes to WebTunnel's server goes the same way for each place to split it at",
    fc.tuple(sent.filter(({ length }) => length < 150), end, way),
    async ([sent, end, way]) => {
      const expected = reference(sent, end, way);
      for (const sizes of everyArrival(sent.length)) {
        assertEquals(await serve(sent, sizes, end, way), expected);
      }
    },
    20,
  ),
];

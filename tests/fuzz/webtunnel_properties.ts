/** WebTunnel's client: bridge lines, and what a server may answer (`webtunnel/`), in memory. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { ipToBytes } from "../../address.ts";
import { readBridge } from "../../webtunnel/arguments.ts";
import { upgrade } from "../../webtunnel/upgrade.ts";
import { WebTunnelError } from "../../webtunnel/webtunnel_error.ts";
import { bytesOf, editedBytes, rarely, text } from "./arbitraries.ts";
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
  WHOLE,
} from "./memory_conn.ts";
import { forAllAsync, type NamedProperty } from "./property.ts";

/** What came of asking: what failed, or the bytes behind the answer. */
type Asked = { failure: string } | { behind: number[] };

const REQUEST = "GET /secret HTTP/1.1\r\nHost: pt.example\r\nUser-Agent: Go-http-client/1.1\r\n" +
  "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n";

async function ask(answer: Uint8Array, sizes: Arrival, end: End): Promise<Asked> {
  const conn = new MemoryConn(answer, sizes, end);
  try {
    return { behind: await readAll(await upgrade(conn, "pt.example", "/secret")) };
  } catch (error) {
    assert(error instanceof WebTunnelError, String(error));
    assertMatch(error.message, /^[ -~]{1,200}$/);
    assert(!/pt\.example|secret/.test(error.message), error.message);
    return { failure: error.failure };
  } finally {
    assertEquals(String.fromCharCode(...conn.written), REQUEST);
  }
}

/** What an answer comes to, by its grammar. */
function reference(answer: Uint8Array): Asked {
  let rest = Array.from(answer, (byte) => String.fromCharCode(byte)).join("");
  for (let announced = 0; announced < 17; announced++) {
    const beginning = rest.slice(0, 7);
    if (!"HTTP/1.".startsWith(beginning)) return { failure: "no-http" };
    const head = headOf(rest);
    if (head === undefined || head.length > 65_536) {
      return { failure: rest.length >= 65_536 ? "no-webtunnel" : "hung-up" };
    }
    rest = rest.slice(head.length);
    const status = Number(/^HTTP\/1\.\d ([1-9]\d\d)(?: [^\n]*)?\r?\n/.exec(head)?.[1] ?? NaN);
    if (Number.isNaN(status)) return { failure: "no-http" };
    if (status === 101) {
      return isWebTunnel(head)
        ? { behind: Array.from(rest, (char) => char.charCodeAt(0)) }
        : { failure: "no-webtunnel" };
    }
    if (status < 200) continue;
    const failures: Record<string, string> = {
      404: "wrong-path",
      410: "wrong-path",
      401: "not-allowed",
      403: "not-allowed",
      407: "not-allowed",
      502: "unavailable",
      503: "unavailable",
      504: "unavailable",
    };
    return { failure: failures[status] ?? "no-webtunnel" };
  }
  return { failure: "no-webtunnel" };
}

const line = fc.constantFrom("\r\n", "\r\n", "\r\n", "\n");
const field = fc.oneof(
  {
    arbitrary: fc.constantFrom(
      "Connection: upgrade",
      "connection:keep-alive , Upgrade",
      "CONNECTION: close",
      "Upgrade: websocket",
      "upgrade: WebSocket, h2c",
      "Upgrade: h2c",
    ),
    weight: 6,
  },
  { arbitrary: fc.constantFrom("Server: nginx", "no field", ": x", "X: \xff\0", "X:"), weight: 1 },
);
const granting = ["Connection: upgrade", "Upgrade: websocket"];
const status = fc.constantFrom(
  101,
  101,
  101,
  100,
  103,
  200,
  301,
  400,
  404,
  403,
  502,
  999,
  20,
  2000,
);
const head = fc.tuple(
  fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2", "ICY"),
  status,
  fc.constantFrom(" Switching Protocols", "", " ", "x"),
  fc.oneof(fc.constant(granting), fc.array(field, { maxLength: 4 })),
  line,
).map(([protocol, status, words, fields, end]) =>
  [`${protocol} ${status}${words}`, ...fields, "", ""].join(end)
);

/** Answers, right and nearly so, and what is none: of TLS, of HTTP/2, of others. */
const answer = fc.oneof(
  {
    arbitrary: editedBytes(
      fc.tuple(fc.array(head, { maxLength: 3 }), fc.string({ maxLength: 20 }))
        .map(([heads, behind]) => bytesOf(heads.join("") + behind)),
    ),
    weight: 8,
  },
  {
    arbitrary: fc.tuple(head, rarely(fc.constantFrom(65_000, 65_536, 70_000), 20)).map((
      [head, long],
    ) =>
      Uint8Array.from(
        bytesOf(long === null ? head : head.replace("\n", `\nX: ${"x".repeat(long)}\n`)),
      )
    ),
    weight: 1,
  },
  fc.constantFrom(
    Uint8Array.of(21, 3, 1, 0, 2, 2, 70),
    Uint8Array.from(bytesOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
    Uint8Array.from(bytesOf("HTTP/1.1 100 x\r\n\r\n".repeat(20))),
  ),
  fc.uint8Array({ maxLength: 60 }),
);

const host = fc.oneof(
  fc.constantFrom("pt.example", "[::1]", "192.0.2.7", "127.1", "bücher.example", "a..b", ""),
  text,
);
const value = fc.oneof(
  fc.tuple(
    fc.constantFrom("https://", "HTTP://", "ftp://", "//", ""),
    rarely(fc.constantFrom("user@", "user:word@"), 8),
    host,
    fc.oneof(fc.constantFrom("", ":443", ":0", ":"), text.map((text) => `:${text}`)),
    fc.oneof(fc.constantFrom("", "/", "/a%20b", "/%zz", "/../x"), text.map((text) => `/${text}`)),
  ).map((parts) => parts.join("")),
  fc.tuple(host, fc.constantFrom("", ":443", ":x")).map((parts) => parts.join("")),
  fc.array(host, { maxLength: 3 }).map((hosts) => hosts.join()),
  fc.uint8Array({ minLength: 31, maxLength: 33 }).map((bytes) => bytes.toBase64()),
);
const bridgeLine = fc.tuple(
  fc.oneof(value, fc.constantFrom("https://pt.example/", "http://pt.example/")),
  fc.array(
    fc.tuple(
      fc.constantFrom("url", "addr", "servername", "sni-imitation", "cert-domain", "cert"),
      value,
    ),
    { maxLength: 3 },
  ),
).map(([url, more]) => new URLSearchParams([["url", url], ...more]));

/** Whether it can be connected to, sent as `Host`, or verified, and nothing breaks out of it. */
function isHost(host: string): boolean {
  return ipToBytes(host) !== null || /^[\w.-]+$/.test(host);
}

/** The properties of `webtunnel/`. */
export const webtunnelProperties: NamedProperty[] = [
  forAllAsync(
    "an answer to WebTunnel's request comes to what RFC 9112 says, however it arrives",
    fc.tuple(answer, arrival, end),
    async ([answer, arrival, end]) => {
      const expected = reference(answer);
      for (const sizes of [WHOLE, arrival, DRIBBLE]) {
        assertEquals(await ask(answer, sizes, end), expected);
      }
    },
  ),
  forAllAsync(
    "an answer to WebTunnel's request comes to the same for each place to split it at",
    fc.tuple(answer.filter(({ length }) => length < 150), end),
    async ([answer, end]) => {
      const expected = reference(answer);
      for (const sizes of everyArrival(answer.length)) {
        assertEquals(await ask(answer, sizes, end), expected);
      }
    },
    20,
  ),
  forAllAsync(
    "a bridge line of WebTunnel gives what can be asked for, or an error without its values",
    bridgeLine,
    (args) => {
      try {
        const { address: [host, port], host: asked, path, tls } = readBridge(args);
        assert(isHost(host) && isHost(asked), `${host} ${asked}`);
        assert(Number.isInteger(port) && port >= 1 && port <= 65_535, String(port));
        assertMatch(path, /^\/[!-~]*$/);
        for (const name of [...tls?.names ?? [], tls?.verified ?? "x"]) assert(isHost(name), name);
        for (const pin of tls?.pins ?? []) assertEquals(Uint8Array.fromBase64(pin).length, 32);
      } catch (error) {
        assert(error instanceof WebTunnelError, String(error));
        assertEquals(error.failure, "bridge-line");
        assertMatch(error.message, /^[ -~]{1,200}$/);
        for (const value of args.values()) {
          const own = /https?:\/\/|sni-imitation=|servername=/g;
          assert(
            value.length < 8 || !error.message.replace(own, "").includes(value),
            error.message,
          );
        }
      }
      return Promise.resolve();
    },
  ),
];

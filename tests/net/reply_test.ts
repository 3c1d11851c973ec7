import { assertEquals } from "@std/assert";
import { HttpConnectError, SocksReplyError } from "../../net/proxy.ts";
import { replyFor } from "../../net/mod.ts";

function coded(code: string): Error {
  return Object.assign(new Error("from the system"), { code });
}

/** A refused connection that has something else to reply. */
function replying(reply: unknown): Error {
  return Object.assign(new Deno.errors.ConnectionRefused(), { reply });
}

const REPLIES: readonly [what: string, error: unknown, reply: number][] = [
  ["a refused connection", new Deno.errors.ConnectionRefused(), 5],
  ["a refused connection of node", coded("ECONNREFUSED"), 5],
  ["a reset", new Deno.errors.ConnectionReset(), 5],
  ["an unreachable network", new Deno.errors.NetworkUnreachable(), 3],
  ["an unreachable network of node", coded("ENETUNREACH"), 3],
  ["a source address nobody has", new Deno.errors.AddrNotAvailable(), 1],
  ["an unreachable host", coded("EHOSTUNREACH"), 4],
  [
    "a name that is not found",
    new Error("failed to lookup address information: Name or service not known"),
    4,
  ],
  ["a name that is not found by node", coded("ENOTFOUND"), 4],
  ["the system's time-out", new Deno.errors.TimedOut(), 6],
  ["the time-out of node", coded("ETIMEDOUT"), 6],
  ["our deadline", new DOMException("it took longer than 1 s", "TimeoutError"), 6],
  ["a missing permission", new Deno.errors.NotCapable(), 2],
  ["a firewall", new Deno.errors.PermissionDenied(), 2],
  ["a SOCKS5 proxy's own reply", new SocksReplyError(7), 7],
  ["a SOCKS5 reply that RFC 1928 does not know", new SocksReplyError(200), 1],
  ["a SOCKS4 proxy's rejection", new SocksReplyError(91), 1],
  ["a SOCKS4 proxy's wrong user", new SocksReplyError(93), 2],
  ["an HTTP proxy that wants a password", new HttpConnectError(407, "Authenticate"), 2],
  ["an HTTP proxy that forbids", new HttpConnectError(403, "Forbidden"), 2],
  ["an HTTP proxy that cannot reach it", new HttpConnectError(502, "Bad Gateway"), 4],
  ["an HTTP proxy that waited too long", new HttpConnectError(504, "Gateway Timeout"), 6],
  ["an HTTP proxy with another trouble", new HttpConnectError(500, "Oops"), 1],
  ["an abort", new DOMException("gone", "AbortError"), 1],
  ["an error that says nothing", new Error("no"), 1],
  ["an error named like a property of every object", coded("toString"), 1],
  ["the reply itself", 7, 7],
  ["the reply that grants", 0, 1],
  ["a number that is no reply", 256 + 5, 1],
  ["the first number that is no reply", 9, 1],
  ["the last reply", 8, 8],
  ["the first reply that an error says of itself", replying(1), 1],
  ["an error whose reply is no whole number", replying(4.5), 5],
  ["an error whose reply is a text", replying("4"), 5],
  [
    "words about a look-up of somebody else's",
    new Error("it said: failed to lookup address information"),
    1,
  ],
  ["what is no error", { code: "ECONNREFUSED" }, 1],
  ["nothing", undefined, 1],
];

for (const [what, error, reply] of REPLIES) {
  Deno.test(`replyFor() answers ${reply} to ${what}`, () => {
    assertEquals(replyFor(error), reply);
  });
}

Deno.test("replyFor() asks the cause when the error itself says nothing", () => {
  const refused = new Deno.errors.ConnectionRefused();
  const error = new Error("outer", { cause: new Error("inner", { cause: refused }) });
  assertEquals(replyFor(error), 5);
});

Deno.test("replyFor() prefers what the outer error says", () => {
  assertEquals(replyFor(new SocksReplyError(4)), 4);
  const error = Object.assign(new SocksReplyError(4), { cause: new Deno.errors.TimedOut() });
  assertEquals(replyFor(error), 4);
});

Deno.test("replyFor() ends on causes that go round in a circle", () => {
  const error = new Error("round");
  error.cause = error;
  assertEquals(replyFor(error), 1);
});

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { upgrade } from "../../webtunnel/upgrade.ts";
import { HeadError } from "../../net/head.ts";
import { WebTunnelError, type WebTunnelFailure } from "../../webtunnel/webtunnel_error.ts";
import { bytes, takeText } from "../net/scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";
import { AnsweringConn, arrivals } from "./answering_conn.ts";

const FIELDS = "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const GRANTED = `HTTP/1.1 101 Switching Protocols\r\n${FIELDS}`;

Deno.test("upgrade() sends the bytes that both official clients send, and then reads", async () => {
  const conn = new AnsweringConn([bytes(GRANTED)]);
  await upgrade(conn, "pt.example", "/a%20b/c");
  const request = "GET /a%20b/c HTTP/1.1\r\nHost: pt.example\r\n" +
    "User-Agent: Go-http-client/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
  assertEquals([conn.beforeReading, conn.written], [request, request]);
});

const GRANTS: readonly [what: string, answer: string][] = [
  ["the official server's answer", GRANTED],
  ["names and values in any case", GRANTED.toLowerCase().replace("http", "HTTP")],
  ["other words behind 101", GRANTED.replace("Switching Protocols", "Go ahead")],
  ["no words behind 101", GRANTED.replace(" Switching Protocols", " ")],
  ["not even a space behind 101", GRANTED.replace(" Switching Protocols", "")],
  ["HTTP/1.0", GRANTED.replace("1.1", "1.0")],
  ["line ends of LF", GRANTED.replaceAll("\r\n", "\n")],
  ["a list in Connection", GRANTED.replace("upgrade", "keep-alive, Upgrade")],
  ["a list without spaces", GRANTED.replace("upgrade", "keep-alive,,upgrade,")],
  ["two lines of Connection", GRANTED.replace("Upgrade", "Connection: keep-alive\r\nUpgrade")],
  ["other fields", GRANTED.replace("Upgrade", "Server: nginx\r\nno field\r\n: x\r\nUpgrade")],
  ["a folded field", GRANTED.replace("upgrade\r\n", "keep-alive,\r\n\t upgrade\r\n")],
  ["no space behind a colon", GRANTED.replaceAll(": ", ":")],
  ["spaces around a value", GRANTED.replace(": websocket", ": \t websocket \t")],
  ["bytes that are no text", GRANTED.replace("Upgrade", "X: \xff\0\u4e16\r\nUpgrade")],
  ["a 100 before it", `HTTP/1.1 100 Continue\r\n\r\n${GRANTED}`],
  ["several 1xx before it", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n".repeat(16) + GRANTED],
];

for (const [what, answer] of GRANTS) {
  Deno.test(`upgrade() takes ${what}, and keeps what is behind it, however it arrives`, async () => {
    for (const chunks of arrivals(bytes(`${answer}hello\r\n\r\n`))) {
      const tunnel = await upgrade(new AnsweringConn(chunks, "end"), "pt.example", "/");
      assertEquals(await readToEnd(tunnel), bytes("hello\r\n\r\n"));
    }
  });
}

Deno.test("upgrade() takes a head of 64 KiB, and the connection as it is", async () => {
  const long = `X: ${"x".repeat(64 * 1024 - GRANTED.length - 5)}\r\n`;
  const conn = new AnsweringConn([bytes(GRANTED.replace("Upgrade", `${long}Upgrade`))]);
  assertStrictEquals(await upgrade(conn, "pt.example", "/"), conn);
});

Deno.test("upgrade() waits for no byte behind the answer", async () => {
  const tunnel = await upgrade(new AnsweringConn([bytes(`${GRANTED}hello`)]), "pt.example", "/");
  assertEquals(await takeText(tunnel, 5), "hello");
});

/** An answer of a web site. */
const site = (status: string) => `HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\nhello`;

const REFUSALS: readonly [answer: string, failure: WebTunnelFailure, words: string][] = [
  [site("404 Not Found"), "wrong-path", "answered 404 instead of 101: it has nothing at the path"],
  [site("410 Gone"), "wrong-path", "answered 410"],
  [site("200 OK"), "no-webtunnel", "answered 200 instead of 101: it is a web site"],
  [site("204 No Content"), "no-webtunnel", "it is a web site"],
  [site("426 Upgrade Required"), "no-webtunnel", "it is a web site"],
  [site("500 Oh"), "no-webtunnel", "it is a web site"],
  [site("300 Multiple Choices"), "no-webtunnel", "it redirects elsewhere"],
  [site("301 Moved Permanently"), "no-webtunnel", "it redirects elsewhere"],
  [site("308 Permanent Redirect"), "no-webtunnel", "it redirects elsewhere"],
  [site("400 Bad Request"), "no-webtunnel", "url= may need https://"],
  [site("401 Unauthorized"), "not-allowed", "it lets nobody in"],
  [site("403 Forbidden"), "not-allowed", "it lets nobody in"],
  [site("407 Proxy Authentication Required"), "not-allowed", "it lets nobody in"],
  [site("502 Bad Gateway"), "unavailable", "the WebTunnel server behind it does not run"],
  [site("503 Service Unavailable"), "unavailable", "does not run"],
  [site("504 Gateway Timeout"), "unavailable", "does not run"],
  [site("101 Switching Protocols"), "no-webtunnel", "switches to another protocol"],
  [GRANTED.replace("upgrade", "keep-alive"), "no-webtunnel", "switches to another protocol"],
  [GRANTED.replace("upgrade", "no-upgrade"), "no-webtunnel", "switches to another protocol"],
  [GRANTED.replace("websocket", "h2c"), "no-webtunnel", "switches to another protocol"],
  [GRANTED.replace("Upgrade", "X-Upgrade"), "no-webtunnel", "switches to another protocol"],
  [`HTTP/1.1 100 Continue\r\n\r\n${site("404 Not Found")}`, "wrong-path", "answered 404"],
  ["SSH-2.0-OpenSSH_9.2\r\n", "no-http", "does not speak HTTP/1.1"],
  ["\r\n", "no-http", "does not speak HTTP/1.1"],
  ["220 mail.example ESMTP\r\n", "no-http", "does not speak HTTP/1.1"],
  ["\x15\x03\x01\0\x02\x02\x46", "no-http", "does not speak HTTP/1.1"],
  ["\0\0\x12\x04\0\0\0\0\0\0\0", "no-http", "does not speak HTTP/1.1"],
  ["HTTP/2 101\r\n", "no-http", "does not speak HTTP/1.1"],
  [`HTTP/1.1 1010\r\n${FIELDS}`, "no-http", "does not speak HTTP/1.1"],
  [`HTTP/1.1101\r\n${FIELDS}`, "no-http", "does not speak HTTP/1.1"],
  [`HTTP/1.1 099 x\r\n${FIELDS}`, "no-http", "does not speak HTTP/1.1"],
  [`HTTP/1.1\r\n 101 x\r\n${FIELDS}`, "no-http", "does not speak HTTP/1.1"],
  [`HTTP/1.1 100 Continue\r\n\r\nSSH-`, "no-http", "does not speak HTTP/1.1"],
];

for (const [answer, failure, words] of REFUSALS) {
  const name = JSON.stringify(answer).slice(0, 60);
  Deno.test(`upgrade() says of ${name}: ${failure}, as soon as it can`, async () => {
    for (const chunks of arrivals(bytes(answer))) {
      const asking = () => upgrade(new AnsweringConn(chunks), "pt.example", "/secret");
      const error = await assertRejects(asking, WebTunnelError, words);
      assertEquals(error.failure, failure);
      for (const name of ["pt.example", "secret", "mail", "OpenSSH"]) {
        assertEquals(error.message.includes(name), false);
      }
    }
  });
}

const HUNG_UP: readonly [answer: string, end: "end" | Error][] = [
  ["", "end"],
  ["HTTP/1.1 101 Switching Protocols\r\n", "end"],
  ["HTTP/1.1 100 Continue\r\n\r\n", "end"],
  ["", new Deno.errors.ConnectionReset("reset")],
  ["", new Deno.errors.ConnectionAborted("aborted")],
  ["", new Deno.errors.BrokenPipe("broken")],
  ["HTTP/1.1 1", new Deno.errors.UnexpectedEof("no close_notify")],
];

for (const [answer, end] of HUNG_UP) {
  const how = end === "end" ? "an end" : end.name;
  Deno.test(`upgrade() says that the server hung up at ${how} behind "${answer.trim()}"`, async () => {
    for (const chunks of arrivals(bytes(answer))) {
      const asking = () => upgrade(new AnsweringConn(chunks, end), "pt.example", "/");
      const error = await assertRejects(asking, WebTunnelError, "hung up instead of answering");
      assertEquals([error.failure, error.reply], ["hung-up", 5]);
      if (end !== "end") assertStrictEquals(error.cause, end);
    }
  });
}

Deno.test("upgrade() passes on what else the connection throws", async () => {
  const broken = new RangeError("of a transport");
  const asking = () => upgrade(new AnsweringConn([], broken), "pt.example", "/");
  assertStrictEquals(await asking().catch((error) => error), broken);
});

Deno.test("upgrade() reads no answer that is too long, and none that is announced for ever", async () => {
  const endless = (piece: string) => Array.from({ length: 2_000 }, () => bytes(piece));
  const long = [bytes("HTTP/1.1 101 x\r\n"), ...endless(`X: ${"x".repeat(1020)}\r\n`)];
  const rows = [
    [long, "too long"],
    [endless("HTTP/1.1 100 Continue\r\n\r\n"), "for ever"],
  ] as const;
  for (const [chunks, words] of rows) {
    const asking = () => upgrade(new AnsweringConn(chunks), "pt.example", "/");
    const { failure, cause } = await assertRejects(asking, WebTunnelError, words);
    assertEquals([failure, cause instanceof HeadError], ["no-webtunnel", words === "too long"]);
  }
});

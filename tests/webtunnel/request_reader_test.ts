import { assert, assertEquals, assertRejects } from "@std/assert";
import { memoryPair, streamConnContract } from "../../testing/mod.ts";
import { RequestReader } from "../../webtunnel/request_reader.ts";
import { bytes, takeText } from "../net/scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";
import { AnsweringConn, arrivals } from "./answering_conn.ts";

const NEVER = new AbortController().signal;
const REQUEST = "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n";

Deno.test("RequestReader reads a head, and keeps what is behind it, however it arrives", async () => {
  for (const chunks of arrivals(bytes(`${REQUEST}behind`))) {
    const request = await new RequestReader(new AnsweringConn(chunks, "end")).read(NEVER);
    assert(typeof request !== "string");
    assertEquals(new TextDecoder().decode(request.head), REQUEST);
    assertEquals(await readToEnd(request.behind), bytes("behind"));
  }
});

/** What is none, and why. */
const OTHERS: Record<string, string> = {
  "another method": "POST /secret HTTP/1.1\r\n\r\n",
  "the authority": "GET a.example:80 HTTP/1.1\r\n\r\n",
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "TLS": "\x16\x03\x01\x00\xa5\x01",
  "half a head": "GET /secret HTTP/1.1\r\nHost: a\r\n",
  "nothing": "",
  "a head of 16 KiB": `GET / HTTP/1.1\r\nX: ${"x".repeat(16 * 1024)}\r\n\r\n`,
  "a long first line": `GET /${"x".repeat(600)} HTTP/1.1\r\n\r\n`,
  "HTTP/0.9": "GET /secret\r\n\r\n",
  "another version": "GET /secret HTTP/3.1\r\n\r\n",
  "a NUL": "GET /secret HTTP/1.1\r\nX: \0\r\n\r\n",
};

for (const [what, text] of Object.entries(OTHERS)) {
  Deno.test(`RequestReader gives ${what} back, from the first byte on`, async () => {
    const all = bytes(text);
    const splits = all.length < 1024 ? arrivals(all) : [[all]];
    for (const chunks of splits) {
      const reader = new RequestReader(new AnsweringConn(chunks, "end"));
      const isUnfinished = what === "half a head" || what === "nothing";
      assertEquals(await reader.read(NEVER), isUnfinished ? "ended" : "other");
      assertEquals(await readToEnd(reader.whole), all);
    }
  });
}

Deno.test("RequestReader gives up as soon as it can be no request for the tunnel", async () => {
  const long = `GET /${"x".repeat(600)}`;
  const others = ["GET /\n", "GET / HTTP/2\r\n", "GET /secret  HTTP/1.1\n"];
  const none = ["\0", "\x16\x03\x01", "GET /\0", "GET / HTTP/1.1\n\x01", "\x80"];
  for (const text of ["X", "GEX", "POST /", "GET x", long, ...others, ...none]) {
    const reader = new RequestReader(new AnsweringConn([bytes(text)], "wait"));
    assertEquals(await reader.read(NEVER), "other", JSON.stringify(text));
  }
});

Deno.test("RequestReader has a longest head of 16 KiB", async () => {
  const fitting = `GET / HTTP/1.1\r\nX: ${"x".repeat(16 * 1024 - 23)}\r\n\r\n`;
  assertEquals(fitting.length, 16 * 1024);
  const request = await new RequestReader(new AnsweringConn([bytes(fitting)])).read(NEVER);
  assert(typeof request !== "string");
  assertEquals(request.head.length, 16 * 1024);
});

/** A connection whose chunks come when the test says so. */
class Late extends AnsweringConn {
  readonly more = Promise.withResolvers<string>();
  #given = false;

  override async read(p: Uint8Array): Promise<number | null> {
    if (this.#given) return null;
    const text = bytes(await this.more.promise);
    this.#given = true;
    p.set(text);
    return text.length;
  }
}

Deno.test("RequestReader loses nothing of a read that it gave up waiting for", async () => {
  const conn = new Late([]);
  const reader = new RequestReader(conn);
  const controller = new AbortController();
  const reading = reader.read(controller.signal);
  controller.abort();
  assertEquals(await reading, "late");
  const taking = takeText(reader.whole, 5);
  conn.more.resolve("hello");
  assertEquals(await taking, "hello");
});

Deno.test("RequestReader throws what the connection throws", async () => {
  const conn = new AnsweringConn([bytes("GET /")], new Deno.errors.ConnectionReset("gone"));
  await assertRejects(() => new RequestReader(conn).read(NEVER), Deno.errors.ConnectionReset);
});

const rules = streamConnContract(async () => {
  const { client, server } = memoryPair();
  const reader = new RequestReader(server);
  // One that was given up: its read still waits.
  await reader.read(AbortSignal.abort());
  return { client, server: reader.whole };
});
for (const { name, check } of rules) Deno.test(`RequestReader's whole connection ${name}`, check);

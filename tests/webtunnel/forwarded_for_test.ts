import { assertEquals } from "@std/assert";
import { forwardedFor } from "../../webtunnel/forwarded_for.ts";
import { parseHead } from "../../webtunnel/http_head.ts";
import { bytes } from "../net/scripted_peer.ts";

const CASES: readonly [entries: string | null, hops: number, ip: string | null][] = [
  ["203.0.113.9", 1, "203.0.113.9"],
  ["10.0.0.1, 203.0.113.9", 1, "203.0.113.9"],
  ["10.0.0.1,203.0.113.9 , 192.0.2.1", 2, "203.0.113.9"],
  ["203.0.113.9", 3, "203.0.113.9"],
  ["2001:db8::9", 1, "2001:db8::9"],
  ["[2001:db8::9]", 1, "2001:db8::9"],
  ["[2001:db8::9]:4711", 1, "2001:db8::9"],
  ["203.0.113.9:4711", 1, "203.0.113.9"],
  ["203.0.113.9, unknown", 1, null],
  ["203.0.113.9:x", 1, null],
  ["[2001:db8::9]x", 1, null],
  ["[2001:db8::9]:1x", 1, null],
  ["bridge.example", 1, null],
  ["203.0.113.9,", 1, null],
  ["", 1, null],
  [null, 1, null],
];

for (const [entries, hops, ip] of CASES) {
  Deno.test(`forwardedFor() of ${entries} by ${hops} is ${ip}`, () => {
    const field = entries === null ? "" : `X-Forwarded-For: ${entries}\r\n`;
    const head = parseHead(bytes(`GET / HTTP/1.1\r\n${field}\r\n`));
    assertEquals(forwardedFor(head, hops), ip === null ? null : [ip, 60_000]);
  });
}

Deno.test("forwardedFor() takes several lines for one list", () => {
  const lines = "X-Forwarded-For: 10.0.0.1\r\nx-forwarded-for: 203.0.113.9\r\n";
  const head = parseHead(bytes(`GET / HTTP/1.1\r\n${lines}\r\n`));
  assertEquals(forwardedFor(head, 1), ["203.0.113.9", 60_000]);
  assertEquals(forwardedFor(head, 2), ["10.0.0.1", 60_000]);
});

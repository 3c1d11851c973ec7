import { assertEquals } from "@std/assert";
import type { Address } from "../../address.ts";
import { formatProxyHead } from "../../parent/proxy_protocol.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";

/** Heads as haproxy.org's proxy-protocol.txt has them. */
const HEADS: [client: Address | null, server: Address, text: string, bytes: string][] = [
  [
    ["192.0.2.7", 5678],
    ["198.51.100.1", 443],
    "PROXY TCP4 192.0.2.7 198.51.100.1 5678 443",
    "2111000cc0000207c6336401162e01bb",
  ],
  [
    ["2001:DB8::7", 65535],
    ["::", 1],
    "PROXY TCP6 2001:db8::7 :: 65535 1",
    `2121002420010db8${"0".repeat(23)}7${"0".repeat(32)}ffff0001`,
  ],
  // A dual-stack listener sees IPv4 as this.
  [
    ["::ffff:192.0.2.7", 256],
    ["::", 443],
    "PROXY TCP4 192.0.2.7 0.0.0.0 256 443",
    "2111000cc000020700000000010001bb",
  ],
  [
    ["::1", 1],
    ["127.0.0.1", 2],
    "PROXY TCP6 ::1 :: 1 2",
    `21210024${"0".repeat(31)}1${"0".repeat(32)}00010002`,
  ],
  [null, ["127.0.0.1", 443], "PROXY UNKNOWN", "21000000"],
];

Deno.test("formatProxyHead() writes a line in version 1", () => {
  for (const [client, server, text] of HEADS) {
    const head = new TextDecoder().decode(formatProxyHead(1, client, server));
    assertEquals(head, `${text}\r\n`);
  }
});

Deno.test("formatProxyHead() writes bytes in version 2", () => {
  for (const [client, server, , bytes] of HEADS) {
    assertEquals(formatProxyHead(2, client, server).toHex(), SIGNATURE + bytes);
  }
});

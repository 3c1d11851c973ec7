import { assertEquals } from "@std/assert";
import { isUpgrade, listOf, parseHead } from "../../webtunnel/http_head.ts";
import { bytes } from "../net/scripted_peer.ts";

const parse = (...lines: string[]) => parseHead(bytes(lines.join("")));

Deno.test("parseHead() gives the first line without its end, and fields by names in lower case", () => {
  const { line, fields } = parse("GET /a:b HTTP/1.1\r\n", "Host: x\r\n", "X:1\n", "\r\n");
  assertEquals(line, "GET /a:b HTTP/1.1");
  assertEquals([...fields], [["host", " x"], ["x", "1"]]);
  assertEquals(parse("a\n", "\n").line, "a");
  assertEquals(parse("a\rb\r\r\n", "\r\n").line, "a\rb\r");
});

Deno.test("parseHead() joins what a line goes on with, whatever ends the lines", () => {
  for (const end of ["\r\n", "\n"]) {
    const { fields } = parse(`a${end}`, `X: b${end}`, `  \tc${end}`, ` d${end}`, end);
    assertEquals([...fields], [["x", " b c d"]]);
  }
  // The first line goes on nowhere.
  assertEquals(parse("a\r\n", " b\r\n", "X: c\r\n", "\r\n").line, "a");
});

Deno.test("parseHead() skips what is no field, and joins fields of one name", () => {
  const { fields } = parse("a\n", "no field\n", ": x\n", "X: a\n", "x: b\n", "\n");
  assertEquals([...fields], [["x", " a, b"]]);
});

Deno.test("listOf() gives the entries of a list, and none where there is no such field", () => {
  const head = parse("a\n", "X: a ,b,, c\n", "\n");
  assertEquals(listOf(head, "x"), ["a", "b", "", "c"]);
  assertEquals(listOf(head, "y"), []);
});

for (
  const [connection, upgrade, is] of [
    ["upgrade", "websocket", true],
    ["keep-alive, Upgrade", "h2c, WebSocket", true],
    ["up\r\n grade", "websocket", false],
    ["\r\n upgrade", "\r\n\twebsocket", true],
    ["upgraded", "websocket", false],
    ["upgrade", "websockets", false],
    ["close", "websocket", false],
    ["upgrade", "h2c", false],
  ] as const
) {
  Deno.test(`isUpgrade() of ${JSON.stringify([connection, upgrade])} is ${is}`, () => {
    const head = parse("a\r\n", `Connection: ${connection}\r\nUpgrade: ${upgrade}\r\n\r\n`);
    assertEquals(isUpgrade(head), is);
  });
}

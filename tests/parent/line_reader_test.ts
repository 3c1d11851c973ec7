import { assertEquals } from "@std/assert";
import { LineReader } from "../../parent/line_reader.ts";

const utf8 = new TextEncoder();

Deno.test("LineReader.push() gives the same lines whatever the chunks are", () => {
  const bytes = utf8.encode("VERSION 1\r\n\nLOG é😀\na\rb\nrest");
  const lines = ["VERSION 1", "", "LOG é😀", "a\rb"];
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new LineReader();
    const seen: (string | null)[] = [];
    for (let start = 0; start < bytes.length; start += size) {
      seen.push(...reader.push(bytes.subarray(start, start + size)));
    }
    assertEquals(seen, lines, `chunks of ${size} bytes`);
    assertEquals(reader.unfinished, "rest");
  }
});

Deno.test("LineReader.push() replaces bytes that are not UTF-8 and keeps a byte order mark", () => {
  const reader = new LineReader();
  assertEquals(reader.push(Uint8Array.of(97, 0xff, 98, 10)), ["a\ufffdb"]);
  assertEquals(reader.push(utf8.encode("\ufeffVERSION 1\n")), ["\ufeffVERSION 1"]);
});

Deno.test("LineReader.push() gives null for a line beyond the limit, and reads on", () => {
  const reader = new LineReader(4);
  const lines = reader.push(utf8.encode("1234\n1234\r\n12345\n12345\r\n123456789\nok\n"));
  assertEquals(lines, ["1234", "1234", null, null, null, "ok"]);
});

Deno.test("LineReader.push() counts a long line that comes in pieces", () => {
  const reader = new LineReader(4);
  for (let piece = 0; piece < 1000; piece++) {
    assertEquals(reader.push(utf8.encode("12")), []);
  }
  assertEquals(reader.unfinished, null);
  assertEquals(reader.push(utf8.encode("3\nok\n")), [null, "ok"]);
});

Deno.test("LineReader.push() keeps no view of a chunk that its caller uses again", () => {
  const reader = new LineReader();
  const chunk = utf8.encode("ab");
  reader.push(chunk);
  chunk.fill(0);
  assertEquals(reader.push(utf8.encode("\n")), ["ab"]);
});

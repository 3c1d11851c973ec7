import { assertEquals } from "@std/assert";
import { bytesOf, findFault, LONGEST_PIECE } from "./pattern.ts";

Deno.test("findFault() takes what was sent, in whatever pieces it comes", () => {
  for (const [at, length] of [[0, 1], [1, 4096], [7_000_000, LONGEST_PIECE]] as const) {
    assertEquals(findFault(5, "up", at, bytesOf(5, "up", at, length)), null);
  }
});

Deno.test("findFault() tells what is lost, repeated, changed and another connection's", () => {
  const from = (at: number) => bytesOf(5, "up", at, 100);
  assertEquals(findFault(5, "up", 10, from(13)), "byte 10 up follows 3 bytes that were lost");
  assertEquals(findFault(5, "up", 10, from(8)), "byte 10 up is one that came 2 bytes before");
  const changed = from(10).slice();
  changed[4]! ^= 1;
  assertEquals(findFault(5, "up", 10, changed), "byte 14 up is not what was sent");
  const [other, back] = [bytesOf(6, "up", 10, 100), bytesOf(8, "down", 10, 100)];
  assertEquals(findFault(5, "up", 10, other), "byte 10 up is another connection's");
  assertEquals(findFault(8, "up", 10, back), "byte 10 up is another connection's");
});

import { assert, assertEquals } from "@std/assert";
import { floors, judge, type Point, slopeOf } from "./level.ts";

const TOLERANCE = { part: 0.1, amount: 5 };

function points(value: (second: number) => number): Point[] {
  return Array.from({ length: 100 }, (_, second) => [second, value(second)]);
}

Deno.test("judge() lets a figure be that goes up and down", () => {
  assertEquals(judge(points((second) => 100 + 50 * (second % 2)), TOLERANCE).grew, false);
});

Deno.test("judge() finds a figure that grows by more than a part of it", () => {
  const level = judge(points((second) => 100 + second), TOLERANCE);
  assertEquals([level.early, level.late, level.grew], [119.5, 189.5, true]);
  assert(Math.abs(level.slope - 3600) < 1e-6, String(level.slope));
});

Deno.test("judge() lets a small figure grow by a small amount", () => {
  assertEquals(judge(points((second) => 1 + second / 20), TOLERANCE).grew, false);
  assertEquals(judge(points((second) => 1 + second / 10), TOLERANCE).grew, true);
});

Deno.test("judge() takes no notice of what is before the warm-up is over", () => {
  assertEquals(judge(points((second) => second < 9 ? 0 : 100), TOLERANCE).grew, false);
});

Deno.test("slopeOf() is the slope of a line, and 0 of a point", () => {
  assertEquals(slopeOf([[0, 1], [1, 3], [2, 5]]), 2);
  assertEquals(slopeOf([[5, 1]]), 0);
});

Deno.test("floors() are the lowest values of the times that are over", () => {
  const saw: Point[] = [[10, 5], [11, 9], [12, 6], [13, 12], [14, 7], [15, 1]];
  assertEquals(floors(saw, 2), [[12, 5], [14, 6]]);
  assertEquals(floors([], 2), []);
});

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { costTable } from "../../bench/cost_table.ts";
import { merge, type Part, writePage, writePart } from "../../bench/results.ts";

const part = (title: string, ground: string, tables: Part["tables"] = []) => ({
  title,
  ground,
  tables,
});

Deno.test("a part that is measured again replaces itself alone", () => {
  const old = { a: part("A", "Monday"), b: part("B", "Monday") };
  const results = merge(old, { b: part("B", "Friday"), c: part("C", "Friday") }, ["c", "a", "b"]);
  assertEquals(Object.keys(results), ["c", "a", "b"]);
  assertEquals(Object.values(results).map(({ ground }) => ground), ["Friday", "Monday", "Friday"]);
});

Deno.test("a part that is no longer measured is dropped", () => {
  assertEquals(merge({ gone: part("Gone", "Monday") }, {}, ["a"]), {});
});

Deno.test("the page has each part with its day", () => {
  const page = writePage({ a: part("A", "Monday"), b: part("B", "Friday") });
  assertStringIncludes(page, "## A\n\nMonday");
  assertStringIncludes(page, "## B\n\nFriday");
});

Deno.test("a figure is a median with minimum and maximum; its ratio is that of single turns", () => {
  const text = writePart(part("A", "Monday", [{
    contestants: ["ours", "theirs"],
    values: [{ speed: [100, 400, 300] }, { speed: [200, 100, 100] }],
  }]));
  assertStringIncludes(text, "| speed | 300 (100–400) | 100 (100–200) | 3.00 |");
});

Deno.test("what a contestant does not have is left empty", () => {
  const text = writePart(part("A", "Monday", [{
    contestants: ["ours", "theirs"],
    values: [{ cost: [2] }, {}],
  }]));
  assertStringIncludes(text, "| cost | 2.00 (2.00–2.00) |  |  |");
});

Deno.test("the table of costs has no row without goptlib, and no figure that was not measured", () => {
  const rot13 = (contestants: string[]) =>
    part("rot13", "Monday", [{
      contestants,
      values: contestants.map((_, index) => ({ "up on 1, MiB/s": [200 / (index + 1)] })),
    }]);
  const rows = costTable({ rot13: rot13(["ptlib", "goptlib"]) }).split("\n").slice(2);
  assertEquals(rows, ["| rot13, 1 connection up, MiB/s | 200 | 100 |  | 2.00 |"]);
  assert(!costTable({ rot13: rot13(["ptlib"]) }).includes("rot13"));
});

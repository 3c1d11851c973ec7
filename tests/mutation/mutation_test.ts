import { assertEquals, assertThrows } from "@std/assert";
import type { Mutant } from "./mutants.ts";
import { parseOptions, UsageError } from "./options.ts";
import { found, report } from "./report.ts";
import { changeOf } from "./survivors.ts";

const MUTANT: Mutant = {
  id: "7",
  file: "net/a.ts",
  line: 3,
  kind: "ConditionalExpression",
  from: "a || b",
  to: "true",
  text: "if (a || b) return;",
};

Deno.test("the options of a mutation run are read in both forms", () => {
  const args = ["net/", "--every=50", "--minutes", "2.5", "--only", "1,2", "--jobs", "2"];
  const { files, every, minutes, only, jobs } = parseOptions(args) ?? {};
  assertEquals([files, every, minutes, only, jobs], [["net/"], 50, 2.5, ["1", "2"], 2]);
  assertEquals(parseOptions(["--help"]), null);
});

for (const wrong of ["--every 0", "--every 1.5", "--minutes -1", "--jobs", "--what 1"]) {
  Deno.test(`a mutation run does not take ${wrong}`, () => {
    assertThrows(() => parseOptions(wrong.split(" ")), UsageError);
  });
}

Deno.test("a report counts what was found, and says of the rest that it has no reason", () => {
  const results = (["killed", "hangs", "survives", "is not reached"] as const)
    .map((outcome) => ({ mutant: MUTANT, outcome }));
  assertEquals(results.map(found), [true, true, false, false]);
  assertEquals(report(results).split("\n").slice(2), [
    "| net/a.ts | 4 | 2 | 1 | 1 | 50.0 % |",
    "| all | 4 | 2 | 1 | 1 | 50.0 % |",
    "",
    "- net/a.ts:3 (7) `a \\|\\| b → true` survives: **no reason is given**",
    "- net/a.ts:3 (7) `a \\|\\| b → true` is not reached: **no reason is given**",
  ]);
});

Deno.test("a change that removes something says so", () => {
  assertEquals(changeOf({ ...MUTANT, from: "close();", to: "" }), "close(); → nothing");
});

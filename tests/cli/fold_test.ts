import { assert, assertEquals } from "@std/assert";
import { fold, foldCommand, foldLines } from "../../cli/fold.ts";

Deno.test("fold() keeps every word, in lines of at most 100 characters", () => {
  const text = `${"word ".repeat(40)}${"x".repeat(230)} end`;
  const lines = fold("  got: ", text).split("\n");
  assert(lines.length > 3);
  assertEquals(lines.filter((line) => line.length > 100), []);
  assertEquals(lines.slice(1).filter((line) => !line.startsWith("       ")), []);
  assertEquals(lines.join("").replace(/ /g, ""), `got:${text.replace(/ /g, "")}`);
});

Deno.test("fold() does not count the codes of colours", () => {
  const painted = fold("\x1b[31mFAIL\x1b[0m ", "a ".repeat(80).trim());
  assertEquals(painted.split("\n").map((line) => line.length), [100 + 9, 68]);
});

Deno.test("foldLines() keeps the lines that there are, and their indentation", () => {
  const words = "word ".repeat(24).trim();
  assertEquals(foldLines(`${words}\n  because: ${words}`).split("\n"), [
    "word ".repeat(20).trim(),
    "word word word word",
    `  because: ${"word ".repeat(18).trim()}`,
    `  ${"word ".repeat(6).trim()}`,
  ]);
});

Deno.test("foldCommand() leaves a command that a shell takes as it was", () => {
  const words = [
    "env",
    "A='b  c'",
    `'it'\\''s'`,
    '"$PATH"',
    ..."word ".repeat(40).trim().split(" "),
  ];
  const folded = foldCommand("by hand: ", words.join(" "));
  const lines = folded.split("\n");
  assert(lines.length > 1);
  assertEquals(lines.filter((line) => line.length > 100), []);
  // A shell joins what a backslash at the end of a line continues.
  const joined = folded.slice("by hand: ".length).replace(/\\\n +/g, "");
  assertEquals(joined, words.join(" "));
});

/** What a document shows of a command's output is compared with care. */

import { assertEquals } from "@std/assert";
import { isShown } from "./printed.ts";

/** What is printed, what is shown of it, and whether that is true. */
const CASES: [printed: string, shown: string, is: boolean][] = [
  ["one\ntwo\n", "one\ntwo\n", true],
  ["one \ntwo", "one\ntwo\n", true],
  ["one\ntwo\n", "one\n", false],
  ["one\ntwo\n", "two\n", false],
  ["one\ntwo\n", "one\n...\n", true],
  ["one\ntwo\nthree\n", "...\nthree\n", true],
  ["one\ntwo\nthree\n", "one\n...\nthree\n", true],
  ["one\nthree\n", "one\n...\nthree\n", true],
  ["one\ntwo\nthree\n", "one\n...\nfour\n", false],
  ["that took 0.1 s\n", "that took ... s\n", true],
  ["that took 0.1 s\nand more s\n", "that took ... s\n", false],
  ["axb\n", "a.b\n", false],
  ["  in\n", "in\n", true],
  ["one\n  in\n", "one\nin\n", false],
];

Deno.test("... stands for anything in a line, and alone for any lines", () => {
  for (const [printed, shown, is] of CASES) assertEquals(isShown(printed, shown), is, shown);
});

import { assertEquals, assertThrows } from "@std/assert";
import { fit, parseOptions, UsageError } from "./options.ts";

Deno.test("as many connections are held as descriptors allow, and it is said where they are fewer", () => {
  assertEquals(fit({ held: null, churning: null }, 20_000), {
    held: 9_000,
    churning: 1_000,
    fewer: null,
  });
  assertEquals(fit({ held: null, churning: null }, 4_096), {
    held: 1_804,
    churning: 204,
    fewer: "1804 + 204 connections instead of 9000 + 1000: ulimit -Hn is 4096",
  });
  const more = () => fit({ held: 9_000, churning: 1_000 }, 4_096);
  assertThrows(more, UsageError, "9000 + 1000 connections need 19920 descriptors a process");
});

Deno.test("options are read with and without =, and bad ones are named", () => {
  const args = ["--minutes=0.5", "--seed", "7", "--report=a.html", "--report", "a.svg"];
  assertEquals(parseOptions(args, Infinity), {
    minutes: 0.5,
    seed: 7,
    reports: ["a.html", "a.svg"],
    held: 9_000,
    churning: 1_000,
    fewer: null,
  });
  assertEquals(parseOptions(["--help"], Infinity), null);
  for (
    const [args, words] of [
      [["--minute", "1"], "there is no --minute"],
      [["--minutes"], "--minutes wants a value"],
      [["--minutes", "0"], "--minutes takes a number from 0.1 on, but got 0"],
      [["--held", "1.5"], "--held takes a whole number, but got 1.5"],
      [["--report", "a.pdf"], "--report takes a file that ends with .html or .svg, not a.pdf"],
    ] as const
  ) assertThrows(() => parseOptions(args, Infinity), UsageError, words);
});

/** Does each fault of `deno task faults` to the running examples. */

import { assertEquals } from "@std/assert";
import { allFaults } from "./faults/all_faults.ts";
import { nameOf, type Outcome } from "./faults/fault.ts";
import { faultTable } from "./faults/fault_table.ts";
import { permitted } from "./permitted.ts";

const MAIN = new URL("./faults/main.ts", import.meta.url).pathname;
const NAMES = allFaults.flatMap((group) => group.faults.map((fault) => nameOf(group, fault)));

/** The outcome of every fault, all tried side by side. */
async function outcomes(): Promise<Map<string, Outcome>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-all", MAIN, "--json"],
    stderr: "null",
  }).output();
  const lines = new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
  return new Map(lines.map((line): [string, Outcome] => {
    const outcome: Outcome = JSON.parse(line);
    return [outcome.name, outcome];
  }));
}

permitted(
  ["env", "net", "read", "write", "run", "sys"],
  "the running examples survive each fault around them",
  async (t) => {
    const seen = await outcomes();
    for (const name of NAMES) {
      const outcome = seen.get(name);
      const missing = outcome?.result === "missing";
      await t.step({
        name: missing ? `${name} [${outcome.happened}]` : name,
        ignore: missing,
        fn: () => assertEquals([outcome?.result, outcome?.happened], ["ok", outcome?.happened]),
      });
    }
  },
  Deno.build.os === "linux" ? null : "needs Linux",
);

Deno.test("no two faults have one name", () => {
  assertEquals(NAMES.length, new Set(NAMES).size);
});

Deno.test("a row of the table of faults shows what was seen, and what was not as it must be", () => {
  const [group] = allFaults;
  const [first, second, third] = group!.faults;
  const faults = [first!, second!, third!];
  const results = ["ok", "failed", "missing"] as const;
  const rows = faults.map((fault, i): [string, Outcome] => {
    const name = nameOf(group!, fault);
    return [name, { name, result: results[i]!, happened: `a|b ${i}` }];
  });
  const lines = faultTable(allFaults, new Map(rows)).split("\n").slice(2);
  assertEquals(
    lines.map((line) => line.split(" | ").slice(-2)),
    [["a\\|b 0", "ok |"], ["a\\|b 1", "**NO** |"], ["a\\|b 2", "– |"]],
  );
});

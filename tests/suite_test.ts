/** `deno task test`, as somebody reads it. */

import { assertEquals, assertMatch } from "@std/assert";
import { permitted, withDirectory } from "./permitted.ts";

const GOOD = `Deno.test("it holds", () => {});
Deno.test({ name: "it is not here [needs tor]", ignore: true, fn() {} });
Deno.test({ name: "nor this [needs tor]", ignore: true, fn() {} });
`;
const BAD = `Deno.test("it breaks", () => { throw new Error("broken") });\n`;

/** What the suite says of one file of tests, and its status. */
async function suiteOf(code: string): Promise<{ code: number; out: string }> {
  return await withDirectory(async (directory) => {
    const path = `${directory}/some_test.ts`;
    await Deno.writeTextFile(path, code);
    const { code: status, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "test", path],
      env: { NO_COLOR: "1" },
      cwd: new URL("..", import.meta.url),
      stderr: "null",
    }).output();
    return { code: status, out: new TextDecoder().decode(stdout) };
  });
}

const NEEDS = ["run", "read", "write"] as const;

permitted(NEEDS, "the suite says what it does, what it did not, and what held", async () => {
  const { code, out } = await suiteOf(GOOD);
  assertEquals(code, 0);
  assertMatch(out, /^\nPart 1 of 2: .* \(a minute\)\n/);
  assertMatch(out, /^Part 2 of 2: .* \(\d+ minutes\)$/m);
  assertEquals(out.match(/^it holds \.\.\. ok/gm)?.length, 2);
  assertMatch(
    out,
    /\nNot run: 2 \[needs tor\]\nEverything held: 1 tests and examples, in \d+ s\n$/,
  );
  assertEquals(out.includes("... ignored"), false);
});

permitted(NEEDS, "the suite ends with the part that failed", async () => {
  const { code, out } = await suiteOf(GOOD + BAD);
  assertEquals(code, 1);
  assertMatch(out, /^error: Error: broken$/m);
  assertMatch(out, /\nNot everything held: the tests that failed are named above\.\n$/);
  assertEquals(out.includes("Part 2"), false);
});

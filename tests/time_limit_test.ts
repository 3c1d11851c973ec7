import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { permitted, withDirectory } from "./permitted.ts";

/** Tests a file of these lines with a time limit, in milliseconds. */
async function testFile(limit: number, lines: string): Promise<{ code: number; said: string }> {
  return await withDirectory(async (directory) => {
    const path = `${directory}/hanging_test.ts`;
    await Deno.writeTextFile(path, lines);
    const preload = new URL("./time_limit.ts", import.meta.url).href;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--allow-env", "--allow-net", "--no-check", `--preload=${preload}`, path],
      env: { PTLIB_TEST_LIMIT_MS: String(limit), NO_COLOR: "1" },
      cwd: directory,
    }).output();
    const text = new TextDecoder();
    return { code, said: text.decode(stdout) + text.decode(stderr) };
  });
}

const HANGS: Readonly<Record<string, string>> = {
  "on a connection that never comes": "await Deno.listen({ port: 0 }).accept();",
  "in a loop": "for (;;) { /* forever */ }",
  "in a step": `await t.step("step", () => new Promise((done) => setTimeout(done, 1e8)));`,
};

for (const [how, code] of Object.entries(HANGS)) {
  permitted(["run", "read", "write"], `a test that hangs ${how} fails with its name`, async () => {
    const file = `Deno.test("hangs", async (t) => { ${code} });\nDeno.test("next", () => {});\n`;
    const { code: status, said } = await testFile(1000, file);
    assertEquals(status, 1);
    assertStringIncludes(said, "hangs => ./hanging_test.ts:1:6\nerror: Test timed out");
    assertStringIncludes(said, "FAILED | 1 passed | 1 failed");
  });
}

permitted(["run", "read", "write"], "a file that hangs while it loads fails", async () => {
  const file = "await Deno.listen({ port: 0 }).accept();\n";
  const { code, said } = await testFile(1000, file);
  assertEquals(code, 1);
  assertStringIncludes(said, "hanging_test.ts");
  assert(/LOADING TOOK TOO LONG: file:.*hanging_test\.ts/.test(said), said);
});

permitted(["run", "read", "write"], "every form of Deno.test() works with a limit", async () => {
  const { code, said } = await testFile(
    60_000,
    `
    Deno.test("name and function", () => {});
    Deno.test(function named() {});
    Deno.test({ name: "definition", fn: () => {} });
    Deno.test("name and options", { ignore: true }, () => {});
    Deno.test({ name: "options" }, () => {});
    Deno.test({ ignore: true }, function optionsAndNamed() {});
    Deno.test.ignore("ignored", () => {});
  `,
  );
  assertEquals(code, 0, said);
  for (const name of ["name and function", "named", "definition", "options"]) {
    assertStringIncludes(said, `\n${name} ... ok`);
  }
  for (const name of ["name and options", "optionsAndNamed", "ignored"]) {
    assertStringIncludes(said, `\n${name} ... ignored`);
  }
});

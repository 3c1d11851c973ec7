import { assert, assertEquals, assertMatch } from "@std/assert";
import { permitted } from "../permitted.ts";
import { runToEnd } from "../raw_child.ts";

/** Runs code in a program whose console goes to stderr; what it printed. */
async function printed(code: string): Promise<{ stdout: string; stderr: string }> {
  const module = JSON.stringify(new URL("../../run/console_lines.ts", import.meta.url).href);
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      path,
      `import { flushConsole, sendConsoleToStderr } from ${module};
      sendConsoleToStderr();
      ${code}
      await flushConsole(60_000);
      Deno.exit(0);`,
    );
    const flags = ["--no-config", "--no-prompt", "--no-check", "--quiet"];
    return await runToEnd([Deno.execPath(), "run", ...flags, path], {});
  } finally {
    await Deno.remove(path);
  }
}

permitted(
  ["read", "write", "run"],
  "a console on stderr draws what the other one does",
  async () => {
    const { stdout, stderr } = await printed(`
    console.log("%d of %s", 5, "six", { seven: 8 });
    console.group("nine");
    console.error("ten");
    console.groupEnd();
    console.table([{ eleven: 12 }]);
    console.assert(true, "thirteen");
    console.timeStamp("fourteen");`);
    assertEquals(stdout, "");
    assertMatch(stderr, /^5 of six { seven: 8 }\nnine\n {2}ten\n┌[^]*eleven[^]*12[^]*┘\n$/);
  },
);

permitted(
  ["read", "write", "run"],
  "a console on stderr loses nothing that somebody reads",
  async () => {
    const { stderr } = await printed(`
    for (let i = 0; i < 3_000; i++) {
      console.log(String(i).padStart(9, "0"));
      if (i % 500 === 0) await flushConsole(60_000);
    }`);
    const lines = Array.from({ length: 3_000 }, (_, i) => String(i).padStart(9, "0"));
    assertEquals(stderr, `${lines.join("\n")}\n`);
  },
);

permitted(["read", "write", "run"], "a console on stderr counts what did not fit", async () => {
  const { stderr } = await printed(`
    for (let i = 0; i < 3_000; i++) console.log("x".repeat(99));`);
  const [, dropped = ""] = /\n(\d+) texts of the console were dropped: nobody read stderr\n$/
    .exec(stderr) ?? [];
  const lines = stderr.split("\n").filter((line) => line === "x".repeat(99));
  assertEquals(lines.length + Number(dropped), 3_000);
  assert(lines.length >= 600, `${lines.length} lines`);
});

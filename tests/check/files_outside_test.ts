import { assert, assertEquals, assertMatch } from "@std/assert";
import { check, type CheckResult } from "../../check/mod.ts";
import { permitted, withDirectory } from "../permitted.ts";
import { program } from "./broken_program.ts";

const NEEDS = ["net", "read", "write", "run"] as const;
const PTLIB = new URL("../../cli.ts", import.meta.url).pathname;
/** Writes a file of a name that is always another one, and starts the transport. */
const LITTERING = ': > "litter-$$"\n';

/** What is said of `state-only` in a directory with an executable `pt.sh`. */
async function checkedIn(
  directory: string,
  lines: string,
  command: readonly string[],
): Promise<CheckResult[]> {
  const transport = program().map((word) => `'${word}'`).join(" ");
  const script = `#!/bin/sh\n${lines}exec ${transport}\n`;
  await Deno.writeTextFile(`${directory}/pt.sh`, script, { mode: 0o755 });
  const flags = ["--json", "--transport", "dummy", "--only", "client/state-only"];
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", PTLIB, "check", ...flags, "--", ...command],
    cwd: directory,
    stderr: "null",
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).checks;
}

/** What `state-only` found in a directory with such a script, or its outcome. */
async function found(lines: string, command: readonly string[]): Promise<string> {
  return await withDirectory(async (directory) => {
    const [result] = await checkedIn(directory, lines, command);
    return result?.outcome === "failed" ? result.got : result?.outcome ?? "nothing";
  });
}

permitted(NEEDS, "state-only looks where a command with a relative path runs", async () => {
  if (Deno.build.os === "windows") return;
  for (const command of [["./pt.sh"], ["sh", "pt.sh"]]) {
    assertMatch(await found(LITTERING, command), /^new files: work\/litter-\d+$/);
    assertEquals(await found("", command), "ok");
  }
});

permitted(NEEDS, "state-only says nothing good of what runs in one directory only", async () => {
  if (Deno.build.os === "windows") return;
  const command = ["sh", "-c", "exec ./pt.sh"];
  assertMatch(await found(LITTERING, command), /^new files: work\/litter-\d+$/);
  // It is written into our own directory, too, so that it has been there already.
  assertEquals(await found(": > litter\n", command), "skipped");
});

permitted(NEEDS, "state-only prints a command that shows it", async () => {
  if (Deno.build.os === "windows") return;
  await withDirectory(async (directory) => {
    const [result] = await checkedIn(directory, LITTERING, ["./pt.sh"]);
    assert(result?.outcome === "failed" && !result.attended);
    const [command = ""] = result.byHand.replaceAll("/tmp/check", `${directory}/own`).split(
      "; then",
    );
    await new Deno.Command("sh", { args: ["-c", command], stdin: "null" }).output();
    const [outside = ""] = await namesIn(`${directory}/own`, /^outside-/);
    assertEquals((await namesIn(`${directory}/own/${outside}/work`, /^litter-/)).length, 1);
  });
});

async function namesIn(directory: string, pattern: RegExp): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(directory));
  return entries.map(({ name }) => name).filter((name) => pattern.test(name));
}

permitted(NEEDS, "state-only uses a transport with what its server publishes", async () => {
  const path = new URL("./littering_transport.ts", import.meta.url).pathname;
  const all = await Array.fromAsync(
    check([Deno.execPath(), "run", "-A", "--no-check", path], {
      transport: "littering",
      only: /state-only/,
    }),
  );
  assertEquals(all.map((result) => result.outcome === "failed" ? result.got : result.outcome), [
    "new files: tmp/litter",
    "new files: tmp/litter",
  ]);
});

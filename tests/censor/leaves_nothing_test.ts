/** `ptlib censor` connects to nothing but loopback, and leaves no process and no file behind. */

import { assert, assertEquals } from "@std/assert";
import { finished, PLAIN, Running } from "../cli/ptlib_process.ts";
import { INSTALL, missingPrograms } from "../../tor/programs.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { straceMissing, traced } from "../trace/strace.ts";

const NEEDS = ["env", "net", "read", "write", "run"] as const;
const CLI = new URL("../../cli.ts", import.meta.url).pathname;
const ARGS = ["censor", "--transport", "plain", "--patience", "2"];

/** The processes that were told to keep their files in a directory. */
async function processesOf(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended, or be somebody else's.
    const environment = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
    if (environment.split("\0").includes(`TMPDIR=${directory}`)) found.push(name);
  }
  return found;
}

/** Has something done whose processes keep their files in a directory, and looks what is left. */
async function leftBy(work: (env: Record<string, string>) => Promise<unknown>) {
  return await withDirectory(async (directory) => {
    await work({ TMPDIR: directory, DENO_NO_UPDATE_CHECK: "1" });
    return {
      files: await Array.fromAsync(Deno.readDir(directory), ({ name }) => name),
      processes: await processesOf(directory),
    };
  });
}

const NOTHING = { files: [], processes: [] };
const linux = Deno.build.os === "linux" ? null : "needs Linux";

/** What is connected or sent to, by the lines of strace. */
function destinations(recording: string): string[] {
  const calls = recording.split("\n").filter((line) =>
    / (?:connect|sendto|sendmsg|sendmmsg)\(/.test(line)
  );
  const places = calls.flatMap((line) => [
    ...line.matchAll(/inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"/g),
  ]);
  return places.map(([, four, six]) => four ?? six ?? "");
}

permitted(NEEDS, "ptlib censor connects to nothing but loopback, and leaves nothing", async () => {
  await withDirectory(async (directory) => {
    const file = `${directory}/calls`;
    const left = await leftBy(async (env) => {
      const args = ["run", "--no-config", "--no-prompt", "--allow-all", CLI, ...ARGS, "--"];
      const [program = "", ...rest] = traced([Deno.execPath(), ...args, ...PLAIN], file);
      const command = new Deno.Command(program, { args: rest, env, stdin: "null" });
      const { code, stderr } = await command.output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    });
    assertEquals(left, NOTHING);
    const all = destinations(await Deno.readTextFile(file));
    assert(all.length > 400, `${all.length} are less than were made`);
    assertEquals([...new Set(all)], ["127.0.0.1"]);
  });
}, straceMissing());

/** When it is interrupted, by what it has said. */
const MOMENTS: readonly (readonly [name: string, args: string[], said: RegExp])[] = [
  ["while connections pass", [], /^watching the transport/],
  ["while the keys of tors are made", ["--tor"], /^tor: Making the keys/],
  ["while tors start", ["--tor"], /^tor: Starting the authorities/],
];

for (const [name, args, said] of MOMENTS) {
  const missing = granted(["run"]) && args.includes("--tor") ? missingPrograms() : [];
  permitted(NEEDS, `ptlib censor that is interrupted ${name} leaves nothing`, async () => {
    const left = await leftBy(async (env) => {
      await using running = new Running([...ARGS, ...args, "--", ...PLAIN], env);
      await running.says(said);
      assertEquals((await running.end("SIGINT")).code, 1);
    });
    assertEquals(left, NOTHING);
  }, missing.length > 0 ? `needs ${missing.join(" and ")}; ${INSTALL}` : linux);
}

permitted(NEEDS, "ptlib censor that fails leaves nothing", async () => {
  const left = await leftBy(async (env) => {
    const { code } = await finished([...ARGS, "--args", "key=another", "--", ...PLAIN], env);
    assertEquals(code, 1);
  });
  assertEquals(left, NOTHING);
}, linux);

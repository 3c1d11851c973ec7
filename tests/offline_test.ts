/**
 * Nothing is downloaded: examples and the demo run without a network, and with an empty cache.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { clientEnvironment, passedThrough } from "../parent/child_environment.ts";
import { granted, permitted, withDirectory } from "./permitted.ts";

const NEEDS = ["run", "net", "read", "write"] as const;
const EXAMPLES = ["rot0r", "rot13", "secret", "dummy_client", "dummy_server"];
const SHELL = 'ip link set lo up && exec "$@"';

/** A command in a network of its own, in which there is nothing but loopback. */
const isolated = (command: readonly string[]) => ["-rn", "sh", "-c", SHELL, "sh", ...command];

/** Why there can be no such network here. */
function obstacle(): string | null {
  if (Deno.build.os !== "linux") return "Linux";
  try {
    const { success } = new Deno.Command("unshare", {
      args: isolated(["true"]),
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success ? null : "network namespaces and ip";
  } catch {
    return "unshare";
  }
}

/** What a program says, and how it ends, that finds no network and an empty cache. */
async function runOffline(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  return await withDirectory(async (directory) => {
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: isolated([Deno.execPath(), ...args]),
      cwd: new URL("..", import.meta.url),
      env: { ...passedThrough(), ...env, DENO_DIR: directory, NO_COLOR: "1" },
      clearEnv: true,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    return { code, out: text.decode(stdout), err: text.decode(stderr) };
  });
}

/** Registers a test that is ignored, with the reason, where there can be no such network. */
function offline(name: string, fn: () => Promise<void>): void {
  const missing = granted(["run"]) ? obstacle() : null;
  permitted(NEEDS, name, fn, missing === null ? null : `needs ${missing}`);
}

offline("a package that is not here cannot be had in the network of these tests", async () => {
  const { code } = await runOffline(["eval", 'import "npm:is-odd@3.0.1";']);
  assertEquals(code, 1);
});

for (const name of EXAMPLES) {
  offline(`examples/${name}.ts starts without a network and with an empty cache`, async () => {
    const { code, out, err } = await runOffline([
      ...["run", "--no-prompt", "--allow-env=TOR_PT_*", "--allow-net=127.0.0.1:0"],
      `examples/${name}.ts`,
    ], clientEnvironment("/nonexistent", ["*"], undefined));
    assertEquals([code, err], [0, ""]);
    assertStringIncludes(out, "CMETHODS DONE\n");
  });
}

offline("the demo runs without a network and with an empty cache", async () => {
  const { code, out, err } = await runOffline(["task", "--quiet", "demo", "--mib", "1"]);
  assertEquals([code, err], [0, ""]);
  assertStringIncludes(out, "Everything held");
});

/**
 * Nothing is downloaded: examples and the demo run without a network, and with an empty cache.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { clientEnvironment, passedThrough } from "../parent/child_environment.ts";
import { inNamespace, type Namespace, namespaceMissing } from "./network_namespace.ts";
import { granted, permitted, withDirectory } from "./permitted.ts";

const NEEDS = ["run", "net", "read", "write"] as const;
const EXAMPLES = ["rot0r", "rot13", "secret", "dummy_client", "dummy_server"];
/** There is nothing in it but loopback. */
const NAMESPACE: Namespace = { setup: "" };

/** What a program says, and how it ends, that finds no network and an empty cache. */
async function runOffline(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  return await withDirectory(async (directory) => {
    const [program = "", ...words] = inNamespace(NAMESPACE, [Deno.execPath(), ...args]);
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: words,
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
  permitted(NEEDS, name, fn, granted(["run"]) ? namespaceMissing(NAMESPACE) : null);
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

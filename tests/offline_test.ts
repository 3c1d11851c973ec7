/**
 * Nothing is downloaded: examples, bundles and the demo run without a network, and with an empty
 * cache. What would have to download ends at once with `--cached-only`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { clientEnvironment, passedThrough } from "../parent/child_environment.ts";
import { inNamespace, type Namespace, namespaceMissing } from "./network_namespace.ts";
import { granted, permitted, withDirectory } from "./permitted.ts";

const NEEDS = ["run", "net", "read", "write"] as const;
const EXAMPLES = ["rot0r", "rot13", "secret", "dummy_client", "dummy_server"];
/** There is nothing in it but loopback. */
const NAMESPACE: Namespace = { setup: "" };

/** How a client is started by tor, and what tor gives it. */
const RUN = ["run", "--no-prompt", "--allow-env=TOR_PT_*", "--allow-net=127.0.0.1:0"];
const CLIENT = clientEnvironment("/nonexistent", ["*"], undefined);

/** `deno` with these arguments in a network without a way out. */
function withoutNetwork(args: readonly string[], env: Record<string, string>): Deno.Command {
  const [program = "", ...words] = inNamespace(NAMESPACE, [Deno.execPath(), ...args]);
  return new Deno.Command(program, {
    args: words,
    cwd: new URL("..", import.meta.url),
    env: { ...passedThrough(), ...env, NO_COLOR: "1" },
    clearEnv: true,
    stdin: "null",
  });
}

/** What a program says, and how it ends, that finds no network and an empty cache. */
async function runOffline(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  return await withDirectory(async (directory) => {
    const command = withoutNetwork(args, { ...env, DENO_DIR: directory });
    const { code, stdout, stderr } = await command.output();
    const text = new TextDecoder();
    return { code, out: text.decode(stdout), err: text.decode(stderr) };
  });
}

const noNamespace = granted(["run"]) ? namespaceMissing(NAMESPACE) : null;

/** Registers a test that is ignored, with the reason, where there can be no such network. */
function offline(name: string, fn: () => Promise<void>, missing = noNamespace): void {
  permitted(NEEDS, name, fn, missing);
}

/** The command that makes a bundle of an example. */
const bundling = (output: string): Deno.Command =>
  withoutNetwork(["bundle", "--quiet", "--output", output, "examples/rot13.ts"], {});

/** Why nothing can be bundled here; the bundler is a program from npm that Deno keeps in its cache. */
function bundlerMissing(): string | null {
  if (noNamespace !== null || !granted(NEEDS)) return noNamespace;
  const { success } = bundling("/dev/null").outputSync();
  return success ? null : "needs the bundler in Deno's cache: run deno bundle once";
}

/** Makes a bundle, in a file that it returns. */
async function makeBundle(directory: string, name: string): Promise<string> {
  const output = `${directory}/${name}`;
  const { success, stderr } = await bundling(output).output();
  assert(success, new TextDecoder().decode(stderr));
  return output;
}

offline("a package that is not here cannot be had in the network of these tests", async () => {
  const { code } = await runOffline(["eval", 'import "npm:is-odd@3.0.1";']);
  assertEquals(code, 1);
});

for (const name of EXAMPLES) {
  offline(`examples/${name}.ts starts without a network and with an empty cache`, async () => {
    const { code, out, err } = await runOffline([...RUN, `examples/${name}.ts`], CLIENT);
    assertEquals([code, err], [0, ""]);
    assertStringIncludes(out, "CMETHODS DONE\n");
  });
}

const noBundler = bundlerMissing();

offline("a bundle starts without a network and with an empty cache", async () => {
  await withDirectory(async (directory) => {
    const bundle = await makeBundle(directory, "rot13.js");
    const { code, out, err } = await runOffline([...RUN, "--cached-only", bundle], CLIENT);
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /^VERSION 1\nCMETHOD rot13 socks5 127\.0\.0\.1:\d+\nCMETHODS DONE\n$/);
  });
}, noBundler);

offline("the same sources make the same bundle again", async () => {
  await withDirectory(async (directory) => {
    const [one, two] = await Promise.all([
      makeBundle(directory, "one.js").then((path) => Deno.readTextFile(path)),
      makeBundle(directory, "two.js").then((path) => Deno.readTextFile(path)),
    ]);
    assert(one === two);
  });
}, noBundler);

/** What is no bundle and not in the cache, and where Deno would have to get it. */
const ELSEWHERE = {
  "jsr:@ptlib/ptlib@0.1.0/run": "https://jsr.io/@ptlib/ptlib/meta.json",
  "npm:is-odd@3.0.1": "https://registry.npmjs.org/is-odd",
  "https://example.com/run.ts": "https://example.com/run.ts",
};

for (const [specifier, url] of Object.entries(ELSEWHERE)) {
  offline(`an import of ${specifier} ends a program with --cached-only, and says why`, async () => {
    await withDirectory(async (directory) => {
      const program = `${directory}/program.ts`;
      await Deno.writeTextFile(program, `import "${specifier}";\n`);
      const { code, out, err } = await runOffline([...RUN, "--cached-only", program], CLIENT);
      assertEquals([code, out], [1, ""]);
      assertStringIncludes(err, url);
      assertStringIncludes(err, "--cached-only is specified");
      assert(!err.includes("Download"), err);
    });
  });
}

offline("the demo runs without a network and with an empty cache", async () => {
  const { code, out, err } = await runOffline(["task", "--quiet", "demo", "--mib", "1"]);
  assertEquals([code, err], [0, ""]);
  assertStringIncludes(out, "Everything held");
});

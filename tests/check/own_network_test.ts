/** The checks that the checker makes in a network of its own. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { check, type CheckOptions, type CheckResult } from "../../check/mod.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { networkMissing, program } from "./broken_program.ts";

const NEEDS = ["env", "net", "read", "write", "run"] as const;
const ROOT = new URL("../../", import.meta.url);
const missing = granted(NEEDS) ? networkMissing : null;

function outcomes(results: readonly CheckResult[]): string[] {
  return results.map(({ role, id, outcome }) => `${role}/${id} ${outcome}`);
}

async function made(
  command: readonly string[],
  options: Partial<CheckOptions> = {},
): Promise<CheckResult[]> {
  const all = { transport: "dummy", only: /outbound-used/, timeout: 5_000, ...options };
  return await Array.fromAsync(check(command, all));
}

const USED = ["client", "server"].flatMap((role) => [
  `${role}/outbound-used ok`,
  `${role}/outbound-used-ipv6 ok`,
]);

function example(name: string): string[] {
  return [Deno.execPath(), "run", "-A", "--no-check", `${ROOT.pathname}examples/${name}.ts`];
}

permitted(NEEDS, "check() sees that both halves use their source addresses", async () => {
  assertEquals(outcomes(await made(program())), USED);
}, missing);

permitted(NEEDS, "check() sees it with the other half of a transport that needs it", async () => {
  assertEquals(outcomes(await made(example("rot13"), { transport: "rot13" })), USED);
}, missing);

permitted(NEEDS, "check() tells how to see by hand where a connection comes from", async () => {
  const [result] = await made(program("outbound-used"), { role: "client" });
  assert(result?.outcome === "failed");
  assertEquals(result.expected, "a connection from 192.0.2.2");
  assertEquals(result.got, "one from 192.0.2.1");
  assertMatch(
    result.byHand,
    /^unshare .*--net .* sh env -i .*TOR_PT_OUTBOUND_BIND_ADDRESS_V4=192\.0\.2\.2 .*; then have it/,
  );
}, missing);

permitted(NEEDS, "check() accuses nobody whose program does not start in there", async () => {
  const script =
    'ip address show dev lo | grep -q 192.0.2.2 && echo not here >&2 && exit 1; exec "$@"';
  const results = await made(["sh", "-c", script, "sh", ...program()], { role: "client" });
  for (const result of results) {
    assert(result.outcome === "skipped");
    assertMatch(result.reason, /^needs a running (?:client|server): .*not here/);
  }
}, missing);

/** What a program of somebody prints that checks with these permissions. */
async function printed(source: string, flags: readonly string[], env = {}): Promise<string> {
  return await withDirectory(async (directory) => {
    const path = `${directory}/main.ts`;
    await Deno.writeTextFile(path, source);
    const args = ["run", "--quiet", "--no-check", "--no-prompt", ...flags, path];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env }).output();
    const text = new TextDecoder();
    return text.decode(stdout) + text.decode(stderr);
  });
}

function checkingProgram(root: URL): string {
  return `import { check } from "${root}check/mod.ts";
    const options = { transport: "dummy", role: "client", only: /outbound-used$/ };
    const command = ${JSON.stringify(program())};
    for await (const result of check(command, options)) console.log(JSON.stringify(result));`;
}

permitted(NEEDS, "check() skips them where it may not make a network", async () => {
  const run = `--allow-run=${Deno.execPath()}`;
  const flags = ["--allow-env", "--allow-net", "--allow-read", "--allow-write", run];
  const result = JSON.parse(await printed(checkingProgram(ROOT), flags));
  assertEquals(result.outcome, "skipped");
  assertMatch(result.reason, /^needs a network of its own: /);
});

permitted(NEEDS, "check() makes them where its modules came from a registry", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (it) => {
    const text = await Deno.readTextFile(new URL(`.${new URL(it.url).pathname}`, ROOT));
    return new Response(text, { headers: { "content-type": "application/typescript" } });
  });
  const url = new URL(`http://127.0.0.1:${server.addr.port}/`);
  await withDirectory(async (cache) => {
    // There is no way to the registry from in there: everything is in the cache.
    const result = JSON.parse(await printed(checkingProgram(url), ["-A"], { DENO_DIR: cache }));
    assertEquals(result.outcome, "ok", result.reason);
  });
}, missing);

/** The programs with a word in their command line. */
async function programsWith(word: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-eo", "args"] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line.includes(word));
}

permitted(NEEDS, "check() leaves nothing behind in there when its signal aborts", async () => {
  await withDirectory(async (directory) => {
    const [mark, controller] = [crypto.randomUUID(), new AbortController()];
    const started = `${directory}/started`;
    await new Deno.Command("mkfifo", { args: [started] }).output();
    const script = `[ -z "$TOR_PT_OUTBOUND_BIND_ADDRESS_V4" ] || echo >${started}; exec "$@"`;
    // It ignores every end, and makes no connection, which is waited for.
    const deaf = program("outbound-used:refused+stdin-closed+sigterm+parent-gone");
    const running = made(["sh", "-c", script, "sh", ...deaf, mark], {
      signal: controller.signal,
      timeout: 600_000,
    });
    running.catch(() => {});
    await Deno.readTextFile(started);
    assert((await programsWith(mark)).length > 0);
    controller.abort(new Error("enough"));
    await assertRejects(() => running, Error, "enough");
    assertEquals(await programsWith(mark), []);
  });
}, missing);

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import * as pt from "../mod.ts";
import { permitted } from "./permitted.ts";
import { findFaults, publishedImports } from "./rooms.ts";

Deno.test("mod.ts has the seed's names and the newer ones", () => {
  const rows: [module: Record<string, unknown>, names: string[]][] = [
    [pt, ["client", "config", "log", "reportVersion", "server", "status", "util"]],
    [pt.client, [
      "init",
      "reportEnd",
      "reportFailure",
      "reportProxyError",
      "reportProxySuccess",
      "reportSuccess",
    ]],
    [pt.server, ["init", "reportEnd", "reportFailure", "reportSuccess"]],
    [pt.util, ["checkClientMode"]],
    [pt.config, ["EnvError", "ProxyError"]],
  ];
  for (const [module, names] of rows) {
    for (const name of names) assert(name in module, `${name} is missing`);
  }
});

interface Dependency {
  /** Absent where the import is of types only. */
  code?: { specifier?: string };
  type?: { specifier?: string };
  isDynamic?: boolean;
}

interface Module {
  specifier: string;
  dependencies?: Dependency[];
}

const ROOT = new URL("../", import.meta.url).href;

/** The modules that `deno info` finds from `path` on, by their specifiers. */
async function moduleGraph(path: string): Promise<Map<string, Module>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(path, ROOT).href],
  }).output();
  const { modules }: { modules: Module[] } = JSON.parse(new TextDecoder().decode(stdout));
  assert(modules.length > 0, `deno info knows nothing about ${path}`);
  return new Map(modules.map((module) => [module.specifier, module]));
}

/** What is loaded before the first line of `path` runs. */
async function loadedAtStart(path: string): Promise<string[]> {
  const graph = await moduleGraph(path);
  const loaded = new Set([new URL(path, ROOT).href]);
  for (const specifier of loaded) {
    for (const { code, isDynamic } of graph.get(specifier)?.dependencies ?? []) {
      if (code?.specifier !== undefined && !isDynamic) loaded.add(code.specifier);
    }
  }
  return [...loaded];
}

/** Whether `specifier` belongs to the half of a parent, or to tests, which no transport loads. */
function isOfParent(specifier: string): boolean {
  return /^(?:(?:parent|testing|check|censor|tor|cli)\/|cli\.ts$)/.test(
    specifier.slice(ROOT.length),
  );
}

const EXPORTS = Object.values(config.exports);

permitted(["run"], "nothing that a transport loads imports node: at start", async () => {
  for (const path of EXPORTS.filter((path) => !isOfParent(new URL(path, ROOT).href))) {
    const loaded = await loadedAtStart(path);
    assertEquals(loaded.filter((specifier) => specifier.startsWith("node:")), [], path);
    assertEquals(loaded.filter(isOfParent), [], path);
  }
});

permitted(["run"], "mod.ts never reaches the parent's half, not even later", async () => {
  assertEquals([...(await moduleGraph("mod.ts")).keys()].filter(isOfParent), []);
});

permitted(["run"], "what is published imports nothing but itself and node:", async () => {
  for (const path of EXPORTS) {
    const foreign = [...(await moduleGraph(path)).keys()].filter((specifier) =>
      !specifier.startsWith("node:") &&
      (!specifier.startsWith(ROOT) || specifier.startsWith(`${ROOT}tests/`))
    );
    assertEquals(foreign, [], path);
  }
});

permitted(["run"], "the rooms are as ARCHITECTURE.md draws them", async () => {
  assertEquals(findFaults(await publishedImports()), []);
});

Deno.test("the check of the rooms finds arrows up, circles, namesakes and strangers", () => {
  const rows: [imports: [string, string[]][], fault: RegExp][] = [
    [[["net/dial.ts", ["run/run.ts"]]], /net\/dial\.ts imports run\/run\.ts, which is above it/],
    [[["address.ts", ["client.ts"]]], /is above it/],
    [[["net/a.ts", ["net/b.ts"]], ["net/b.ts", ["net/a.ts"]]], /a circle/],
    [[["net/a.ts", []], ["run/a.ts", []]], /share a name/],
    [[["attic/a.ts", []]], /in no room/],
  ];
  for (const [imports, fault] of rows) {
    const [found = "", ...others] = findFaults(new Map(imports));
    assertMatch(found, fault);
    assertEquals(others, []);
  }
  assertEquals(findFaults(new Map([["cli.ts", ["net/mod.ts"]], ["net/mod.ts", ["args.ts"]]])), []);
});

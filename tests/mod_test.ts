import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import * as pt from "../mod.ts";
import { permitted } from "./permitted.ts";

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

/** Whether `specifier` belongs to the half of a parent, which no transport loads. */
function isOfParent(specifier: string): boolean {
  return /^(?:parent\/|cli(?:\/|\.ts$))/.test(specifier.slice(ROOT.length));
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

/** The first circle of imports from `specifier` on, those of types included; null without one. */
function findCircle(
  graph: Map<string, Module>,
  specifier: string,
  path: readonly string[],
  done: Set<string>,
): readonly string[] | null {
  if (path.includes(specifier)) return [...path.slice(path.indexOf(specifier)), specifier];
  if (done.has(specifier)) return null;
  for (const { code, type } of graph.get(specifier)?.dependencies ?? []) {
    const imported = code?.specifier ?? type?.specifier;
    if (imported === undefined) continue;
    const circle = findCircle(graph, imported, [...path, specifier], done);
    if (circle !== null) return circle;
  }
  done.add(specifier);
  return null;
}

permitted(["run"], "no module imports itself in a circle", async () => {
  for (const path of EXPORTS) {
    const root = new URL(path, ROOT).href;
    assertEquals(findCircle(await moduleGraph(path), root, [], new Set()), null);
  }
});

/**
 * Checks the rooms of the library: every published file belongs to one, imports go down only, none
 * goes in a circle, and no two files have one name. `deno task check` runs it.
 *
 * The rooms are those of ARCHITECTURE.md, from the top to the bottom.
 */

import config from "../deno.json" with { type: "json" };

/** The rooms, each with a pattern of its files; a room may import those below it and itself. */
const ROOMS: readonly [name: string, files: RegExp][] = [
  ["cli", /^cli(?:\.ts$|\/)/],
  ["tor", /^tor\//],
  ["check", /^check\//],
  ["censor", /^censor\//],
  ["testing", /^testing\//],
  ["parent", /^parent\//],
  ["webtunnel", /^webtunnel\//],
  ["run", /^run\//],
  ["net", /^net\//],
  ["reports", /^(?:mod|client|server|util|messages)\.ts$/],
  ["grammar", /^(?:config|stdout_lines|grammar|args|address|bridge_line|scrub)\.ts$/],
];

/** Every room has one. */
const SHARED_NAMES = ["mod.ts"];

const ROOT = new URL("../", import.meta.url);

interface Dependency {
  code?: { specifier?: string };
  type?: { specifier?: string };
}

interface Module {
  specifier: string;
  dependencies?: Dependency[];
}

/** What each published file imports, types included, by paths from the root. */
export async function publishedImports(): Promise<Map<string, string[]>> {
  const imports = new Map<string, string[]>();
  for (const path of Object.values(config.exports)) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", new URL(path, ROOT).href],
    }).output();
    const { modules }: { modules: Module[] } = JSON.parse(new TextDecoder().decode(stdout));
    for (const { specifier, dependencies = [] } of modules) {
      if (!specifier.startsWith(ROOT.href)) continue;
      const imported = dependencies.flatMap(({ code, type }) =>
        code?.specifier ?? type?.specifier ?? []
      );
      imports.set(
        specifier.slice(ROOT.href.length),
        imported.filter((to) => to.startsWith(ROOT.href)).map((to) => to.slice(ROOT.href.length)),
      );
    }
  }
  return imports;
}

function levelOf(file: string): number {
  return ROOMS.findIndex(([, files]) => files.test(file));
}

/** The name of a published file's room; null where it is in none. */
export function roomOf(file: string): string | null {
  return ROOMS[levelOf(file)]?.[0] ?? null;
}

/** The imports that go up, and the files that are in no room. */
function* misplaced(imports: ReadonlyMap<string, readonly string[]>): Generator<string> {
  for (const [file, imported] of imports) {
    const level = levelOf(file);
    if (level === -1) yield `${file} is in no room`;
    for (const to of imported) {
      if (levelOf(to) < level) yield `${file} imports ${to}, which is above it`;
    }
  }
}

/** The first circle of imports from a file on; null without one. */
function findCircle(
  imports: ReadonlyMap<string, readonly string[]>,
  file: string,
  path: readonly string[],
  done: Set<string>,
): readonly string[] | null {
  if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
  if (done.has(file)) return null;
  for (const imported of imports.get(file) ?? []) {
    const circle = findCircle(imports, imported, [...path, file], done);
    if (circle !== null) return circle;
  }
  done.add(file);
  return null;
}

/** The files that share a name. */
function* namesakes(files: Iterable<string>): Generator<string> {
  const byName = Map.groupBy(files, (file) => file.split("/").at(-1) ?? "");
  for (const [name, same] of byName) {
    if (same.length > 1 && !SHARED_NAMES.includes(name)) yield `${same.join(", ")} share a name`;
  }
}

/** What is wrong with the rooms, a sentence each; of circles the first one. */
export function findFaults(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const circles = imports.keys().map((file) => findCircle(imports, file, [], done));
  const circle = circles.find((circle) => circle !== null);
  return [
    ...misplaced(imports),
    ...circle === undefined ? [] : [`${circle.join(" imports ")}: a circle`],
    ...namesakes(imports.keys()),
  ];
}

if (import.meta.main) {
  const imports = await publishedImports();
  const faults = findFaults(imports);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) Deno.exit(1);
  console.error(`Rooms: ${imports.size} files, no arrow up, no circle, no name twice`);
}

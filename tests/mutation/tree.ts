/**
 * A copy of the project with all mutants in it. One of them at a time is on, in every process that
 * runs the copy: the files with mutants import a small module that says which. And they call a
 * function wherever a mutant stands.
 */

import { makeMutants, type Mutant } from "./mutants.ts";

const ROOT = new URL("../../", import.meta.url);
const SWITCH = "active_mutant.ts";
/** V8 counts the calls of its functions, one for each set of mutants in one place. */
export const REACHED = "reached_mutants.js";

/** What the tests do not need of the project. */
const LEFT_OUT = /^(?:\.git|\.github|node_modules|reference)$/;

/** The files whose mutants are tried: the bottom rooms, and those of connections, programs and WebTunnel. */
export async function mutableFiles(): Promise<string[]> {
  const names = [
    ..."config stdout_lines grammar scrub args address client server util messages".split(" ")
      .map((name) => `${name}.ts`),
  ];
  for (const room of ["net", "run", "webtunnel"]) {
    for await (const { name } of Deno.readDir(new URL(room, ROOT))) names.push(`${room}/${name}`);
  }
  return names.filter((name) => !name.endsWith("/mod.ts")).sort();
}

/** The name of the function for these mutants. */
function functionFor(ids: readonly string[]): string {
  return `reached_${ids.join("_")}`;
}

/** The mutants that a function of {@linkcode REACHED} stands for; none for any other one. */
export function mutantsOf(functionName: string): string[] {
  return /^reached_([0-9_]+)$/.exec(functionName)?.[1]?.split("_") ?? [];
}

/** The instrumented file, with a call wherever Stryker's own one is. */
function withCalls(content: string, way: string, functions: Set<string>): string {
  const text = content.replaceAll(/stryCov_\w+\(("[^)]*")\)/g, (call, list: string) => {
    const name = functionFor(JSON.parse(`[${list}]`));
    functions.add(name);
    return `${call}, reachedMutants.${name}()`;
  });
  return `import "${way}${SWITCH}"; import * as reachedMutants from "${way}${REACHED}"; ${text}`;
}

async function copy(from: URL, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copy(new URL(`${name}/`, from), `${to}/${name}`);
    else await Deno.copyFile(new URL(name, from), `${to}/${name}`);
  }
}

/** The copy, in a directory that does not exist yet. */
export class Tree {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(root: string, files: ReadonlyMap<string, string>): Promise<Tree> {
    const tree = new Tree(root);
    await Deno.mkdir(root);
    for await (const { name, isDirectory } of Deno.readDir(ROOT)) {
      if (LEFT_OUT.test(name)) continue;
      if (isDirectory) await copy(new URL(`${name}/`, ROOT), `${root}/${name}`);
      else await Deno.copyFile(new URL(name, ROOT), `${root}/${name}`);
    }
    const functions = new Set<string>();
    for (const [name, content] of files) {
      const way = name.includes("/") ? "../" : "./";
      await Deno.writeTextFile(`${root}/${name}`, withCalls(content, way, functions));
    }
    const code = Array.from(functions, (name) => `export function ${name}() {}\n`).join("");
    await Deno.writeTextFile(`${root}/${REACHED}`, code);
    await tree.activate(null);
    return tree;
  }

  /** Switches a mutant on, and the one that was on off. */
  async activate(id: string | null): Promise<void> {
    const code = `Object.assign(globalThis.__stryker__ ??= {}, { activeMutant: ${
      JSON.stringify(id)
    } });\n`;
    await Deno.writeTextFile(`${this.root}/${SWITCH}`, code);
  }

  /** Kills the programs that tests have left: a mutant may keep one from ever ending. Linux only. */
  async killPrograms(): Promise<void> {
    for await (const { name } of Deno.readDir("/proc")) {
      if (!/^[0-9]+$/.test(name)) continue;
      try {
        const place = await Deno.readLink(`/proc/${name}/cwd`);
        if (`${place}/`.startsWith(`${this.root}/`)) Deno.kill(Number(name), "SIGKILL");
      } catch {
        // It has ended, or is somebody else's.
      }
    }
  }
}

/** Makes the mutants of all files that have some. */
export async function mutantsOfProject(): Promise<
  { mutants: Mutant[]; files: Map<string, string> }
> {
  return await makeMutants(ROOT, await mutableFiles());
}

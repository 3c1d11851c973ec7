/**
 * Blocks marked `ts ignore` are not run by `deno test --doc`. Here they are type-checked, as files of
 * a project that has ptlib.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { permitted, withDirectory } from "../permitted.ts";
import {
  type Document,
  fileOf,
  filesBelow,
  placeOf,
  readDocstrings,
  readDocuments,
} from "./markdown.ts";
import { writeProject } from "./project.ts";

/** The files of a directory: their paths, and what is in them. */
type Files = Record<string, string>;

/** What the type checker says of these programs of a project, with the files beside them. */
async function check(programs: readonly string[], files: Files): Promise<string> {
  return await withDirectory(async (directory) => {
    await writeProject(directory);
    for (const [path, text] of Object.entries(files)) {
      const at = `${directory}/${path}`;
      await Deno.mkdir(at.slice(0, at.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(at, text);
    }
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", ...programs],
      cwd: directory,
      env: { NO_COLOR: "1" },
    }).output();
    return success ? "" : new TextDecoder().decode(stderr);
  });
}

/** Puts each block into a directory, with the files that its document has shown before. */
function filesOf({ blocks }: Document): { programs: string[]; files: Files } {
  const programs: string[] = [];
  const files: Files = {};
  const shown: Files = {};
  for (const block of blocks) {
    if (block.language !== "ts ignore") continue;
    const directory = placeOf(block).replaceAll(/[/:]/g, "_");
    const path = fileOf(block) ?? "program.ts";
    shown[path] = `export {};\n${block.text}`;
    for (const [path, text] of Object.entries(shown)) files[`${directory}/${path}`] = text;
    programs.push(`${directory}/${path}`);
  }
  return { programs, files };
}

permitted(["read", "write", "run"], "every block that is only read type-checks", async () => {
  const documents = [...readDocuments(), ...Array.from(filesBelow(".ts"), readDocstrings)];
  const all = documents.map(filesOf);
  const programs = all.flatMap(({ programs }) => programs);
  // Of nothing the checker says nothing.
  assert(programs.length > 1);
  assertEquals(await check(programs, Object.assign({}, ...all.map(({ files }) => files))), "");
});

/**
 * Blocks marked `ts ignore` are not run by `deno test --doc`. Here they are type-checked, as files of
 * a project that has ptlib.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { permitted, withDirectory } from "../permitted.ts";
import { filesBelow, placeOf, readDocstrings, readDocuments } from "./markdown.ts";
import { writeProject } from "./project.ts";

/** What the type checker says of these files of a project. */
async function check(files: ReadonlyMap<string, string>): Promise<string> {
  return await withDirectory(async (directory) => {
    await writeProject(directory);
    for (const [name, text] of files) await Deno.writeTextFile(`${directory}/${name}`, text);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", ...files.keys()],
      cwd: directory,
      env: { NO_COLOR: "1" },
    }).output();
    return success ? "" : new TextDecoder().decode(stderr);
  });
}

permitted(["read", "write", "run"], "every block that is only read type-checks", async () => {
  const documents = [...readDocuments(), ...Array.from(filesBelow(".ts"), readDocstrings)];
  const blocks = documents.flatMap(({ blocks }) => blocks)
    .filter(({ language }) => language === "ts ignore");
  // Of nothing the checker says nothing.
  assert(blocks.length > 1);
  const files = blocks.map((block): [string, string] => [
    `${placeOf(block).replaceAll(/[/:]/g, "_")}.ts`,
    `export {};\n${block.text}`,
  ]);
  assertEquals(await check(new Map(files)), "");
});

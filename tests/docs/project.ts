/** A project of somebody who has ptlib, which is this checkout. */

import config from "../../deno.json" with { type: "json" };
import { ROOT } from "./markdown.ts";

/** Makes a directory such a project, as `deno add jsr:@ptlib/ptlib` does. */
export async function writeProject(directory: string): Promise<void> {
  const project = {
    imports: { ...config.imports, [config.name]: `jsr:${config.name}@^${config.version}` },
    links: ["./", ...config.links].map((path) => new URL(path, ROOT).pathname),
    lock: false,
  };
  await Deno.writeTextFile(`${directory}/deno.json`, JSON.stringify(project, null, 2));
}

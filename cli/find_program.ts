/**
 * Finding a program as a shell does, for tor, which takes only a path.
 *
 * @module
 */

import { UsageError } from "./command.ts";

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/**
 * Finds a program.
 *
 * @param name A path, or a name on the PATH.
 * @returns Its absolute path.
 * @throws {UsageError} When there is no such program.
 */
export async function findProgram(name: string): Promise<string> {
  const directories = name.includes("/") ? [""] : (Deno.env.get("PATH") ?? "").split(":");
  for (const directory of directories) {
    const path = directory === "" ? name : `${directory}/${name}`;
    if (await isFile(path)) return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  }
  // Deno may run without being on the PATH, from npm for instance.
  if (name === "deno") return Deno.execPath();
  throw new UsageError(`there is no program ${name}${name.includes("/") ? "" : " on the PATH"}`);
}

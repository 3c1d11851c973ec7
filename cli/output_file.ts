/**
 * Files that are written at the end of long work: whether they can be is found out before it.
 *
 * @module
 */

import { type OptionValues, UsageError } from "./command.ts";

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/: \w+ '.*'$/s, "") : String(error);
}

/** A file could not be written. */
export class OutputError extends Error {
  /** What it is called. */
  override readonly name = "OutputError";
}

/** What is there, or null. */
async function statOf(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function tryToWrite(path: string): Promise<void> {
  const before = await statOf(path);
  if (before?.isDirectory) throw new Error("it is a directory");
  if (before !== null && !before.isFile) return; // To open a pipe may wait for a reader.
  (await Deno.open(path, { append: true, create: true })).close();
  if (before === null) await Deno.remove(path);
}

/**
 * Checks that files can be written, and leaves what is there as it is.
 *
 * @param values The options of a command.
 * @param names Those of them that name a file to write.
 * @throws {UsageError} When one cannot.
 */
export async function checkWritable(
  values: OptionValues,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const path = values[name];
    if (typeof path !== "string") continue;
    try {
      await tryToWrite(path);
    } catch (cause) {
      throw new UsageError(`--${name} ${path} cannot be written: ${wordsOf(cause)}`, { cause });
    }
  }
}

/**
 * Writes a file, and says which one it was where that fails.
 *
 * @param path The file.
 * @param content What to write.
 * @throws {OutputError} When it cannot be written.
 */
export async function writeOutput(path: string, content: string | Uint8Array): Promise<void> {
  try {
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
  } catch (cause) {
    throw new OutputError(`${path} cannot be written: ${wordsOf(cause)}`, { cause });
  }
}

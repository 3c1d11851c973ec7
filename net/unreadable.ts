/**
 * Why a file cannot be read, in words that say what to do.
 *
 * @module
 */

/**
 * Puts a failure to read a file into words.
 *
 * @param path The file.
 * @param cause What was thrown.
 * @returns Part of a sentence.
 */
export function whyUnreadable(path: string, cause: unknown): string {
  if (cause instanceof Deno.errors.NotCapable) {
    return `Deno was not granted to read it: add --allow-read=${path}`;
  }
  if (cause instanceof Deno.errors.NotFound) return "there is no such file";
  if (cause instanceof Deno.errors.PermissionDenied) return "this user may not read it";
  // Deno puts the path behind it, which belongs to the log of nobody.
  return String(cause instanceof Error ? cause.message : cause).replace(/: \w+ '.*'$/s, "");
}

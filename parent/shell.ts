/**
 * Words for a shell, in commands that a person can copy.
 *
 * @module
 */

/** A word as a POSIX shell takes it. */
export function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

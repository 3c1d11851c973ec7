/**
 * Keys that come twice in an object of JSON, of which `JSON.parse()` loses the first in silence.
 *
 * @module
 */

/**
 * Finds a key that an object has twice.
 *
 * @param text What `JSON.parse()` takes.
 * @returns The key; `null` where there is none.
 */
export function repeatedKey(text: string): string | null {
  /** The keys of the objects around; `null` for an array. */
  const around: (Set<string> | null)[] = [];
  for (const [token, quoted] of text.matchAll(/("(?:[^"\\]|\\.)*")(?:\s*:)?|[{}[\]]/g)) {
    if (token === "{") around.push(new Set());
    else if (token === "[") around.push(null);
    else if (quoted === undefined) around.pop();
    else if (token !== quoted) {
      const key: string = JSON.parse(quoted);
      const keys = around.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return null;
}

/**
 * Bridges that can be had under several names: which one is tried, and which one the next time.
 *
 * @module
 */

/** Of how many lists the name that works is kept. */
const MOST_LISTS = 256;

/** Remembers which name of a list works: a censor may know some of them. */
export class ServerNames {
  readonly #current = new Map<string, string>();

  /**
   * Puts a list into the order in which to try it: from the name that works on, or from any where
   * that is not known.
   *
   * @param list The names.
   * @returns The same names.
   */
  inOrder(list: readonly string[]): string[] {
    const current = this.#current.get(list.join());
    const start = current === undefined
      ? Math.floor(Math.random() * list.length)
      : list.indexOf(current);
    return [...list.slice(start), ...list.slice(0, start)];
  }

  /**
   * Keeps a name as the one to begin with the next time.
   *
   * @param list The names.
   * @param name One of them.
   */
  keep(list: readonly string[], name: string): void {
    const key = list.join();
    this.#current.delete(key);
    this.#current.set(key, name);
    if (this.#current.size <= MOST_LISTS) return;
    const [oldest = ""] = this.#current.keys();
    this.#current.delete(oldest);
  }
}

/**
 * The arguments of a client: what its server has published, and what its user gives.
 *
 * @module
 */

/** What the server publishes, with what is given in place of it or besides. */
export function clientArgs(
  published: URLSearchParams,
  given: Iterable<readonly [string, string]>,
): URLSearchParams {
  const pairs = Array.from(given, ([key, value]): [string, string] => [key, value]);
  const keys = new Set(pairs.map(([key]) => key));
  return new URLSearchParams([...[...published].filter(([key]) => !keys.has(key)), ...pairs]);
}

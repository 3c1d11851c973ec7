/**
 * Step 0 of a managed proxy: finding out which half it is.
 *
 * @module
 */

import { readMode } from "./config.ts";

/**
 * Tells whether tor wants this process to be a client. Prints nothing.
 *
 * @returns `true` for a client, `false` for a server.
 * @throws {EnvError} When the environment asks for neither or for both.
 *
 * @example
 * ```ts
 * import { EnvError } from "@ptlib/ptlib/config";
 * import { checkClientMode } from "@ptlib/ptlib/util";
 *
 * try {
 *   console.error(checkClientMode() ? "tor wants a client" : "tor wants a server");
 * } catch (error) {
 *   if (!(error instanceof EnvError)) throw error;
 * }
 * ```
 */
export function checkClientMode(): boolean {
  return readMode() === "client";
}

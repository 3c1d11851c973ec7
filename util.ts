/**
 * The first steps of a managed proxy: find out whether it is a client or a server, and create its
 * state directory.
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

/**
 * Creates the state directory, for this user alone (mode 0700), where it does not exist yet.
 *
 * pt-spec section 3.2.1 leaves that to the transport, and lets it write nowhere else.
 *
 * @param path The `state_loc` of what `init` has returned.
 * @returns A promise that resolves when the directory is there.
 * @throws {Deno.errors.NotCapable} Without `--allow-write` for it.
 *
 * @example
 * ```ts
 * import { makeStateDirectory } from "@ptlib/ptlib/util";
 *
 * const directory = await Deno.makeTempDir();
 * await makeStateDirectory(`${directory}/pt_state`);
 * await makeStateDirectory(`${directory}/pt_state`);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function makeStateDirectory(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode: 0o700 });
}

/**
 * A whole managed proxy from a table of transports.
 *
 * ```ts
 * import { run } from "@ptlib/ptlib/run";
 *
 * async function main(): Promise<void> {
 *   await run({
 *     plain: {
 *       client: ({ dial }) => dial(),
 *       server: (conn) => conn,
 *     },
 *   });
 * }
 * ```
 *
 * @module
 */

import type { RunOptions, Transport } from "./run/transport.ts";

export type {
  ClientContext,
  PublishContext,
  RunOptions,
  ServerContext,
  Transport,
  TransportContext,
} from "./run/transport.ts";

/**
 * Runs a managed proxy: everything between a parent such as tor and the transports of the table
 * (pt-spec section 3).
 *
 * It finds out which half the parent wants, accepts its upstream proxy, listens, and reports. It
 * answers SOCKS requests, connects to the ORPort, and relays. On SIGTERM or SIGINT it stops
 * listening and gives connections 2 s to finish. When stdin is closed, where that counts, or the
 * parent is gone, it ends at once. `--capabilities`, `--help` and `--version` are answered without
 * a look at the environment.
 *
 * @param transports The transports by name.
 * @param options What the program says of itself.
 * @returns Never: the process ends with status 0, with 1 where the environment is unusable or a
 * name of the table is no transport name, with 2 where its arguments are.
 *
 * @example
 * ```ts
 * import { run } from "@ptlib/ptlib/run";
 *
 * async function main(): Promise<void> {
 *   await run({
 *     plain: {
 *       client: ({ dial }) => dial(),
 *       server: (conn) => conn,
 *     },
 *   });
 * }
 * ```
 */
export async function run(
  transports: Readonly<Record<string, Transport>>,
  options: Readonly<RunOptions> = {},
): Promise<never> {
  // Each part is loaded only where it is wanted.
  if (Deno.args.length > 0) {
    const { answerArguments } = await import("./run/capabilities.ts");
    return await answerArguments(Deno.args, transports, options);
  }
  const { manage } = await import("./run/manage.ts");
  return await manage(transports, options);
}

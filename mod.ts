/**
 * Pluggable transports for Deno: what a transport says to its parent, as pyptlib names it.
 *
 * The functions that carry its traffic are in `@ptlib/ptlib/net`, and `@ptlib/ptlib/run` does
 * everything in one call:
 *
 * ```ts
 * import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
 * import { run } from "@ptlib/ptlib/run";
 *
 * const inverted = Uint8Array.from({ length: 256 }, (_, byte) => ~byte);
 * const invert = (conn: StreamConn) => mapBytes(conn, { read: inverted, write: inverted });
 *
 * async function main(): Promise<void> {
 *   await run({
 *     inverted: {
 *       client: async ({ dial }) => invert(await dial()),
 *       server: invert,
 *     },
 *   });
 * }
 * ```
 *
 * @module
 */

export type { Address } from "./address.ts";
export * as client from "./client.ts";
export * as config from "./config.ts";
export * as server from "./server.ts";
export * as util from "./util.ts";
export { log, reportVersion, type Severity, status } from "./messages.ts";

/**
 * Pluggable transports for Deno.
 *
 * @module
 */

export type { Address } from "./address.ts";
export * as client from "./client.ts";
export * as config from "./config.ts";
export * as server from "./server.ts";
export * as util from "./util.ts";
export { log, reportVersion, type Severity, status } from "./messages.ts";

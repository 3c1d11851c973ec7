/**
 * WebTunnel: a transport that people use, which looks like a web site from outside.
 *
 * @module
 */

export type { Severity } from "../grammar.ts";
export type { Transport } from "../run/transport.ts";
export { webtunnel } from "./webtunnel.ts";
export type { WebTunnelOptions } from "./webtunnel_options.ts";
export { WebTunnelError, type WebTunnelFailure } from "./webtunnel_error.ts";

/**
 * WebTunnel: a transport that people use, which looks like a web site from outside.
 *
 * @module
 */

export type { Severity } from "../grammar.ts";
export type { Transport } from "../run/transport.ts";
export { webtunnel, type WebTunnelOptions } from "./webtunnel.ts";
export { WebTunnelError, type WebTunnelFailure } from "./webtunnel_error.ts";

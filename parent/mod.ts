/**
 * The parent's side of the protocol: start any pluggable transport, connect through it, and check
 * whether it is a good one.
 *
 * @module
 */

export {
  check,
  type CheckInfo,
  type CheckOptions,
  type CheckResult,
  checks,
  type Grade,
  type Verdict,
} from "./check.ts";
export { dial } from "./dial.ts";
export type { ServerTransport } from "./environment.ts";
export {
  type ExtOrPortListener,
  type ExtOrPortOptions,
  listenExtOrPort,
  type TransportClient,
  type TransportConnection,
} from "./ext_orport.ts";
export {
  launchClient,
  type LaunchClientOptions,
  type LaunchOptions,
  launchServer,
  type LaunchServerOptions,
  type TransportExit,
  type TransportProcess,
} from "./launch.ts";
export { LaunchError, type LaunchFailure } from "./launch_error.ts";
export {
  type ClientMethod,
  type FailureMessage,
  type LogMessage,
  type Message,
  type MethodFailureMessage,
  parseLine,
  type ServerMethod,
  type StatusMessage,
  type StatusVersionMessage,
  type UnknownMessage,
} from "./line.ts";
export { LineReader } from "./line_reader.ts";
export type { Announcement } from "./negotiation.ts";
export {
  type Tunnel,
  tunnelClient,
  type TunnelClientOptions,
  type TunnelledConnection,
  tunnelServer,
  type TunnelServerOptions,
} from "./tunnel.ts";
export { SocksReplyError } from "../net/proxy.ts";

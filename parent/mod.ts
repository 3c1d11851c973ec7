/**
 * The parent's side of the protocol: start any pluggable transport, and connect through it.
 *
 * @module
 */

export { dialTransport } from "./dial_transport.ts";
export type { ServerTransportOptions } from "./environment.ts";
export {
  type ExtOrPortListener,
  type ExtOrPortOptions,
  listenExtOrPort,
  type TransportClient,
  type TransportConnection,
} from "./ext_orport_listener.ts";
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
  LineReader,
  type LogMessage,
  type Message,
  type MethodFailureMessage,
  parseLine,
  type ServerMethod,
  type StatusMessage,
  type StatusVersionMessage,
  type UnknownMessage,
} from "./line.ts";
export type { TransportMessage } from "./negotiation.ts";
export {
  type Tunnel,
  tunnelClient,
  type TunnelClientOptions,
  type TunnelledConnection,
  tunnelServer,
  type TunnelServerOptions,
} from "./tunnel.ts";
export { DialError } from "../net/dial.ts";
export { SocksReplyError } from "../net/proxy.ts";

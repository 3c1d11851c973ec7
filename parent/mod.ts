/**
 * The parent's side of the protocol: start any pluggable transport, and connect through it.
 *
 * @module
 */

export { dialTransport } from "./dial_transport.ts";
export type { ServerTransportOptions } from "./child_environment.ts";
export {
  type ExtOrPortClient,
  type ExtOrPortConnection,
  type ExtOrPortListener,
  type ExtOrPortOptions,
  listenExtOrPort,
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
  type LogMessage,
  type ServerMethod,
  type StatusMessage,
  type StatusVersionMessage,
} from "./line.ts";
export type { TransportMessage } from "./negotiation.ts";
export type { ProxyProtocol } from "./proxy_protocol.ts";
export type { TunnelTraffic } from "./traffic.ts";
export type { Tunnel, TunnelledConnection } from "./tunnel.ts";
export {
  type BridgeTrouble,
  type TunnelBridge,
  tunnelClient,
  type TunnelClientOptions,
} from "./tunnel_client.ts";
export { tunnelServer, type TunnelServerOptions } from "./tunnel_server.ts";
export type { UnixSocket } from "./unix_socket.ts";
export type { Address } from "../address.ts";
export type { ProxyInfo } from "../config.ts";
export type { Severity } from "../messages.ts";
export { DialError } from "../net/dial.ts";
export { SocksReplyError } from "../net/proxy.ts";

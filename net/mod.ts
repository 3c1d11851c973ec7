/**
 * The connections of a transport: SOCKS in, bridge or ORPort out, bytes between.
 *
 * @module
 */

export type { Address } from "../address.ts";
export type { OrPorts, OutboundBindAddresses, ProxyInfo } from "../config.ts";
export { acceptAll, acceptHandshakes, handleEach, type HandshakeOptions } from "./accept.ts";
export {
  closeQuietly,
  handshake,
  prefixed,
  readFull,
  readFullOrEnd,
  type StreamConn,
  writeAll,
} from "./conn.ts";
export { Deadline } from "./deadline.ts";
export { dial, DialError, type DialOptions } from "./dial.ts";
export { HttpConnectError, SocksReplyError } from "./proxy.ts";
export { type FrameConn, frames, fromFrames } from "./frames.ts";
export { type Head, HeadError, readHead } from "./head.ts";
export { relay, type Relayed } from "./relay.ts";
export { type ShutdownSignal, shutdownSignal, untilAborted } from "./shutdown.ts";
export {
  listenSocks,
  replyFor,
  type SocksListener,
  type SocksListenOptions,
  type SocksRequest,
} from "./socks.ts";
export { dialOr, type DialOrOptions, ExtOrPortError } from "./ext_orport.ts";
export {
  type ByteMap,
  type ByteMaps,
  type ByteTransform,
  type ByteTransforms,
  mapBytes,
  pipeThrough,
} from "./wrap.ts";

/**
 * The connections of a transport: SOCKS in, bridge or ORPort out, bytes between.
 *
 * @module
 */

export { acceptAll, acceptHandshakes, type Greeting, handleEach } from "./accept.ts";
export { readFull, type StreamConn, writeAll } from "./conn.ts";
export { closeQuietly, Deadline, handshake } from "./deadline.ts";
export { dial, DialError, type DialOptions } from "./dial.ts";
export { replyFor } from "./reply.ts";
export { relay, type Relayed } from "./relay.ts";
export { type ShutdownSignal, shutdownSignal, untilAborted } from "./shutdown.ts";
export {
  listenSocks,
  type SocksListener,
  type SocksListenOptions,
  type SocksRequest,
} from "./socks.ts";
export { dialOr, type DialOrOptions, ExtOrPortError } from "./ext_orport.ts";
export {
  type ByteMaps,
  type ByteTransform,
  type ByteTransforms,
  mapBytes,
  pipeThrough,
} from "./wrap.ts";

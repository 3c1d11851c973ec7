/** The transport of `examples/rot13.ts`, by each way in which a library can be asked for it. */

import { mapBytes, pipeThrough, type StreamConn } from "@ptlib/ptlib/net";

const rotated = Uint8Array.from({ length: 256 }, (_, byte) => {
  const letter = byte & 0xdf;
  return letter < 0x41 || letter > 0x5a ? byte : letter < 0x4e ? byte + 13 : byte - 13;
});

/** By a table. */
export function byTable(conn: StreamConn): StreamConn {
  return mapBytes(conn, { read: rotated, write: rotated });
}

function rotatingStream() {
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      controller.enqueue(chunk.map((byte) => rotated[byte]!));
    },
  });
}

/** By streams. */
export function byStreams(conn: StreamConn): StreamConn {
  return pipeThrough(conn, { read: rotatingStream(), write: rotatingStream() });
}

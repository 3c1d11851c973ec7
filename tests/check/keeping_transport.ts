/**
 * A transport that changes every byte, one half of which keeps an end to itself: it does not tell
 * the other half that its side has sent everything. run with `KEEPER=client` or `KEEPER=server`; its name
 * is `keeping`.
 */

import { mapBytes, type StreamConn } from "../../net/mod.ts";
import { run } from "../../run/run.ts";

const keeper = Deno.env.get("KEEPER");
const inverted = Uint8Array.from({ length: 256 }, (_, byte) => 255 - byte);

function half(name: string, wire: StreamConn): StreamConn {
  const conn = mapBytes(wire, { read: inverted, write: inverted });
  return {
    read: (bytes) => conn.read(bytes),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => name === keeper ? Promise.resolve() : conn.closeWrite(),
    close: () => conn.close(),
  };
}

await run({
  keeping: {
    client: async ({ dial }) => half("client", await dial()),
    server: (conn) => half("server", conn),
  },
});

/**
 * Teaches the shortest transport with arguments, options and frames: messages masked by a key. The
 * bridge's operator may choose the key (`ServerTransportOptions keyed key=99`), the bridge publishes
 * it, and a bridge line has it. It hides nothing.
 *
 * tor starts it. As a client, with the address of the bridge:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=127.0.0.1:0,192.0.2.1:4443 keyed.ts
 *
 * As a server, with the address it binds, that of tor's ORPorts and the cookie's file:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* --allow-net=0.0.0.0:4443,127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie keyed.ts
 *
 * @module
 */

import { frames, fromFrames, type StreamConn } from "@ptlib/ptlib/net";
import { run } from "@ptlib/ptlib/run";

/** Makes a connection send and receive messages, masked by a key. */
function keyed(args: URLSearchParams): (conn: StreamConn) => StreamConn {
  const key = Number(args.get("key"));
  if (!(key > 0 && key < 256)) throw new Error("There is no key=1 to key=255");
  const mask = (message: Uint8Array) => message.map((byte) => byte ^ key);
  return (conn) => {
    const messages = frames(conn, { limit: 4096 });
    return fromFrames({
      ...messages,
      read: async () => {
        const message = await messages.read();
        return message && mask(message);
      },
      write: (message) => messages.write(mask(message)),
    });
  };
}

await run({
  keyed: {
    async client({ args, dial }) {
      const wrap = keyed(args); // A wrong key connects to nobody.
      return wrap(await dial());
    },
    publish({ options }) {
      const args = new URLSearchParams({ key: options.get("key") ?? "77" });
      keyed(args); // The operator learns now that a key is wrong, and not each client.
      return args;
    },
    server: (conn, { args }) => keyed(args)(conn),
  },
}, { name: "keyed", version: "0.1.0" });

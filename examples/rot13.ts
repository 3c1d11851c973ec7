/**
 * Teaches a whole transport in twenty lines: letters rotate by 13 places, other bytes stay. It hides
 * nothing.
 *
 * tor starts it, as a client and as a server (`--help` says more about the permissions):
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* --allow-net=127.0.0.1:0,192.0.2.1:4443 rot13.ts
 *     deno run --no-prompt --allow-env=TOR_PT_* --allow-net=0.0.0.0:4443,127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie rot13.ts
 *
 * @module
 */

import { mapBytes, type StreamConn } from "@ptlib/ptlib/net";
import { run } from "@ptlib/ptlib/run";

// What becomes of each byte.
const rotated = Uint8Array.from({ length: 256 }, (_, byte) => {
  const letter = byte & 0xdf; // The upper case of a letter.
  return letter < 0x41 || letter > 0x5a ? byte : letter < 0x4e ? byte + 13 : byte - 13;
});

const rot13 = (conn: StreamConn) => mapBytes(conn, { read: rotated, write: rotated });

await run({
  rot13: {
    client: async ({ dial }) => rot13(await dial()),
    server: (conn) => rot13(conn),
  },
}, { name: "rot13", version: "0.1.0" });

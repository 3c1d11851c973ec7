/** A transport whose halves do not fit: the client changes bytes, and the server leaves them so. */

import { mapBytes } from "../../net/mod.ts";
import { run } from "../../run/run.ts";

const same = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const changed = same.map((byte) => byte ^ 1);

await run({
  lopsided: {
    client: async ({ dial }) => mapBytes(await dial(), { read: same, write: changed }),
    server: (conn) => conn,
  },
}, { name: "lopsided", version: "0.1.0" });

/** A transport whose server takes replays, and dies of what is no client's message. */

import { mapBytes, readFull } from "../../net/mod.ts";
import { run } from "../../run/run.ts";

const MARK = 0x5a;
const same = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const changed = same.map((byte) => byte ^ MARK);

await run({
  dying: {
    client: async ({ dial }) => {
      const conn = await dial();
      await conn.write(Uint8Array.of(MARK));
      return mapBytes(conn, { read: changed, write: changed });
    },
    server: async (conn) => {
      const [first] = await readFull(conn, new Uint8Array(1));
      if (first !== MARK) {
        console.error("that was no client");
        Deno.exit(3);
      }
      return mapBytes(conn, { read: changed, write: changed });
    },
  },
}, { name: "dying", version: "0.1.0" });

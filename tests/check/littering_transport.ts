/**
 * A transport that takes a key from its bridge line, and each half of which writes a file into the
 * directory for temporary files when it has carried something to the other one. Its name is
 * `littering`.
 */

import { mapBytes, type StreamConn } from "../../net/mod.ts";
import { run } from "../../run/run.ts";

/** Writes a file where there are bytes of the other half. */
function littering(conn: StreamConn): StreamConn {
  const inverted = Uint8Array.from({ length: 256 }, (_, byte) => 255 - byte);
  const mapped = mapBytes(conn, { read: inverted, write: inverted });
  const directory = Deno.env.get("TMPDIR") ?? "";
  return {
    ...mapped,
    write: (bytes) => mapped.write(bytes),
    closeWrite: () => mapped.closeWrite(),
    close: () => mapped.close(),
    read: async (bytes) => {
      const count = await mapped.read(bytes);
      if (count !== null && /\/outside-\d+\/tmp$/.test(directory)) {
        await Deno.writeTextFile(`${directory}/litter`, "");
      }
      return count;
    },
  };
}

await run({
  littering: {
    client: async ({ args, dial }) => {
      if (args.get("key") !== "open") throw new Error("There is no key=open");
      return littering(await dial());
    },
    publish: () => new URLSearchParams({ key: "open" }),
    server: littering,
  },
});

/** A program whose client gets no connection, and says why. */

import { run } from "../../run/run.ts";

await run({
  deaf: {
    client: () => {
      throw new Error("the moon is wrong");
    },
    server: (conn) => conn,
  },
}, { name: "wrong_moon", version: "1.2.3" });

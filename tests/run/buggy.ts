/** A program whose server has a bug. */

import { run } from "../../run/run.ts";

await run({
  buggy: {
    server: () => {
      const nothing = JSON.parse("null");
      return nothing.conn;
    },
  },
}, { name: "buggy" });

/** A program whose server lets nobody in, and says why at info, as of any stranger. */

import { run } from "../../run/run.ts";

await run({
  closed: {
    client: ({ dial }) => dial(),
    server: () => {
      throw new Error("the bridge is up");
    },
  },
}, { name: "closed_bridge" });

/** `examples/rot13.ts` by streams. */

import { run } from "@ptlib/ptlib/run";
import { byStreams } from "./rot13.ts";

await run({
  rot13: {
    client: async ({ dial }) => byStreams(await dial()),
    server: byStreams,
  },
});

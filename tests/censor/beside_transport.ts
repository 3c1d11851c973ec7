/** A transport whose client goes beside the censor: with each connection, or with each second one. */

import { parseAddress } from "../../address.ts";
import { connectTcp } from "../../net/conn.ts";
import { run } from "../../run/run.ts";

let count = 0;

await run({
  beside: {
    client: async ({ args, dial, signal }) => {
      const every = Number(args.get("every"));
      const server = parseAddress(args.get("server") ?? "");
      return count++ % every === 0 ? await connectTcp(server, signal) : await dial();
    },
    server: (conn) => conn,
  },
}, { name: "beside", version: "0.1.0" });

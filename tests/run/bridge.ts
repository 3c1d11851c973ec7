/** A program whose bridge publishes what it was told, and writes into its state directory. */

import { run } from "../../run/run.ts";

await run({
  tells: {
    async publish({ options, state_loc, stateDirectory }) {
      const path = await stateDirectory();
      await Deno.writeTextFile(`${path}/file`, "kept");
      return [...options, ["same", String(path === state_loc)], ["odd", "a=b,c\\d"]];
    },
    server(conn, { args, options }) {
      if (args.get("odd") !== "a=b,c\\d") {
        throw new Error("the arguments are not what was published");
      }
      if (options.get("k") !== "v") throw new Error("the options did not come");
      return conn;
    },
  },
  mute: { server: (conn) => conn },
  elsewhere: {
    // As a transport does whose bridge stands in its arguments.
    client: ({ args, dial }) => dial(["127.0.0.1", Number(args.get("port"))]),
  },
}, {
  name: "bridge",
  version: "1.2.3",
  reportVersion: true,
  permissions: { server: ["--allow-write"] },
});

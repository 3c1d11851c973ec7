/**
 * Teaches the least that a client has to be: the transport dummy, which changes nothing, the twin of
 * goptlib's dummy-client.
 *
 * tor starts it, with the address of the bridge, or of the upstream proxy where there is one:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=127.0.0.1:0,192.0.2.1:4443 dummy_client.ts
 *
 * Where bridges are not known beforehand it needs plain `--allow-net`.
 *
 * @module
 */

import { run } from "@ptlib/ptlib/run";

await run({
  dummy: {
    client: ({ dial }) => dial(),
  },
}, { name: "dummy_client", version: "0.1.0" });

/**
 * The program `webtunnel`, which tor starts.
 *
 * As a client, with the bridge's address, or its name where `url=` or `addr=` has one:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* \
 *       --allow-net=127.0.0.1:0,bridge.example:443 main.ts
 *
 * With an upstream proxy, the proxy's address stands in place of the bridge's. Where bridges are not
 * known beforehand it is plain `--allow-net`, and a bridge line can then lead to this machine and
 * its neighbours.
 *
 * @module
 */

import { log } from "../messages.ts";
import { run } from "../run/run.ts";
import { webtunnel } from "./webtunnel.ts";

if (import.meta.main) {
  await run({ webtunnel: webtunnel({ log }) }, { name: "webtunnel", version: "0.1.0" });
}

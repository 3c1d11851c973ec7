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
 * As a server behind a reverse proxy, with the address it binds, that of tor's ORPorts, the cookie's
 * file, tor's fingerprint for the bridge line, and the state directory in which that is kept:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_*,WEBTUNNEL_* \
 *       --allow-net=127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie,/var/lib/tor/fingerprint \
 *       --allow-write=/var/lib/tor/pt_state main.ts
 *
 * As a server alone, which binds all addresses, with its certificate and its key, and a web site on
 * 127.0.0.1:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_*,WEBTUNNEL_* \
 *       --allow-net=0.0.0.0:443,127.0.0.1 \
 *       --allow-read=/etc/webtunnel,/var/lib/tor/extended_orport_auth_cookie,/var/lib/tor/fingerprint \
 *       --allow-write=/var/lib/tor/pt_state main.ts
 *
 * @module
 */

import { log } from "../messages.ts";
import { run } from "../run/run.ts";
import { webtunnel } from "./webtunnel.ts";

if (import.meta.main) {
  await run({ webtunnel: webtunnel({ log }) }, {
    name: "webtunnel",
    version: "0.1.0",
    about: `Its bridge needs ServerTransportOptions webtunnel url=https://NAME/SECRET, as in
  ptlib tor --option 'url=http://{bridge}/SECRET' -- ...
All options and arguments are in docs/webtunnel.md of ptlib.`,
    permissions: { server: ["--allow-env=WEBTUNNEL_*", "--allow-write"] },
    narrowed: {
      server: [
        "--allow-net=127.0.0.1 --allow-read=COOKIE_FILE,FINGERPRINT_FILE --allow-write=STATE " +
        "(behind a reverse proxy)",
        "--allow-net=BIND:443,127.0.0.1 --allow-read=CERT,KEY,COOKIE_FILE,FINGERPRINT_FILE " +
        "--allow-write=STATE (alone)",
      ],
    },
  });
}

/**
 * Teaches the least that a server has to be: the transport dummy, which changes nothing, the twin of
 * goptlib's dummy-server.
 *
 * tor starts it, with the address it binds, that of tor's ORPorts and the cookie's file:
 *
 *     deno run --no-prompt --allow-env=TOR_PT_* --allow-net=0.0.0.0:4443,127.0.0.1 \
 *       --allow-read=/var/lib/tor/extended_orport_auth_cookie dummy_server.ts
 *
 * @module
 */

import { run } from "@ptlib/ptlib/run";

await run({
  dummy: {
    server: (conn) => conn,
  },
}, { name: "dummy_server", version: "0.1.0" });

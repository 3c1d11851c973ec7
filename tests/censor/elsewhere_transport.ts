/** A transport whose client says that it listens on an address of another machine. */

import { client, server, util } from "../../mod.ts";

if (util.checkClientMode()) {
  client.init(["elsewhere"]);
  client.reportSuccess("elsewhere", 5, ["192.0.2.1", 1080]);
  client.reportEnd();
} else {
  server.init(["elsewhere"]);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  server.reportSuccess("elsewhere", ["127.0.0.1", listener.addr.port]);
  server.reportEnd();
  await listener.accept();
}

/** The table of known clients has the ClientHello of the runtime that it was measured with. */

import { assertEquals } from "@std/assert";
import { ja4, parseClientHello } from "../../censor/mod.ts";
import { knownClient } from "../../censor/known_clients.ts";
import { permitted } from "../permitted.ts";

permitted(["net"], "knownClient() knows Deno's own, with and without ALPN", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  for (const alpnProtocols of [[], ["http/1.1"]]) {
    const connecting = Deno.connectTls({ hostname: "127.0.0.1", port, alpnProtocols })
      .catch(() => null);
    const conn = await listener.accept();
    const buffer = new Uint8Array(4_096);
    const hello = parseClientHello(buffer.subarray(0, await conn.read(buffer) ?? 0));
    conn.close();
    await connecting;
    const name = hello === null ? null : knownClient(await ja4(hello))?.name;
    // Another version of Deno may have another one: then the table is to be measured again.
    assertEquals(name?.startsWith("Deno "), true, hello === null ? "none" : await ja4(hello));
  }
});

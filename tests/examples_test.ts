import { assertEquals } from "@std/assert";
import { dialTransport } from "../parent/mod.ts";
import { checkCarries, launchPair, withDirectory } from "./example_pair.ts";
import { permitted } from "./permitted.ts";

const PAIRS = [
  ["dummy", "dummy_client.ts", "dummy_server.ts"],
  ["rot13", "rot13.ts", "rot13.ts"],
  ["rot13", "rot0r.ts", "rot0r.ts"],
  // Both rotate the same bytes.
  ["rot13", "rot13.ts", "rot0r.ts"],
  ["rot13", "rot0r.ts", "rot13.ts"],
  ["rot26", "rot0r.ts", "rot0r.ts"],
  ["secret", "secret.ts", "secret.ts"],
  ["keyed", "keyed.ts", "keyed.ts"],
] as const;

for (const [transport, client, server] of PAIRS) {
  permitted(
    ["net", "read", "write", "run"],
    `${transport} of ${client} and ${server} carries bytes with the permissions it names`,
    async () => {
      await withDirectory(async (directory) => {
        await using pair = await launchPair({ client, server, transport, directory });
        const { address, args } = pair.server.methods[transport]!;
        const arriving = pair.arrival();
        using user = await dialTransport(pair.client.methods[transport]!, address, args);
        const arrived = await arriving;
        using service = arrived.conn;
        assertEquals(arrived.transport, transport);
        assertEquals(arrived.clientAddress?.[0], "127.0.0.1");
        await checkCarries(user, service);
      });
    },
  );
}

import { assert, assertEquals } from "@std/assert";
import { readFull, writeAll } from "../net/mod.ts";
import { dialTransport } from "../parent/mod.ts";
import { launchPair, withDirectory } from "./example_pair.ts";
import { permitted } from "./permitted.ts";

const LENGTH = 300_000;

/** Sends bytes in pieces of many lengths, then the end. */
async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let start = 0, length = 1; start < bytes.length; start += length, length = 3 * length + 1) {
    await writeAll(conn, bytes.slice(start, start + length));
  }
  await conn.closeWrite();
}

/** Receives until the end. */
async function receive(conn: Deno.Conn): Promise<Uint8Array> {
  const bytes = await readFull(conn, new Uint8Array(LENGTH));
  assertEquals(await conn.read(new Uint8Array(1)), null);
  return bytes;
}

/** Carries other bytes each way, and both ends. */
async function checkCarries(user: Deno.Conn, service: Deno.Conn): Promise<void> {
  const [up, down] = [0, 1].map(() => {
    const bytes = new Uint8Array(LENGTH);
    for (let i = 0; i < LENGTH; i += 60_000) crypto.getRandomValues(bytes.subarray(i, i + 60_000));
    return bytes;
  }) as [Uint8Array, Uint8Array];
  const [, , atService, atUser] = await Promise.all([
    send(user, up),
    send(service, down),
    receive(service),
    receive(user),
  ]);
  assert(atService.every((byte, i) => byte === up[i]));
  assert(atUser.every((byte, i) => byte === down[i]));
}

const PAIRS = [
  ["dummy", "dummy_client.ts", "dummy_server.ts"],
  ["rot13", "rot13.ts", "rot13.ts"],
  ["rot13", "rot0r.ts", "rot0r.ts"],
  // Both rotate the same bytes.
  ["rot13", "rot13.ts", "rot0r.ts"],
  ["rot13", "rot0r.ts", "rot13.ts"],
  ["rot26", "rot0r.ts", "rot0r.ts"],
  ["secret", "secret.ts", "secret.ts"],
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

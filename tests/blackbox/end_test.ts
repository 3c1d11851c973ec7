import { assertEquals } from "@std/assert";
import { readFull, writeAll } from "../../net/mod.ts";
import { connectSocks5 } from "../../net/proxy.ts";
import { connectResettable, ResettableListener } from "../../testing/mod.ts";
import { permitted } from "../permitted.ts";
import { Chain, ended } from "./dummies.ts";

/** A test with both halves in front of a listener. */
function withListener(
  name: string,
  use: (chain: Chain, orport: Deno.TcpListener) => Promise<void>,
): void {
  permitted(["net", "read", "run"], name, async () => {
    using orport = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using chain = new Chain(["127.0.0.1", orport.addr.port]);
    await chain.start();
    await use(chain, orport);
  });
}

async function checkSays(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  await writeAll(from, Uint8Array.of(1, 2, 3));
  assertEquals(await readFull(to, new Uint8Array(3)), Uint8Array.of(1, 2, 3));
}

withListener("the dummies pass on an end, and let the other way go on", async (chain, orport) => {
  for (const userFirst of [true, false]) {
    using user = await chain.connect();
    using service = await orport.accept();
    const [first, second] = userFirst ? [user, service] : [service, user];
    await first.closeWrite();
    assertEquals(await second.read(new Uint8Array(1)), null);
    await checkSays(second, first);
    await second.closeWrite();
    assertEquals(await first.read(new Uint8Array(1)), null);
  }
});

withListener("the dummies end what a user resets", async (chain, orport) => {
  using user = await connectResettable(chain.client.port("dummy"));
  await connectSocks5(user, chain.bridge);
  using service = await orport.accept();
  user.reset();
  await ended(service);
});

permitted(["net", "read", "run"], "the dummies end what the service resets", async () => {
  using orport = await ResettableListener.listen();
  await using chain = new Chain(["127.0.0.1", orport.port]);
  await chain.start();
  const arrived = orport.accept();
  using user = await chain.connect();
  using service = await arrived;
  service.reset();
  await ended(user);
});

withListener("dummy_server.ts ends a client when tor is not there", async (chain, orport) => {
  orport.close();
  using user = await chain.connect();
  await ended(user);
});

import { assertEquals } from "@std/assert";
import { writeAll } from "../../net/conn.ts";
import { memoryPair, streamConnContract } from "../../testing/mod.ts";
import { grant } from "../../webtunnel/grant.ts";
import { IdleConn } from "../net/idle_conn.ts";
import { bytes, takeText } from "../net/scripted_peer.ts";
import { FakeTimers } from "../timers.ts";
import { GRANTED } from "./test_bridge.ts";

/** Speaks when it is told to, and has what was written to it. */
class Client extends IdleConn {
  readonly speaks = Promise.withResolvers<string>();
  written = "";

  override async read(p: Uint8Array): Promise<number | null> {
    const text = bytes(await this.speaks.promise);
    p.set(text);
    return text.length || null;
  }

  override write(p: Uint8Array): Promise<number> {
    this.written += new TextDecoder().decode(p);
    return Promise.resolve(p.length);
  }
}

Deno.test("grant() has nothing follow its answer until the client has spoken", async () => {
  using timers = new FakeTimers();
  const client = new Client();
  const tunnel = await grant(client);
  const writing = writeAll(tunnel, bytes("service"));
  const reading = takeText(tunnel, 5);
  assertEquals(client.written, GRANTED);
  client.speaks.resolve("hello");
  assertEquals(await reading, "hello");
  await writing;
  assertEquals(client.written, `${GRANTED}service`);
  assertEquals(timers.pending, []);
});

for (
  const [how, speak] of [
    ["has ended its stream", (client: Client) => client.speaks.resolve("")],
    ["is gone", (client: Client) => client.speaks.reject(new Deno.errors.ConnectionReset())],
  ] as const
) {
  Deno.test(`grant() waits no longer for a client that ${how}`, async () => {
    using _timers = new FakeTimers();
    const client = new Client();
    const tunnel = await grant(client);
    const ending = tunnel.closeWrite();
    const reading = tunnel.read(new Uint8Array(1)).catch(() => null);
    assertEquals(client.writeClosed, false);
    speak(client);
    assertEquals(await reading, null);
    await ending;
    assertEquals(client.writeClosed, true);
  });
}

Deno.test("grant() waits a quarter of a second for a client that does not speak first", async () => {
  using timers = new FakeTimers();
  const client = new Client();
  const tunnel = await grant(client);
  const writing = writeAll(tunnel, bytes("service"));
  assertEquals(client.written, GRANTED);
  await timers.fire(250);
  await writing;
  assertEquals(client.written, `${GRANTED}service`);
  assertEquals(timers.pending, []);
});

Deno.test("grant() leaves no timer and no wait behind when the tunnel is closed", async () => {
  using timers = new FakeTimers();
  const client = new Client();
  const tunnel = await grant(client);
  const writing = writeAll(tunnel, bytes("service"));
  tunnel.close();
  await writing;
  assertEquals(timers.pending, []);
  assertEquals(client.closed, true);
});

const rules = streamConnContract(async () => {
  const { client, server } = memoryPair();
  const [tunnel] = await Promise.all([grant(server), takeText(client, GRANTED.length)]);
  return { client, server: tunnel };
});
for (const { name, check } of rules) Deno.test(`the tunnel of grant() ${name}`, check);

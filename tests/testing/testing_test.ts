/** What an author's tests get besides the contract of a `StreamConn`. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DialError, readFull } from "../../net/mod.ts";
import {
  dribbling,
  launchPair,
  memoryPair,
  readToEnd,
  resetting,
  stalling,
  streamConnContract,
} from "../../testing/mod.ts";
import { LaunchError } from "../../parent/mod.ts";
import { bytes } from "../net/scripted_peer.ts";
import { permitted } from "../permitted.ts";

Deno.test("memoryPair() tells a writer that its reader has gone", async () => {
  using pair = memoryPair();
  pair.server.close();
  await assertRejects(() => pair.client.write(bytes("x")), Deno.errors.BrokenPipe);
});

Deno.test("memoryPair() gives what was written before a close", async () => {
  using pair = memoryPair();
  await pair.client.write(bytes("hello"));
  pair.client.close();
  assertEquals(await readToEnd(pair.server), bytes("hello"));
});

Deno.test("readToEnd() throws what the connection throws", async () => {
  using pair = memoryPair();
  await pair.client.write(bytes("hello"));
  await assertRejects(
    () => readToEnd(resetting(pair.server, { read: 3 })),
    Deno.errors.ConnectionReset,
  );
});

Deno.test("readToEnd() refuses a connection that gives neither a byte nor an end", async () => {
  await assertRejects(() => readToEnd({ read: () => Promise.resolve(0) }), TypeError);
});

Deno.test("dribbling() gives and takes so many bytes at once", async () => {
  using pair = memoryPair();
  const conn = dribbling(pair.client, 2);
  assertEquals(await conn.write(bytes("hello")), 2);
  assertEquals(await readFull(pair.server, new Uint8Array(2)), bytes("he"));
  await pair.server.write(bytes("hello"));
  assertEquals(await conn.read(new Uint8Array(5)), 2);
  for (const size of [0, 1.5, -1, NaN]) assertThrows(() => dribbling(conn, size), TypeError);
});

/** What has become of a promise by now, without waiting for it. */
async function stateOf(promise: Promise<unknown>): Promise<"waits" | "settled"> {
  const settled = promise.then(() => "settled" as const, () => "settled" as const);
  const { promise: turn, resolve } = Promise.withResolvers<"waits">();
  const timer = setTimeout(() => resolve("waits"));
  const state = await Promise.race([settled, turn]);
  clearTimeout(timer);
  return state;
}

Deno.test("stalling() waits behind its place until it is closed, each way by itself", async () => {
  using pair = memoryPair();
  const conn = stalling(pair.client, { write: 3 });
  assertEquals(await conn.write(bytes("hello")), 3);
  const waiting = [conn.write(bytes("lo")), conn.closeWrite()];
  const rejected = waiting.map((promise) => assertRejects(() => promise, Deno.errors.Interrupted));
  for (const promise of waiting) assertEquals(await stateOf(promise), "waits");
  await pair.server.write(bytes("on"));
  assertEquals(await readFull(conn, new Uint8Array(2)), bytes("on"));
  conn.close();
  await Promise.all(rejected);
});

Deno.test("resetting() fails in both directions once its place is reached", async () => {
  using pair = memoryPair();
  const conn = resetting(pair.client, { write: 3 });
  assertEquals(await conn.write(bytes("hello")), 3);
  const reading = conn.read(new Uint8Array(1));
  const attempts = [
    () => reading,
    () => conn.write(bytes("lo")),
    () => conn.read(new Uint8Array(1)),
    () => conn.closeWrite(),
  ];
  await Promise.all(
    attempts.map((attempt) => assertRejects(attempt, Deno.errors.ConnectionReset)),
  );
  assertEquals(await readToEnd(pair.server), bytes("hel"));
});

const ROT13 = new URL("../../examples/rot13.ts", import.meta.url).pathname;
const COMMAND = [Deno.execPath(), "run", "--no-prompt", "--allow-all", ROT13];
const NEEDS = ["net", "read", "write", "run", "env"] as const;

permitted(NEEDS, "launchPair() connects through both halves as processes", async (t) => {
  await using pair = await launchPair({ transport: "rot13", client: COMMAND });
  const [one, two] = await Promise.all([pair.connect(), pair.connect()]);
  for (const [ends, text] of [[one, "one"], [two, "two"]] as const) {
    await ends.client.write(bytes(text));
    assertEquals(await readFull(ends.server, new Uint8Array(3)), bytes(text));
    assertEquals(ends.from.transport, "rot13");
    assertEquals(ends.from.clientAddress?.[0], "127.0.0.1");
  }
  for (const { name, check } of streamConnContract(() => pair.connect())) {
    await t.step(`and ${name}`, check);
  }
});

permitted(NEEDS, "launchPair() gives each half no more than its command has", async () => {
  const deno = (...permissions: string[]) => [
    ...[Deno.execPath(), "run", "--no-prompt", "--allow-env=TOR_PT_*"],
    ...permissions,
    ROT13,
  ];
  await using pair = await launchPair({
    transport: "rot13",
    client: (bridge) => deno(`--allow-net=127.0.0.1:0,${bridge}`),
    server: (cookie) => deno("--allow-net=127.0.0.1", `--allow-read=${cookie}`),
  });
  const { client, server } = await pair.connect();
  await client.write(bytes("hello"));
  assertEquals(await readFull(server, new Uint8Array(5)), bytes("hello"));
});

permitted(NEEDS, "launchPair() leaves nothing behind when a program is no good", async () => {
  const places: string[] = [];
  const failing = launchPair({
    transport: "rot13",
    client: ["/nonexistent/program"],
    server: (cookie) => {
      places.push(cookie);
      return COMMAND;
    },
  });
  const error = await assertRejects(() => failing);
  assert(error instanceof LaunchError || error instanceof Deno.errors.NotFound, String(error));
  for (const place of places) await assertRejects(() => Deno.lstat(place), Deno.errors.NotFound);
});

permitted(NEEDS, "launchPair() tells what a half logs that does not connect", async () => {
  const path = new URL("../run/wrong_moon.ts", import.meta.url).pathname;
  const client = [Deno.execPath(), "run", "--no-prompt", "--allow-all", path];
  await using pair = await launchPair({ transport: "deaf", client });
  await assertRejects(
    () => pair.connect(),
    DialError,
    "general failure (1); the client says: deaf: no connection: the moon is wrong",
  );
});

import { assertEquals, assertRejects } from "@std/assert";
import {
  frames,
  fromFrames,
  mapBytes,
  pipeThrough,
  prefixed,
  type StreamConn,
} from "../../net/mod.ts";
import { acceptTls, startTls } from "../../net/tls.ts";
import {
  connectResettable,
  type ConnPair,
  dribbling,
  memoryPair,
  ResettableListener,
  streamConnContract,
  tcpPair,
} from "../../testing/mod.ts";
import { fromDuplex, toDuplex } from "../../net/duplex.ts";
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_KEY } from "../net/test_certificates.ts";
import { permitted } from "../permitted.ts";
import { FAULTS, faultyPair } from "./faulty_streams.ts";

/** Only a connection with a fault waits so long, in milliseconds. */
const SHORT = 2_000;

for (const [name, [rule, fault]] of Object.entries(FAULTS)) {
  Deno.test(`streamConnContract() finds a connection that ${name}`, async () => {
    const below: Disposable[] = [];
    const rules = streamConnContract(() => faultyPair(fault, below), { timeout: SHORT });
    const found = rules.find(({ name }) => name.includes(rule));
    await assertRejects(async () => await found?.check());
    below.forEach((pair) => pair[Symbol.dispose]());
  });
}

const inverted = Uint8Array.from({ length: 256 }, (_, byte) => ~byte);

/** Both ends of a connection in memory, each wrapped. */
function wrapped(wrap: (conn: StreamConn) => StreamConn): ConnPair {
  const { client, server } = memoryPair();
  return { client: wrap(client), server: wrap(server) };
}

const identity = () => new TransformStream<Uint8Array, Uint8Array>();

const IN_MEMORY: Readonly<Record<string, () => ConnPair | Promise<ConnPair>>> = {
  "memoryPair()": memoryPair,
  "dribbling()": () => wrapped((conn) => dribbling(conn, 1_000)),
  "prefixed()": async () => {
    const { client, server } = memoryPair();
    const bytes = new Uint8Array(2);
    await client.write(bytes);
    await server.read(bytes);
    return { client, server: prefixed(server, new Uint8Array()) };
  },
  "mapBytes()": () => wrapped((conn) => mapBytes(conn, { read: inverted, write: inverted })),
  "fromFrames()": () => wrapped((conn) => fromFrames(frames(conn, { limit: 1_000 }))),
  "pipeThrough()": () =>
    wrapped((conn) => pipeThrough(conn, { read: identity(), write: identity() })),
};

const ON_LOOPBACK: Readonly<Record<string, () => ConnPair | Promise<ConnPair>>> = {
  "tcpPair()": tcpPair,
  "connectResettable()": async () => {
    using listener = await ResettableListener.listen();
    const [client, server] = await Promise.all([
      connectResettable(listener.port),
      listener.accept(),
    ]);
    return { client, server };
  },
  "toDuplex()": async () => {
    const { client, server } = await tcpPair();
    return { client: fromDuplex(await toDuplex(client)), server };
  },
  "TLS": async () => {
    const { client, server } = await tcpPair();
    const [secure, accepted] = await Promise.all([
      startTls(client, { hostname: "pt.example", caCerts: [TEST_AUTHORITY] }),
      acceptTls(server, { cert: TEST_CERTIFICATE, key: TEST_KEY }),
    ]);
    return { client: secure, server: accepted };
  },
};

for (const [name, open] of Object.entries(IN_MEMORY)) {
  for (const { name: rule, check } of streamConnContract(open)) {
    Deno.test(`${name} ${rule}`, check);
  }
}

for (const [name, open] of Object.entries(ON_LOOPBACK)) {
  for (const { name: rule, check } of streamConnContract(open)) {
    permitted(["net"], `${name} ${rule}`, check);
  }
}

Deno.test("streamConnContract() has a fault for each rule", () => {
  const found = new Set(Object.values(FAULTS).map(([rule]) => rule));
  const rules = streamConnContract(memoryPair).map(({ name }) => name);
  const untried = rules.filter((name) => !found.values().some((part) => name.includes(part)));
  assertEquals(untried, []);
});

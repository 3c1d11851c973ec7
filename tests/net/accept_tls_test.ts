import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { closeQuietly, mapBytes, type StreamConn, writeAll } from "../../net/mod.ts";
import {
  acceptTls,
  type AcceptTlsOptions,
  certificatePin,
  startTls,
  type TlsStreamConn,
} from "../../net/tls.ts";
import { permitted } from "../permitted.ts";
import { bytes, take } from "./scripted_peer.ts";
import { readToEnd, tcpPair } from "../../testing/mod.ts";
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_CHAIN_KEY, TEST_KEY } from "./test_certificates.ts";

const TRUSTED = { hostname: "pt.example", caCerts: [TEST_AUTHORITY] };
const SERVER = { cert: TEST_CERTIFICATE, key: TEST_KEY };

/** The clients that the server is tried with. */
const CLIENTS: readonly [
  name: string,
  start: (conn: Deno.TcpConn) => Promise<StreamConn>,
][] = [
  ["startTls()", (conn) => startTls(conn, TRUSTED)],
  ["Deno.startTls()", (conn) => Deno.startTls(conn, TRUSTED)],
];

/** Both sides of a connection in TLS. */
interface TlsPair extends Disposable {
  client: StreamConn;
  server: TlsStreamConn;
}

async function tlsPair(start: (conn: Deno.TcpConn) => Promise<StreamConn>): Promise<TlsPair> {
  const { client: dialled, server: accepted } = await tcpPair();
  const [client, server] = await Promise.all([start(dialled), acceptTls(accepted, SERVER)]);
  return {
    client,
    server,
    [Symbol.dispose]() {
      closeQuietly(client);
      closeQuietly(server);
    },
  };
}

/** A connection that is no `Deno.TcpConn` any more, and carries other bytes than it is given. */
function wrapped(conn: StreamConn): StreamConn {
  const flip = (p: Uint8Array) => p.forEach((byte, index) => p[index] = byte ^ 0x55);
  return mapBytes(conn, { read: flip, write: flip });
}

/** Says something to its end, and hears the other side to its end. */
async function exchange(conn: StreamConn, said: string, heard: string): Promise<void> {
  await writeAll(conn, bytes(said));
  await conn.closeWrite();
  assertEquals(await readToEnd(conn), bytes(heard));
}

for (const [name, start] of CLIENTS) {
  permitted(["net"], `acceptTls() half-closes in both directions with ${name}`, async () => {
    for (const clientFirst of [true, false]) {
      using pair = await tlsPair(start);
      const [first, second] = clientFirst ? [pair.client, pair.server] : [pair.server, pair.client];
      await writeAll(first, bytes("hello"));
      await first.closeWrite();
      assertEquals(await readToEnd(second), bytes("hello"));
      await writeAll(second, bytes("goodbye"));
      await second.closeWrite();
      assertEquals(await readToEnd(first), bytes("goodbye"));
    }
  });

  permitted(["net"], `acceptTls() carries 8 MiB each way at once with ${name}`, async () => {
    const up = new Uint8Array(8 * 1024 * 1024).map((_, index) => index * 7 + (index >> 11));
    const down = up.map((byte) => byte ^ 0x55);
    using pair = await tlsPair(start);
    const send = async (conn: StreamConn, all: Uint8Array) => {
      await writeAll(conn, all);
      await conn.closeWrite();
    };
    const [, , upwards, downwards] = await Promise.all([
      send(pair.client, Uint8Array.from(up)),
      send(pair.server, Uint8Array.from(down)),
      readToEnd(pair.server),
      readToEnd(pair.client),
    ]);
    const digest = (data: Uint8Array<ArrayBuffer>) => crypto.subtle.digest("SHA-256", data);
    assertEquals(await digest(upwards), await digest(up));
    assertEquals(await digest(downwards), await digest(down));
  });
}

permitted(["net"], "acceptTls() runs over a connection that a transport has wrapped", async () => {
  using pair = await tcpPair();
  const [client, server] = await Promise.all([
    startTls(wrapped(pair.client), TRUSTED),
    acceptTls(wrapped(pair.server), SERVER),
  ]);
  await Promise.all([exchange(client, "hello", "goodbye"), exchange(server, "goodbye", "hello")]);
  client.close();
  server.close();
});

permitted(["net"], "acceptTls() runs in TLS", async () => {
  for (const [, start] of CLIENTS) {
    using outer = await tlsPair(start);
    const [client, server] = await Promise.all([
      startTls(outer.client, TRUSTED),
      acceptTls(outer.server, SERVER),
    ]);
    await Promise.all([exchange(client, "hello", "goodbye"), exchange(server, "goodbye", "hello")]);
    client.close();
    server.close();
  }
});

const PROTOCOLS: readonly [
  server: string[] | undefined,
  client: string[],
  chosen: string | null,
][] = [
  [["h2", "http/1.1"], ["http/1.1", "h2"], "h2"],
  [["h2", "http/1.1"], ["http/1.1", "gopher"], "http/1.1"],
  [["h2"], [], null],
  [undefined, ["h2"], null],
];

permitted(["net"], "acceptTls() says which protocol it chose, and tells the client", async () => {
  for (const [alpnProtocols, offered, chosen] of PROTOCOLS) {
    using pair = await tcpPair();
    const secure = await Deno.startTls(pair.client, { ...TRUSTED, alpnProtocols: offered });
    const [server, client] = await Promise.all([
      acceptTls(pair.server, { ...SERVER, alpnProtocols }),
      secure.handshake(),
    ]);
    assertEquals([server.alpnProtocol, client.alpnProtocol], [chosen, chosen]);
    secure.close();
    server.close();
  }
});

permitted(["net"], "acceptTls() makes a connection whose close ends the one below", async () => {
  for (const [, start] of CLIENTS) {
    using pair = await tcpPair();
    const [client, server] = await Promise.all([
      start(pair.client),
      acceptTls(pair.server, SERVER),
    ]);
    const reading = assertRejects(() => server.read(new Uint8Array(1)), Deno.errors.Interrupted);
    server.close();
    await reading;
    await assertRejects(() => pair.server.read(new Uint8Array(1)), Deno.errors.BadResource);
    client.close();
    server.close();
  }
});

/** A connection that counts what is read, and can be broken. */
class Watched implements StreamConn {
  readonly #conn: StreamConn;
  readonly #broken = Promise.withResolvers<never>();
  /** How many bytes were read. */
  count = 0;

  constructor(conn: StreamConn) {
    this.#conn = conn;
    this.#broken.promise.catch(() => {});
  }

  /** Lets everything fail. */
  break(): void {
    this.#broken.reject(new Deno.errors.ConnectionReset("from below"));
  }

  async read(p: Uint8Array): Promise<number | null> {
    const count = await Promise.race([this.#broken.promise, this.#conn.read(p)]);
    this.count += count ?? 0;
    return count;
  }

  async write(p: Uint8Array): Promise<number> {
    return await Promise.race([this.#broken.promise, this.#conn.write(p)]);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    closeQuietly(this.#conn);
  }
}

/** Runs a test on each side: on the secure connection, what it stands on, and the other side. */
function eachSide(
  name: (side: string) => string,
  use: (conn: StreamConn, below: Watched, other: StreamConn) => Promise<void>,
): void {
  for (const side of ["startTls()", "acceptTls()"]) {
    permitted(["net"], name(side), async () => {
      using pair = await tcpPair();
      const below = new Watched(pair.client);
      const client = side === "startTls()";
      const [conn, other] = await Promise.all(
        client
          ? [startTls(below, TRUSTED), acceptTls(pair.server, SERVER)]
          : [acceptTls(below, SERVER), startTls(pair.server, TRUSTED)],
      );
      try {
        await use(conn, below, other);
      } finally {
        conn.close();
        other.close();
      }
    });
  }
}

eachSide(
  (side) => `${side} makes a connection that is read no faster than its reader takes it`,
  async (conn, below, other) => {
    const sending = (async () => {
      for (;;) await other.write(new Uint8Array(1024 * 1024));
    })();
    const failed = assertRejects(() => sending, Deno.errors.Interrupted);
    await take(conn, 1);
    const before = below.count;
    // Meanwhile much could be read.
    using elsewhere = await tcpPair();
    for (let turn = 0; turn < 1000; turn++) {
      await elsewhere.client.write(Uint8Array.of(turn));
      await take(elsewhere.server, 1);
    }
    assertLess(below.count - before, 128 * 1024);
    await take(conn, 1024 * 1024);
    other.close();
    await failed;
  },
);

eachSide(
  (side) => `${side} makes a connection whose read rejects with the error of the one below`,
  async (conn, below) => {
    const reading = assertRejects(
      () => conn.read(new Uint8Array(1)),
      Deno.errors.ConnectionReset,
    );
    below.break();
    await reading;
  },
);

eachSide(
  (side) => `${side} makes a connection whose writes reject soon after the one below has broken`,
  async (conn, below) => {
    below.break();
    const writing = async () => {
      for (let count = 0; count < 1000; count++) await conn.write(new Uint8Array(1024));
    };
    await assertRejects(writing, Deno.errors.ConnectionReset);
  },
);

/** A ClientHello that breaks off, in the header of a record of 512 bytes. */
const BROKEN_OFF = Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3);

/** A client that Deno's own TLS makes, whose handshake fails. */
async function failingHandshake(conn: Deno.TcpConn, options: Deno.StartTlsOptions): Promise<void> {
  using secure = await Deno.startTls(conn, options);
  await assertRejects(() => secure.handshake());
}

type Rejected = readonly [
  what: string,
  client: (conn: Deno.TcpConn) => Promise<unknown>,
  Class: new () => Error,
  message: string,
];

const REJECTED: readonly Rejected[] = [
  [
    "a client that speaks plain HTTP",
    (conn) => conn.write(bytes("GET / HTTP/1.1\r\nHost: pt.example\r\n\r\n")),
    Deno.errors.InvalidData,
    "The TLS handshake failed: ",
  ],
  [
    "a client that sends garbage",
    (conn) => conn.write(new Uint8Array(500).fill(0xaa)),
    Deno.errors.InvalidData,
    "The TLS handshake failed: ",
  ],
  [
    "a client that hangs up at once",
    (conn) => conn.closeWrite(),
    Deno.errors.UnexpectedEof,
    "The client hung up in the TLS handshake",
  ],
  [
    "a client that hangs up in mid-hello",
    async (conn) => {
      await conn.write(BROKEN_OFF);
      await conn.closeWrite();
    },
    Deno.errors.UnexpectedEof,
    "The client hung up in the TLS handshake",
  ],
  [
    "a client that takes none of its protocols",
    (conn) => failingHandshake(conn, { ...TRUSTED, alpnProtocols: ["gopher"] }),
    Deno.errors.InvalidData,
    "The TLS handshake failed: ",
  ],
  [
    "a client that does not trust the certificate",
    (conn) => failingHandshake(conn, { hostname: "pt.example" }),
    Deno.errors.InvalidData,
    "The TLS handshake failed: received fatal alert: ",
  ],
  [
    "a client that wants a certificate for another name",
    (conn) => failingHandshake(conn, { ...TRUSTED, hostname: "other.example" }),
    Deno.errors.InvalidData,
    "The TLS handshake failed: received fatal alert: ",
  ],
];

for (const [what, client, Class, message] of REJECTED) {
  permitted(["net"], `acceptTls() rejects ${what}, and closes the connection`, async () => {
    using pair = await tcpPair();
    const accepting = acceptTls(pair.server, { ...SERVER, alpnProtocols: ["h2"] });
    await Promise.all([
      assertRejects(() => accepting, Class, message),
      client(pair.client),
    ]);
    await assertRejects(() => pair.server.read(new Uint8Array(1)), Deno.errors.BadResource);
  });
}

const UNREADABLE: readonly [what: string, options: Pick<AcceptTlsOptions, "cert" | "key">][] = [
  ["a certificate that is none", { ...SERVER, cert: "hello" }],
  ["no certificate", { ...SERVER, cert: "" }],
  ["a certificate that breaks off", { ...SERVER, cert: TEST_CERTIFICATE.slice(0, 300) }],
  ["a key that is none", { ...SERVER, key: "hello" }],
  ["no key", { ...SERVER, key: "" }],
  ["the key of another certificate", { ...SERVER, key: TEST_CHAIN_KEY }],
];

for (const [what, options] of UNREADABLE) {
  permitted(["net"], `acceptTls() rejects ${what}, and closes the connection`, async () => {
    using pair = await tcpPair();
    // The client says nothing: it is not waited for.
    await assertRejects(() => acceptTls(pair.server, options), Error);
    await assertRejects(() => pair.server.read(new Uint8Array(1)), Deno.errors.BadResource);
  });
}

permitted(["net"], "acceptTls() rejects with the error of the connection below", async () => {
  const broken: StreamConn = {
    read: () => Promise.reject(new Deno.errors.ConnectionReset("from below")),
    write: (p) => Promise.resolve(p.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  };
  await assertRejects(() => acceptTls(broken, SERVER), Deno.errors.ConnectionReset);
});

/** What a client says before it stalls: nothing, or part of a ClientHello. */
const STALLED = [bytes(""), BROKEN_OFF];

permitted(["net"], "acceptTls() keeps its deadline, and closes the connection", async () => {
  for (const said of STALLED) {
    using pair = await tcpPair();
    await writeAll(pair.client, said);
    const accepting = () => acceptTls(pair.server, { ...SERVER, timeout: 50 });
    const error = await assertRejects(accepting, DOMException);
    assertEquals(
      [error.name, error.message],
      ["TimeoutError", "The TLS handshake took longer than 0.05 s"],
    );
    await assertRejects(() => pair.server.read(new Uint8Array(1)), Deno.errors.BadResource);
  }
});

permitted(["net"], "acceptTls() ends with its signal, and closes the connection", async () => {
  for (const said of STALLED) {
    using pair = await tcpPair();
    await writeAll(pair.client, said);
    const controller = new AbortController();
    const reason = new Error("never mind");
    const entered = Promise.withResolvers<void>();
    const conn: StreamConn = {
      ...wrapped(pair.server),
      read(p) {
        entered.resolve();
        return pair.server.read(p);
      },
    };
    const accepting = acceptTls(conn, { ...SERVER, signal: controller.signal });
    await entered.promise;
    controller.abort(reason);
    assertEquals(await accepting.catch((error) => error), reason);
    await assertRejects(() => pair.server.read(new Uint8Array(1)), Deno.errors.BadResource);
  }
});

permitted(["net"], "acceptTls() does not start where its signal has aborted", async () => {
  using pair = await tcpPair();
  const reason = new Error("never mind");
  const options = { ...SERVER, signal: AbortSignal.abort(reason) };
  assertEquals(await acceptTls(pair.server, options).catch((error) => error), reason);
  await assertRejects(() => pair.server.read(new Uint8Array(1)), Deno.errors.BadResource);
});

permitted(
  ["net"],
  "startTls() and acceptTls() lose nothing that was written before the end",
  async () => {
    const length = 1 << 20;
    for (const side of ["client", "server"]) {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const dialled = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
      const pin = await certificatePin(TEST_CERTIFICATE);
      const [client, server] = await Promise.all([
        startTls(dialled, { hostname: "any.example", pins: [pin] }),
        acceptTls(await listener.accept(), { cert: TEST_CERTIFICATE, key: TEST_KEY }),
      ]);
      listener.close();
      const [writer, reader] = side === "client" ? [client, server] : [server, client];
      await writeAll(writer, new Uint8Array(length));
      await writer.closeWrite();
      writer.close(); // Nothing has been read so far.
      assertEquals((await readToEnd(reader)).length, length);
      reader.close();
    }
  },
);

/** What no client says first, or says at all. */
const NO_HELLO: Record<string, Uint8Array> = {
  "HTTP": bytes("GET / HTTP/1.1\r\n\r\n"),
  "SSH": bytes("SSH-2.0-x\r\n"),
  "zeros": new Uint8Array(100),
  "a ClientHello that is cut off inside": Uint8Array.of(22, 3, 1, 0, 5, 1, 0, 0, 1, 0),
  "bytes of a user's": Uint8Array.of(23, 3, 3, 0, 1, 1),
  "an alert": Uint8Array.of(21, 3, 1, 0, 2, 2, 40),
};

for (const [what, hello] of Object.entries(NO_HELLO)) {
  permitted(
    ["net"],
    `acceptTls() answers ${what} with the alert of Deno's own server`,
    async () => {
      using theirs = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...SERVER });
      const accepting = theirs.accept().then(async (conn) => {
        await conn.handshake().catch(() => {});
        conn.close();
      });
      using near = await Deno.connect({ hostname: "127.0.0.1", port: theirs.addr.port });
      await writeAll(near, hello);
      const expected = await readToEnd(near).catch(() => new Uint8Array());
      near.close();
      await accepting;

      const { client, server } = await tcpPair();
      const failed = assertRejects(() => acceptTls(server, SERVER), Deno.errors.InvalidData);
      await writeAll(client, hello);
      assertEquals(await readToEnd(client), expected);
      client.close();
      await failed;
    },
  );
}

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { mapBytes, relay, type StreamConn, writeAll } from "../../net/mod.ts";
import { startTls, type StartTlsOptions } from "../../net/tls.ts";
import { permitted } from "../permitted.ts";
import { bytes, type Script, ScriptedPeer, takeAll, takeText, tcpPair } from "./scripted_peer.ts";
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_KEY } from "./test_certificates.ts";

const TRUSTED = { hostname: "pt.example", caCerts: [TEST_AUTHORITY] } as const;

/** A TLS server that plays a script on the first connection. */
class TlsPeer implements AsyncDisposable {
  readonly #listener: Deno.TlsListener;
  readonly #played: Promise<void>;

  constructor(script: (conn: Deno.TlsConn) => Promise<unknown>, alpnProtocols: string[] = []) {
    this.#listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      cert: TEST_CERTIFICATE,
      key: TEST_KEY,
      alpnProtocols,
    });
    this.#played = this.#play(script);
    this.#played.catch(() => {});
  }

  async #play(script: (conn: Deno.TlsConn) => Promise<unknown>): Promise<void> {
    using conn = await this.#listener.accept();
    await script(conn);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#played.finally(() => this.#listener.close());
  }
}

/** A connection to a peer, wrapped, so that it is no `Deno.TcpConn` any more. */
async function wrapped(peer: { port: number }): Promise<StreamConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: peer.port });
  return mapBytes(conn, { read: () => {}, write: () => {} });
}

/** A server that expects the handshake to fail. */
async function failingHandshake(conn: Deno.TlsConn): Promise<void> {
  await assertRejects(async () => {
    await conn.handshake();
    await takeAll(conn);
  });
}

permitted(["net"], "startTls() half-closes in both directions", async () => {
  for (const first of ["client", "server"]) {
    await using peer = new TlsPeer(async (conn) => {
      if (first === "client") assertEquals(await takeAll(conn), bytes("from the client"));
      await conn.write(bytes("from the server"));
      await conn.closeWrite();
      if (first === "server") assertEquals(await takeAll(conn), bytes("from the client"));
    });
    const conn = await startTls(await wrapped(peer), TRUSTED);
    if (first === "server") assertEquals(await takeAll(conn), bytes("from the server"));
    await writeAll(conn, bytes("from the client"));
    await conn.closeWrite();
    if (first === "client") assertEquals(await takeAll(conn), bytes("from the server"));
    conn.close();
  }
});

permitted(["net"], "startTls() carries 8 MiB whole each way", async () => {
  const sent = new Uint8Array(8 * 1024 * 1024).map((_, index) => index * 7 + (index >> 11));
  await using peer = new TlsPeer(async (conn) => {
    await writeAll(conn, await takeAll(conn));
    await conn.closeWrite();
  });
  const conn = await startTls(await wrapped(peer), TRUSTED);
  const [, back] = await Promise.all([
    writeAll(conn, sent).then(() => conn.closeWrite()),
    takeAll(conn),
  ]);
  const digest = (data: Uint8Array<ArrayBuffer>) => crypto.subtle.digest("SHA-256", data);
  assertEquals(await digest(back), await digest(sent));
  conn.close();
});

permitted(["net"], "startTls() runs in TLS", async () => {
  // The outer TLS ends at the peer, which hands what it carried to the server of the inner one.
  await using inner = new TlsPeer(async (conn) => {
    assertEquals(await takeAll(conn), bytes("hello"));
    await conn.write(bytes("goodbye"));
    await conn.closeWrite();
  });
  await using outer = new TlsPeer(async (conn) => {
    await relay(conn, await Deno.connect({ hostname: "127.0.0.1", port: inner.port }));
  });
  const conn = await startTls(await startTls(await wrapped(outer), TRUSTED), TRUSTED);
  await writeAll(conn, bytes("hello"));
  await conn.closeWrite();
  assertEquals(await takeAll(conn), bytes("goodbye"));
  conn.close();
});

const PROTOCOLS: readonly [
  server: string[],
  client: string[] | undefined,
  chosen: string | null,
][] = [
  [["h2", "http/1.1"], ["http/1.1", "h2"], "h2"],
  [["h2", "http/1.1"], ["http/1.1"], "http/1.1"],
  [["h2"], undefined, null],
  [[], ["h2"], null],
];

permitted(["net"], "startTls() says which protocol the server chose", async () => {
  for (const [server, alpnProtocols, chosen] of PROTOCOLS) {
    await using peer = new TlsPeer(async (conn) => {
      assertEquals((await conn.handshake()).alpnProtocol, chosen);
      await takeAll(conn);
    }, server);
    const conn = await startTls(await wrapped(peer), { ...TRUSTED, alpnProtocols });
    assertEquals(conn.alpnProtocol, chosen);
    await conn.closeWrite();
    conn.close();
  }
});

permitted(["net"], "startTls() takes an IP address that the certificate holds", async () => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    await using peer = new TlsPeer(takeAll);
    const conn = await startTls(await wrapped(peer), { ...TRUSTED, hostname });
    await conn.closeWrite();
    conn.close();
  }
});

const REJECTED: readonly [what: string, options: StartTlsOptions, message: string][] = [
  [
    "a certificate for another name",
    { ...TRUSTED, hostname: "other.example" },
    "The TLS server's certificate is for another name",
  ],
  [
    "a certificate for another address",
    { ...TRUSTED, hostname: "127.0.0.2" },
    "The TLS server's certificate is for another name",
  ],
  [
    "a certificate of an unknown authority",
    { hostname: "pt.example" },
    "The TLS handshake failed: unable to verify the first certificate",
  ],
  [
    "a server that takes none of the protocols",
    { ...TRUSTED, alpnProtocols: ["gopher"] },
    "The TLS handshake failed: received fatal alert: NoApplicationProtocol",
  ],
];

for (const [what, options, message] of REJECTED) {
  permitted(["net"], `startTls() rejects ${what}, and closes the connection`, async () => {
    await using peer = new TlsPeer(failingHandshake, ["h2"]);
    const conn = await wrapped(peer);
    const error = await assertRejects(() => startTls(conn, options), Deno.errors.InvalidData);
    assertEquals(error.message, message);
    assertInstanceOf(error.cause, Error);
    await assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.BadResource);
  });
}

permitted(["net"], "startTls() checks the certificate whatever the environment says", async () => {
  const name = "NODE_TLS_REJECT_UNAUTHORIZED";
  Deno.env.set(name, "0");
  try {
    await using peer = new TlsPeer(failingHandshake);
    const conn = await wrapped(peer);
    await assertRejects(
      async () => (await startTls(conn, { hostname: "pt.example" })).close(),
      Deno.errors.InvalidData,
      "unable to verify",
    );
  } finally {
    Deno.env.delete(name);
  }
});

const untilClosed: Script = async (conn) => {
  while (await conn.read(new Uint8Array(1024)).catch(() => null) !== null);
};

permitted(["net"], "startTls() rejects a server that speaks something else", async () => {
  await using peer = new ScriptedPeer(async (conn) => {
    await conn.write(bytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await untilClosed(conn);
  });
  const conn = await wrapped(peer);
  await assertRejects(() => startTls(conn, TRUSTED), Deno.errors.InvalidData, "TLS handshake");
});

permitted(["net"], "startTls() rejects when the server hangs up", async () => {
  await using peer = new ScriptedPeer(async (conn) => {
    await conn.read(new Uint8Array(1024));
    await conn.closeWrite();
    await untilClosed(conn);
  });
  const conn = await wrapped(peer);
  await assertRejects(() => startTls(conn, TRUSTED), Deno.errors.UnexpectedEof, "hung up");
});

permitted(["net"], "startTls() rejects with the error of the connection below", async () => {
  const broken: StreamConn = {
    read: () => Promise.reject(new Deno.errors.ConnectionReset("from below")),
    write: (p) => Promise.resolve(p.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  };
  await assertRejects(() => startTls(broken, TRUSTED), Deno.errors.ConnectionReset);
});

permitted(["net"], "startTls() keeps its deadline, and closes the connection", async () => {
  await using peer = new ScriptedPeer(untilClosed);
  const conn = await wrapped(peer);
  const error = await assertRejects(
    () => startTls(conn, { ...TRUSTED, timeout: 50 }),
    DOMException,
  );
  assertEquals(error.name, "TimeoutError");
});

permitted(["net"], "startTls() ends with its signal, and closes the connection", async () => {
  const controller = new AbortController();
  const reason = new Error("never mind");
  await using peer = new ScriptedPeer(async (conn) => {
    await conn.read(new Uint8Array(1024));
    controller.abort(reason);
    await untilClosed(conn);
  });
  const conn = await wrapped(peer);
  const { signal } = controller;
  const options = { ...TRUSTED, signal };
  assertEquals(await startTls(conn, options).catch((error) => error), reason);
});

permitted(["net"], "startTls() sends a name as SNI, and no IP address", async () => {
  for (const [hostname, sent] of [["pt.example", true], ["127.0.0.1", false]] as const) {
    await using peer = new ScriptedPeer(async (conn) => {
      const hello = new Uint8Array(4096);
      const count = await conn.read(hello) ?? 0;
      const text = new TextDecoder("latin1").decode(hello.subarray(0, count));
      assertEquals(text.includes(hostname), sent);
    });
    const conn = await wrapped(peer);
    await assertRejects(() => startTls(conn, { ...TRUSTED, hostname }));
  }
});

permitted(["net"], "startTls() makes a connection whose write waits for the receiver", async () => {
  const stalled = Promise.withResolvers<void>();
  await using peer = new TlsPeer(async (conn) => {
    await conn.handshake();
    await stalled.promise;
  });
  const conn = await startTls(await wrapped(peer), TRUSTED);
  const chunk = new Uint8Array(1024 * 1024);
  let taken = 0;
  const writing = (async () => {
    for (;;) taken += await conn.write(chunk);
  })();
  const failed = assertRejects(() => writing, Deno.errors.Interrupted);
  for (let before = -1; before < taken;) {
    before = taken;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  conn.close();
  stalled.resolve();
  await failed;
});

permitted(["net"], "startTls() makes a connection whose close interrupts a read", async () => {
  await using peer = new TlsPeer((conn) => takeAll(conn).catch(() => {}));
  const conn = await startTls(await wrapped(peer), TRUSTED);
  const reading = assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.Interrupted);
  conn.close();
  await reading;
  conn.close();
});

permitted(["net"], "relay() takes a Deno.TlsConn as it is, and half-closes it", async () => {
  await using server = new TlsPeer(async (conn) => {
    assertEquals(await takeAll(conn), bytes("hello"));
    await conn.write(bytes("goodbye"));
    await conn.closeWrite();
  });
  using pair = await tcpPair();
  const secure = await Deno.startTls(
    await Deno.connect({ hostname: "127.0.0.1", port: server.port }),
    { hostname: TRUSTED.hostname, caCerts: [TEST_AUTHORITY] },
  );
  const relaying = relay(pair.far, secure);
  await pair.near.write(bytes("hello"));
  await pair.near.closeWrite();
  assertEquals(await takeAll(pair.near), bytes("goodbye"));
  assertEquals(await relaying, { sent: 5, received: 7, error: null });
});

permitted(["net"], "mapBytes() wraps a Deno.TlsConn as it is", async () => {
  await using server = new TlsPeer(async (conn) => {
    assertEquals(await takeText(conn, 3), "bcd");
    await conn.write(bytes("bcd"));
  });
  const secure = await Deno.connectTls({
    hostname: "localhost",
    port: server.port,
    caCerts: [TEST_AUTHORITY],
  });
  const add = (places: number) => (p: Uint8Array) => p.forEach((byte, i) => p[i] = byte + places);
  const conn = mapBytes(secure, { read: add(-1), write: add(1) });
  await writeAll(conn, bytes("abc"));
  assertEquals(await takeText(conn, 3), "abc");
  conn.close();
});

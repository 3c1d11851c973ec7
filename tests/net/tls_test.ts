import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { mapBytes, relay, type StreamConn, writeAll } from "../../net/mod.ts";
import { certificatePin, startTls, type StartTlsOptions } from "../../net/tls.ts";
import { granted, permitted } from "../permitted.ts";
import { SERVER_NAME, takeHello } from "./client_hello.ts";
import { bytes, type Script, ScriptedPeer, takeText } from "./scripted_peer.ts";
import { readToEnd, tcpPair } from "../../testing/mod.ts";
import {
  TEST_AUTHORITY,
  TEST_CERTIFICATE,
  TEST_CHAIN_CERTIFICATE,
  TEST_CHAIN_ISSUER,
  TEST_CHAIN_KEY,
  TEST_CHAIN_ROOT,
  TEST_KEY,
} from "./test_certificates.ts";

const TRUSTED = { hostname: "pt.example", caCerts: [TEST_AUTHORITY] } as const;

/** A TLS server that plays a script on the first connection. */
class TlsPeer implements AsyncDisposable {
  readonly #listener: Deno.TlsListener;
  readonly #played: Promise<void>;

  constructor(
    script: (conn: Deno.TlsConn) => Promise<unknown>,
    options: { cert?: string; key?: string; alpnProtocols?: string[] } = {},
  ) {
    this.#listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      cert: TEST_CERTIFICATE,
      key: TEST_KEY,
      ...options,
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
    await readToEnd(conn);
  });
}

permitted(["net"], "startTls() half-closes in both directions", async () => {
  for (const first of ["client", "server"]) {
    await using peer = new TlsPeer(async (conn) => {
      if (first === "client") assertEquals(await readToEnd(conn), bytes("from the client"));
      await conn.write(bytes("from the server"));
      await conn.closeWrite();
      if (first === "server") assertEquals(await readToEnd(conn), bytes("from the client"));
    });
    const conn = await startTls(await wrapped(peer), TRUSTED);
    if (first === "server") assertEquals(await readToEnd(conn), bytes("from the server"));
    await writeAll(conn, bytes("from the client"));
    await conn.closeWrite();
    if (first === "client") assertEquals(await readToEnd(conn), bytes("from the server"));
    conn.close();
  }
});

permitted(["net"], "startTls() carries 8 MiB whole each way", async () => {
  const sent = new Uint8Array(8 * 1024 * 1024).map((_, index) => index * 7 + (index >> 11));
  await using peer = new TlsPeer(async (conn) => {
    await writeAll(conn, await readToEnd(conn));
    await conn.closeWrite();
  });
  const conn = await startTls(await wrapped(peer), TRUSTED);
  const [, back] = await Promise.all([
    writeAll(conn, sent).then(() => conn.closeWrite()),
    readToEnd(conn),
  ]);
  const digest = (data: Uint8Array<ArrayBuffer>) => crypto.subtle.digest("SHA-256", data);
  assertEquals(await digest(back), await digest(sent));
  conn.close();
});

permitted(["net"], "startTls() runs in TLS", async () => {
  // The outer TLS ends at the peer, which hands what it carried to the server of the inner one.
  await using inner = new TlsPeer(async (conn) => {
    assertEquals(await readToEnd(conn), bytes("hello"));
    await conn.write(bytes("goodbye"));
    await conn.closeWrite();
  });
  await using outer = new TlsPeer(async (conn) => {
    await relay(conn, await Deno.connect({ hostname: "127.0.0.1", port: inner.port }));
  });
  const conn = await startTls(await startTls(await wrapped(outer), TRUSTED), TRUSTED);
  await writeAll(conn, bytes("hello"));
  await conn.closeWrite();
  assertEquals(await readToEnd(conn), bytes("goodbye"));
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
      await readToEnd(conn);
    }, { alpnProtocols: server });
    const conn = await startTls(await wrapped(peer), { ...TRUSTED, alpnProtocols });
    assertEquals(conn.alpnProtocol, chosen);
    await conn.closeWrite();
    conn.close();
  }
});

permitted(["net"], "startTls() takes an IP address that the certificate holds", async () => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    await using peer = new TlsPeer((conn) => readToEnd(conn));
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
    "a certificate of an unknown authority where the list of pins is empty",
    { hostname: "pt.example", pins: [] },
    "The TLS handshake failed: unable to verify the first certificate",
  ],
  [
    "a certificate for another name where the list of pins is empty",
    { ...TRUSTED, hostname: "other.example", pins: [] },
    "The TLS server's certificate is for another name",
  ],
  [
    "a certificate for another name under an SNI that it holds",
    { ...TRUSTED, hostname: "other.example", sni: "pt.example" },
    "The TLS server's certificate is for another name",
  ],
  [
    "a certificate for another address under an SNI that it holds",
    { ...TRUSTED, hostname: "127.0.0.2", sni: "pt.example" },
    "The TLS server's certificate is for another name",
  ],
  [
    "a certificate for the SNI alone, and of an unknown authority",
    { hostname: "other.example", sni: "pt.example" },
    "The TLS handshake failed: unable to verify the first certificate",
  ],
  [
    "a certificate for another name without SNI",
    { ...TRUSTED, hostname: "other.example", sni: null },
    "The TLS server's certificate is for another name",
  ],
  [
    "a certificate of an unknown authority without SNI",
    { hostname: "pt.example", sni: null },
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
    await using peer = new TlsPeer(failingHandshake, { alpnProtocols: ["h2"] });
    const conn = await wrapped(peer);
    const starting = async () => (await startTls(conn, options)).close();
    const error = await assertRejects(starting, Deno.errors.InvalidData);
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

/** What a connection below may fail with, and what comes of it. */
const BELOW: readonly [what: string, error: Error & { code?: string }, Class: new () => Error][] = [
  [
    "node's error",
    Object.assign(new Error("read ECONNRESET 192.0.2.7:443"), { code: "ECONNRESET" }),
    Deno.errors.ConnectionReset,
  ],
  ["an error without a code", new Error("of a transport"), Error],
  [
    "an error with a name and a code",
    Object.assign(new RangeError("of a transport"), { code: "W1" }),
    RangeError,
  ],
];

for (const [what, error, Class] of BELOW) {
  permitted(["net"], `startTls() rejects with ${what} from below`, async () => {
    const broken: StreamConn = {
      read: () => Promise.reject(error),
      write: (p) => Promise.resolve(p.length),
      closeWrite: () => Promise.resolve(),
      close: () => {},
    };
    const { message } = await assertRejects(() => startTls(broken, TRUSTED), Class);
    assertEquals(message.replace("Connection reset by peer", "of a transport"), "of a transport");
  });
}

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

/** The extension that holds one host name (RFC 6066 section 3). */
function serverName(name: string): Uint8Array {
  const [list, length] = [name.length + 3, name.length];
  return Uint8Array.of(list >> 8, list & 255, 0, length >> 8, length & 255, ...bytes(name));
}

const NAMES: readonly [
  what: string,
  options: Pick<StartTlsOptions, "hostname" | "sni">,
  sent: string | null,
][] = [
  ["the server's name as SNI", { hostname: "pt.example" }, "pt.example"],
  ["no IPv4 address as SNI", { hostname: "127.0.0.1" }, null],
  ["no IPv6 address as SNI", { hostname: "::1" }, null],
  ["the SNI it is given, and not the name", {
    hostname: "pt.example",
    sni: "front.example",
  }, "front.example"],
  ["the SNI it is given, and not the address", {
    hostname: "127.0.0.1",
    sni: "front.example",
  }, "front.example"],
  ["no SNI where it is to send none", { hostname: "pt.example", sni: null }, null],
];

for (const [what, options, sent] of NAMES) {
  permitted(["net"], `startTls() sends ${what}, and checks the certificate`, async () => {
    await using watcher = new ScriptedPeer(async (conn) => {
      const { hello, extensions } = await takeHello(conn);
      assertEquals(extensions.get(SERVER_NAME) ?? null, sent === null ? null : serverName(sent));
      if (sent === options.hostname) return;
      const text = new TextDecoder("latin1").decode(hello);
      assertEquals(text.includes(options.hostname), false);
    });
    const watched = await wrapped(watcher);
    await assertRejects(() => startTls(watched, { ...TRUSTED, ...options }));
    await using peer = new TlsPeer((conn) => readToEnd(conn));
    const conn = await startTls(await wrapped(peer), { ...TRUSTED, ...options });
    await conn.closeWrite();
    conn.close();
  });
}

/** What a server sends, its own certificate first. */
const CHAINS: readonly [what: string, certificates: readonly string[]][] = [
  ["its own certificate", [TEST_CHAIN_CERTIFICATE]],
  ["two certificates", [TEST_CHAIN_CERTIFICATE, TEST_CHAIN_ISSUER]],
  ["three certificates", [TEST_CHAIN_CERTIFICATE, TEST_CHAIN_ISSUER, TEST_CHAIN_ROOT]],
  ["a certificate that has nothing to do with it", [TEST_CHAIN_CERTIFICATE, TEST_CERTIFICATE]],
];

for (const [what, certificates] of CHAINS) {
  permitted(
    ["net"],
    `startTls() takes the pin of a server, whatever its name, that sends ${what}`,
    async () => {
      for (let pinned = 1; pinned <= certificates.length; pinned++) {
        const pin = await certificatePin(certificates.slice(0, pinned).join(""));
        // A root that is known stands behind them, or not.
        for (const caCerts of [[], [TEST_CHAIN_ROOT]]) {
          await using peer = new TlsPeer(async (conn) => {
            assertEquals(await readToEnd(conn), bytes("hello"));
          }, { cert: certificates.join(""), key: TEST_CHAIN_KEY });
          const options = { hostname: "no.such.example", pins: ["another", pin], caCerts };
          const conn = await startTls(await wrapped(peer), options);
          await writeAll(conn, bytes("hello"));
          await conn.closeWrite();
          conn.close();
        }
      }
    },
  );
}

const WHOLE_CHAIN = TEST_CHAIN_CERTIFICATE + TEST_CHAIN_ISSUER + TEST_CHAIN_ROOT;

const WRONG_PINS: readonly [what: string, pins: () => readonly (string | Promise<string>)[]][] = [
  ["another certificate", () => [certificatePin(TEST_CERTIFICATE)]],
  ["several other certificates", () => [TEST_CERTIFICATE, TEST_AUTHORITY].map(certificatePin)],
  ["the issuer alone", () => [certificatePin(TEST_CHAIN_ISSUER)]],
  [
    "the chain in another order",
    () => [certificatePin(TEST_CHAIN_ISSUER + TEST_CHAIN_CERTIFICATE)],
  ],
  [
    "a longer chain",
    () => [certificatePin(WHOLE_CHAIN + TEST_CHAIN_ROOT)],
  ],
  ["nothing", () => [""]],
];

for (const [what, pins] of WRONG_PINS) {
  permitted(["net"], `startTls() rejects a server when the pin is of ${what}`, async () => {
    await using peer = new TlsPeer(async (conn) => {
      const count = await conn.read(new Uint8Array(1024)).catch(() => null);
      assertEquals(count, null);
    }, { cert: WHOLE_CHAIN, key: TEST_CHAIN_KEY });
    const conn = await wrapped(peer);
    // Its name is right: it does not count.
    const options = { hostname: "chain.example", pins: await Promise.all(pins()) };
    const speaking = async () => {
      const secure = await startTls(conn, options);
      await writeAll(secure, bytes("a secret"));
      secure.close();
    };
    const error = await assertRejects(speaking, Deno.errors.InvalidData);
    assertEquals(
      error.message,
      "The TLS server has another certificate than the pinned one",
    );
    await assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.BadResource);
  });
}

permitted(["net"], "startTls() checks a server anew that had a pin before", async () => {
  const pins = [await certificatePin(TEST_CERTIFICATE)];
  // A session that was resumed would bring the certificate along that was not verified.
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: TEST_CERTIFICATE,
    key: TEST_KEY,
  });
  const serving = (async () => {
    for (let connections = 0; connections < 2; connections++) {
      using conn = await listener.accept();
      await conn.write(bytes("hello")).catch(() => {});
      await conn.read(new Uint8Array(1)).catch(() => {});
    }
  })();
  const peer = listener.addr;
  const pinned = await startTls(await wrapped(peer), { hostname: "pt.example", pins });
  // What resumes a session comes before this.
  assertEquals(await takeText(pinned, 5), "hello");
  pinned.close();
  const conn = await wrapped(peer);
  const verifying = async () => (await startTls(conn, { hostname: "pt.example" })).close();
  await assertRejects(verifying, Deno.errors.InvalidData, "unable to verify");
  await serving;
  listener.close();
});

/** The certificate's bytes, without this library. */
function derOf(pem: string): Uint8Array<ArrayBuffer> {
  const base64 = pem.split("\n").filter((line) => !line.startsWith("-----")).join("");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

async function sha256(...parts: Uint8Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> {
  const whole = await new Blob(parts).arrayBuffer();
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

Deno.test("certificatePin() hashes certificates as WebTunnel does", async () => {
  const hashes = await Promise.all(
    [TEST_CHAIN_CERTIFICATE, TEST_CHAIN_ISSUER, TEST_CHAIN_ROOT].map((pem) => sha256(derOf(pem))),
  );
  const [first = bytes(""), second = bytes(""), third = bytes("")] = hashes;
  const two = await sha256(first, second);
  const three = await sha256(two, third);
  const base64 = (hash: Uint8Array) => btoa(String.fromCharCode(...hash));
  const pair = TEST_CHAIN_CERTIFICATE + TEST_CHAIN_ISSUER;
  assertEquals(await certificatePin(TEST_CHAIN_CERTIFICATE), base64(first));
  assertEquals(await certificatePin(pair), base64(two));
  assertEquals(await certificatePin(pair + TEST_CHAIN_ROOT), base64(three));
});

Deno.test("certificatePin() passes over what is no certificate, and takes CR LF", async () => {
  const pin = await certificatePin(TEST_CHAIN_CERTIFICATE + TEST_CHAIN_ISSUER);
  const text =
    `subject=here\n${TEST_CHAIN_CERTIFICATE}\n${TEST_CHAIN_KEY}issuer\n${TEST_CHAIN_ISSUER}end`;
  assertEquals(await certificatePin(text), pin);
  assertEquals(await certificatePin(text.replaceAll("\n", "\r\n")), pin);
});

Deno.test("certificatePin() throws for a text without a certificate", async () => {
  for (const text of ["", "hello", TEST_KEY, TEST_CERTIFICATE.slice(0, 200)]) {
    await assertRejects(() => certificatePin(text), TypeError, "no certificate");
  }
});

const SERVER = new URL("wrong_key_server.go", import.meta.url).pathname;

/** Why the server with a wrong key cannot be had here. */
function serverMissing(): string | null {
  if (!granted(["run", "net"])) return null;
  try {
    const { success } = new Deno.Command("go", {
      args: ["version"],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success ? null : "go does not run";
  } catch {
    return "go is not on the PATH: install Go";
  }
}

/** A server that says hello on each connection, and has the key of its certificate or another. */
class KeyServer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly port: number;

  private constructor(child: Deno.ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Builds and starts it. */
  static async start(version: string, key: string): Promise<KeyServer> {
    const child = new Deno.Command("go", {
      args: ["run", SERVER, version, TEST_CERTIFICATE, key],
      env: { GO111MODULE: "off", GOFLAGS: "", GOTOOLCHAIN: "local" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let line = "";
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
      line += part;
      if (line.endsWith("\n")) return new KeyServer(child, Number(line));
    }
    await child.stdin.close();
    await child.status;
    throw new Error("The server has not started");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    assertEquals((await this.#child.status).code, 0);
  }
}

for (const version of ["1.2", "1.3"]) {
  permitted(
    ["net", "run"],
    `startTls() rejects a server with the pinned certificate and another key in TLS ${version}`,
    async () => {
      const pins = [await certificatePin(TEST_CERTIFICATE)];
      const greet = async (peer: { port: number }, options: StartTlsOptions) => {
        const conn = await startTls(await wrapped(peer), options);
        assertEquals(await takeText(conn, 5), "hello");
        conn.close();
      };
      await using right = await KeyServer.start(version, TEST_KEY);
      await greet(right, { hostname: "other.example", pins });
      // It is checked anew where there is no pin.
      const unpinned = () => greet(right, { hostname: "other.example" });
      await assertRejects(unpinned, Deno.errors.InvalidData, "unable to verify");
      await using wrong = await KeyServer.start(version, TEST_CHAIN_KEY);
      for (const options of [{ hostname: "pt.example", pins }, TRUSTED]) {
        await assertRejects(() => greet(wrong, options), Deno.errors.InvalidData);
      }
    },
    serverMissing(),
  );
}

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
  await using peer = new TlsPeer((conn) => readToEnd(conn).catch(() => {}));
  const conn = await startTls(await wrapped(peer), TRUSTED);
  const reading = assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.Interrupted);
  conn.close();
  await reading;
  conn.close();
});

permitted(["net"], "relay() takes a Deno.TlsConn as it is, and half-closes it", async () => {
  await using server = new TlsPeer(async (conn) => {
    assertEquals(await readToEnd(conn), bytes("hello"));
    await conn.write(bytes("goodbye"));
    await conn.closeWrite();
  });
  using pair = await tcpPair();
  const secure = await Deno.startTls(
    await Deno.connect({ hostname: "127.0.0.1", port: server.port }),
    { hostname: TRUSTED.hostname, caCerts: [TEST_AUTHORITY] },
  );
  const relaying = relay(pair.server, secure);
  await pair.client.write(bytes("hello"));
  await pair.client.closeWrite();
  assertEquals(await readToEnd(pair.client), bytes("goodbye"));
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

import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { stub } from "@std/testing/mock";
import type { Address } from "../../address.ts";
import type { ProxyInfo } from "../../config.ts";
import { dial, DialError, replyFor } from "../../net/mod.ts";
import { permitted } from "../permitted.ts";
import { bytes, dribble, type Script, ScriptedPeer, take, takeText } from "./scripted_peer.ts";
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_KEY } from "./test_certificates.ts";
import { SCHEMES, UpstreamProxy } from "./upstream_proxy.ts";

const SOCKS5_GRANT = Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0);

/** A port of loopback on which nobody listens. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function proxyAt(
  peer: { host: string; port: number },
  rest: Omit<ProxyInfo, "host" | "port">,
): ProxyInfo {
  return { host: peer.host, port: peer.port, ...rest };
}

for (const host of ["127.0.0.1", "::1", "localhost"]) {
  permitted(["net"], `dial() connects to ${host} directly`, async () => {
    const script: Script = async (conn) => {
      await conn.write(bytes("hello"));
    };
    await using peer = new ScriptedPeer(script, host === "::1" ? host : "127.0.0.1");
    using conn = await dial([host, peer.port]);
    assertEquals(await takeText(conn, 5), "hello");
  });
}

Deno.test("dial() leaves a name to Deno where there is no source address", async () => {
  const asked: unknown[] = [];
  using _ = stub(Deno, "connect", (options) => {
    asked.push(Reflect.get(options, "hostname"));
    return Promise.reject(new Error("enough"));
  });
  for (const outboundBindAddress of [null, undefined, { v4: null, v6: null }]) {
    await assertRejects(() => dial(["bridge.example", 443], { outboundBindAddress }), DialError);
  }
  assertEquals(asked, ["bridge.example", "bridge.example", "bridge.example"]);
});

permitted(["net"], "dial() says without an address that the target refused", async () => {
  const error = await assertRejects(() => dial(["127.0.0.1", closedPort()]), DialError);
  assertMatch(error.message, /^The connection to the target failed: Connection refused/);
  assertInstanceOf(error.cause, Deno.errors.ConnectionRefused);
  assertEquals(replyFor(error), 5);
});

Deno.test({
  name: "dial() says without an address that Deno was not granted the target",
  permissions: { net: false },
  async fn() {
    const error = await assertRejects(() => dial(["192.0.2.7", 443]), DialError);
    assertEquals(
      error.message,
      "The connection to the target failed: Deno was not granted it; add its address and port to --allow-net",
    );
    assertEquals(replyFor(error), 2);
  },
});

Deno.test("dial() repeats no name and no address that Deno does", async () => {
  // As Deno says it of such a name where only some hosts are granted.
  const words = "invalid host 'bridge!.example': invalid char found in FQDN, not 192.0.2.7:443";
  using _ = stub(Deno, "connect", () => Promise.reject(new Error(words)));
  const error = await assertRejects(() => dial(["bridge!.example", 443]), DialError);
  assertEquals(
    error.message,
    "The connection to the target failed: " +
      "invalid host '[scrubbed]': invalid char found in FQDN, not [scrubbed]",
  );
});

Deno.test({
  name: "dial() connects to nothing when the signal has aborted before",
  permissions: { net: false },
  async fn() {
    const reason = new Error("never mind");
    const signal = AbortSignal.abort(reason);
    const proxy = { scheme: "socks5", host: "192.0.2.8", port: 1080 } as const;
    for (const options of [{ signal }, { signal, proxy }]) {
      assertEquals(await dial(["192.0.2.7", 443], options).catch((error) => error), reason);
    }
  },
});

Deno.test({
  name: "dial() takes no proxy whose host would have to be resolved",
  permissions: { net: false },
  async fn() {
    const proxy = { scheme: "socks5", host: "localhost", port: 1080 } as const;
    await assertRejects(() => dial(["192.0.2.7", 443], { proxy }), TypeError, "numeric");
  },
});

/** What each kind of proxy is sent for a target, and what grants it. */
const EXCHANGES: readonly [
  what: string,
  proxy: Omit<ProxyInfo, "host" | "port">,
  target: Address,
  exchange: readonly [request: Uint8Array, answer: Uint8Array][],
][] = [
  [
    "socks5 without authentication, IPv4",
    { scheme: "socks5" },
    ["192.0.2.7", 443],
    [
      [Uint8Array.of(5, 1, 0), Uint8Array.of(5, 0)],
      [Uint8Array.of(5, 1, 0, 1, 192, 0, 2, 7, 1, 187), SOCKS5_GRANT],
    ],
  ],
  [
    "socks5 with user and password, a name",
    { scheme: "socks5", user: "mé", password: "secret" },
    ["a.example", 80],
    [
      [Uint8Array.of(5, 1, 2), Uint8Array.of(5, 2)],
      [bytes("\x01\x03mé\x06secret"), Uint8Array.of(1, 0)],
      [bytes("\x05\x01\x00\x03\x09a.example\x00\x50"), bytes("\x05\0\0\x03\x04host\0\0")],
    ],
  ],
  [
    "socks5, IPv6",
    { scheme: "socks5" },
    ["2001:db8::1", 80],
    [
      [Uint8Array.of(5, 1, 0), Uint8Array.of(5, 0)],
      [
        Uint8Array.of(5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80),
        Uint8Array.of(5, 0, 0, 4, ...new Uint8Array(18)),
      ],
    ],
  ],
  [
    "socks4a with a user id, IPv4",
    { scheme: "socks4a", user: "me" },
    ["192.0.2.7", 80],
    [[
      Uint8Array.of(4, 1, 0, 80, 192, 0, 2, 7, 109, 101, 0),
      Uint8Array.of(0, 90, 0, 0, 0, 0, 0, 0),
    ]],
  ],
  [
    "socks4a, a name",
    { scheme: "socks4a" },
    ["a.example", 80],
    [[
      bytes("\x04\x01\0\x50\0\0\0\x01\0a.example\0"),
      Uint8Array.of(0, 90, 0, 0, 0, 0, 0, 0),
    ]],
  ],
  [
    "http, IPv6",
    { scheme: "http" },
    ["2001:db8::1", 80],
    [[
      bytes("CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"),
      bytes("HTTP/1.1 200 OK\r\nVia: x\r\n\r\n"),
    ]],
  ],
  [
    "http with user and password, a name",
    { scheme: "http", user: "me", password: "secret" },
    ["a.example", 80],
    [[
      bytes(
        "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n" +
          "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n",
      ),
      bytes("HTTP/1.1 200 OK\r\n\r\n"),
    ]],
  ],
];

type Exchange = typeof EXCHANGES[number][3];

/** Plays a proxy that expects exactly these bytes; early data follows its last answer. */
function exchanging(
  exchange: Exchange,
  send: (conn: Deno.TcpConn, answer: Uint8Array) => Promise<unknown>,
): Script {
  return async (conn) => {
    for (const [index, [request, answer]] of exchange.entries()) {
      assertEquals(await take(conn, request.length), Uint8Array.from(request));
      const last = index === exchange.length - 1;
      await send(conn, last ? Uint8Array.of(...answer, ...bytes("early")) : answer);
    }
    assertEquals(await takeText(conn, 5), "hello");
  };
}

const SENDERS = {
  "all at once": (conn: Deno.TcpConn, answer: Uint8Array) => conn.write(answer),
  "byte by byte": dribble,
};

for (const [what, proxy, target, exchange] of EXCHANGES) {
  for (const [how, send] of Object.entries(SENDERS)) {
    permitted(["net"], `dial() asks ${what}, and takes answers ${how}`, async () => {
      await using peer = new ScriptedPeer(exchanging(exchange, send));
      using conn = await dial(target, { proxy: proxyAt(peer, proxy) });
      assertEquals(await takeText(conn, 5), "early");
      await conn.write(bytes("hello"));
    });
  }
}

/** What each kind of proxy can refuse with, and what becomes of it. */
const REFUSALS: readonly [
  what: string,
  proxy: Omit<ProxyInfo, "host" | "port">,
  answers: readonly Uint8Array[],
  said: string,
  reply: number,
][] = [
  [
    "that it was refused itself",
    { scheme: "socks5" },
    [Uint8Array.of(5, 0), Uint8Array.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0)],
    "The SOCKS proxy replied: connection refused (5)",
    5,
  ],
  [
    "that it wants a password",
    { scheme: "socks5" },
    [Uint8Array.of(5, 0xff)],
    "The SOCKS proxy wants authentication, and there are no user and password for it",
    2,
  ],
  [
    "that the password is wrong",
    { scheme: "socks5", user: "me", password: "wrong" },
    [Uint8Array.of(5, 2), Uint8Array.of(1, 1)],
    "The SOCKS proxy refused the user and password",
    2,
  ],
  [
    "in another protocol",
    { scheme: "socks5" },
    [bytes("HTTP/1.1 400 Bad Request\r\n\r\n")],
    "The SOCKS proxy does not speak SOCKS5",
    1,
  ],
  [
    "with a rejection",
    { scheme: "socks4a" },
    [Uint8Array.of(0, 91, 0, 0, 0, 0, 0, 0)],
    "The SOCKS proxy replied: request rejected or failed (91)",
    1,
  ],
  [
    "that it wants a password",
    { scheme: "http" },
    [bytes("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")],
    "The HTTP proxy replied: 407 Proxy Authentication Required",
    2,
  ],
  [
    "that the way on is broken",
    { scheme: "http" },
    [bytes("HTTP/1.1 502 Bad Gateway\r\n\r\n")],
    "The HTTP proxy replied: 502 Bad Gateway",
    4,
  ],
];

for (const [what, proxy, answers, said, reply] of REFUSALS) {
  permitted(["net"], `dial() says what a ${proxy.scheme} proxy said: ${what}`, async () => {
    await using peer = new ScriptedPeer(async (conn) => {
      for (const answer of answers) {
        await conn.read(new Uint8Array(1024));
        await conn.write(answer);
      }
      while (await conn.read(new Uint8Array(1024)).catch(() => null) !== null);
    });
    const error = await assertRejects(
      () => dial(["192.0.2.7", 443], { proxy: proxyAt(peer, proxy) }),
      DialError,
    );
    assertEquals(error.message, `The upstream proxy did not connect: ${said}`);
    assertEquals(replyFor(error), reply);
  });
}

permitted(["net"], "dial() fails with a dead proxy, and says that it is the proxy", async () => {
  for (const scheme of SCHEMES) {
    const proxy = { scheme, host: "127.0.0.1", port: closedPort() };
    const error = await assertRejects(() => dial(["127.0.0.1", 1], { proxy }), DialError);
    assertMatch(error.message, /^The connection to the upstream proxy failed: Connection refused/);
    assertEquals(replyFor(error), 5);
  }
});

/** Where a proxy can fall silent or hang up: behind so many of its answers. */
const STEPS: readonly [
  what: string,
  proxy: Omit<ProxyInfo, "host" | "port">,
  answers: readonly Uint8Array[],
][] = [
  ["socks5 at the greeting", { scheme: "socks5" }, []],
  ["socks5 at the authentication", { scheme: "socks5", user: "a", password: "b" }, [
    Uint8Array.of(5, 2),
  ]],
  ["socks5 at the reply", { scheme: "socks5" }, [Uint8Array.of(5, 0)]],
  ["socks5 in mid-reply", { scheme: "socks5" }, [
    Uint8Array.of(5, 0),
    Uint8Array.of(5, 0, 0, 3, 200, 1),
  ]],
  ["socks4a at the reply", { scheme: "socks4a" }, []],
  ["socks4a in mid-reply", { scheme: "socks4a" }, [Uint8Array.of(0, 90, 0)]],
  ["http at the reply", { scheme: "http" }, []],
  ["http in mid-head", { scheme: "http" }, [bytes("HTTP/1.1 200 OK\r\nX")]],
];

async function untilClosed(conn: Deno.TcpConn): Promise<void> {
  while (await conn.read(new Uint8Array(1024)).catch(() => null) !== null);
}

for (const [what, info, answers] of STEPS) {
  const answering = async (conn: Deno.TcpConn) => {
    for (const answer of answers) {
      await conn.read(new Uint8Array(1024));
      await conn.write(answer);
    }
  };

  permitted(["net"], `dial() ends with the signal while it waits for ${what}`, async () => {
    const controller = new AbortController();
    const reason = new Error("never mind");
    await using peer = new ScriptedPeer(async (conn) => {
      await answering(conn);
      // In mid-reply the client has nothing more to say.
      if (!what.includes(" in mid-")) await conn.read(new Uint8Array(1024));
      controller.abort(reason);
      await untilClosed(conn);
    });
    const options = { proxy: proxyAt(peer, info), signal: controller.signal };
    assertEquals(await dial(["192.0.2.7", 443], options).catch((error) => error), reason);
  });

  permitted(["net"], `dial() keeps its deadline while it waits for ${what}`, async () => {
    await using peer = new ScriptedPeer(async (conn) => {
      await answering(conn);
      await untilClosed(conn);
    });
    const options = { proxy: proxyAt(peer, info), timeout: 50 };
    const error = await assertRejects(() => dial(["192.0.2.7", 443], options), DOMException);
    assertEquals(error.name, "TimeoutError");
    assertEquals(error.message, "The connection to the target took longer than 0.05 s");
    assertEquals(replyFor(error), 6);
  });

  permitted(["net"], `dial() fails when the proxy hangs up at ${what}`, async () => {
    await using peer = new ScriptedPeer(async (conn) => {
      await answering(conn);
      await conn.closeWrite();
      await untilClosed(conn);
    });
    const error = await assertRejects(
      () => dial(["192.0.2.7", 443], { proxy: proxyAt(peer, info) }),
      DialError,
    );
    assertInstanceOf(error.cause, Deno.errors.UnexpectedEof);
    assertEquals(replyFor(error), 1);
  });
}

for (const scheme of SCHEMES) {
  permitted(["net"], `dial() through ${scheme} gives what Deno.startTls takes`, async () => {
    using listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      cert: TEST_CERTIFICATE,
      key: TEST_KEY,
    });
    // The server's greeting follows the handshake at once, before the client has said a word.
    const serve = async () => {
      using conn = await listener.accept();
      await conn.write(bytes("early"));
      assertEquals(await takeText(conn, 5), "hello");
    };
    using proxy = new UpstreamProxy(scheme, ["127.0.0.1", listener.addr.port]);
    const served = serve();
    const raw = await dial(["pt.example", 443], { proxy: proxy.info });
    using conn = await Deno.startTls(raw, { hostname: "pt.example", caCerts: [TEST_AUTHORITY] });
    assertEquals(await takeText(conn, 5), "early");
    await conn.write(bytes("hello"));
    await served;
    assertEquals(proxy.requests, [{ target: ["pt.example", 443], user: "", password: "" }]);
  });
}

const CHILD = `
  import { dial, replyFor } from ${JSON.stringify(import.meta.resolve("../../net/mod.ts"))};
  const { targets, proxy } = JSON.parse(Deno.args[0]);
  const outcomes = [];
  for (const target of targets) {
    const outcome = await dial(target, { proxy }).then((conn) => conn.close(), replyFor);
    outcomes.push(outcome ?? "connected");
  }
  console.log(JSON.stringify(outcomes));
`;

/** Dials each target in a process that may reach nothing but the proxy's address. */
async function dialConfined(proxy: ProxyInfo, targets: Address[]): Promise<unknown> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      `--allow-net=${proxy.host}:${proxy.port}`,
      "--ext=ts",
      "-",
      JSON.stringify({ targets, proxy }),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(bytes(CHILD));
  await writer.close();
  const { stdout } = await child.output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

for (const scheme of SCHEMES) {
  permitted(
    ["net", "run", "read"],
    `dial() through ${scheme} needs no permission but the proxy's address`,
    async () => {
      await using target = new ScriptedPeer(untilClosed);
      using proxy = new UpstreamProxy(scheme, [target.host, target.port]);
      assertEquals(await dialConfined(proxy.info, [["pt.example", 443]]), ["connected"]);
      assertEquals(proxy.requests.map(({ target }) => target), [["pt.example", 443]]);
    },
  );

  permitted(
    ["net", "run", "read"],
    `dial() through a dead ${scheme} proxy connects to nothing else`,
    async () => {
      using target = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      let reached = false;
      const accepting = target.accept().then((conn) => (reached = true, conn.close()), () => {});
      const proxy = { scheme, host: "127.0.0.1", port: closedPort() };
      const targets: Address[] = [
        ["127.0.0.1", target.addr.port],
        ["localhost", target.addr.port],
      ];
      // With the target granted, too, so that only the code keeps it from being reached.
      for (const each of targets) {
        const error = await assertRejects(() => dial(each, { proxy }), DialError);
        assertEquals(replyFor(error), 5);
      }
      assertEquals(await dialConfined(proxy, targets), [5, 5]);
      target.close();
      await accepting;
      assert(!reached);
    },
  );
}

permitted(
  ["net"],
  "dial() connects nowhere for what ends in a number, through a proxy neither",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const proxy = { scheme: "socks5", host: "127.0.0.1", port } as const;
    for (const host of ["0", "127.1", "0x7f000001", "2130706433", "127.0.0.1."]) {
      for (const options of [{}, { proxy }]) {
        const error = await assertRejects(() => dial([host, port], options), DialError);
        assertEquals(error.message, "The target is neither an IP address nor a DNS name");
      }
    }
    using own = await dial(["127.0.0.1", port]);
    using first = await listener.accept();
    assertEquals(first.remoteAddr.port, own.localAddr.port);
  },
);

permitted(
  ["net"],
  "dial() leaves no connection open that was aborted at the moment it succeeded",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const stop = new AbortController();
    const { connect } = Deno;
    const opened: Deno.TcpConn[] = [];
    Deno.connect = (async (options: Deno.ConnectOptions) => {
      const conn = await connect(options);
      opened.push(conn);
      stop.abort(new Error("too late"));
      return conn;
    }) as typeof Deno.connect;
    try {
      const dialled = dial(["127.0.0.1", listener.addr.port], { signal: stop.signal });
      await assertRejects(() => dialled, Error, "too late");
    } finally {
      Deno.connect = connect;
    }
    assertEquals(opened.length, 1);
    await assertRejects(() => opened[0]!.read(new Uint8Array(1)), Deno.errors.BadResource);
  },
);

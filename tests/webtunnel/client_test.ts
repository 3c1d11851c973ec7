import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { prefixed, relay, replyFor, type StreamConn, writeAll } from "../../net/mod.ts";
import { certificatePin } from "../../net/tls.ts";
import { connectThrough, type ConnectThroughOptions, DialError } from "../../run/run.ts";
import { webtunnel, WebTunnelError, type WebTunnelFailure } from "../../webtunnel/mod.ts";
import { ALPN, takeHello } from "../net/client_hello.ts";
import { bytes, ScriptedPeer, takeText } from "../net/scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";
import {
  TEST_AUTHORITY,
  TEST_CERTIFICATE,
  TEST_CHAIN_CERTIFICATE,
  TEST_CHAIN_ISSUER,
  TEST_CHAIN_KEY,
  TEST_CLOCK_AUTHORITY,
  TEST_CLOCK_KEY,
  TEST_EXPIRED_CERTIFICATE,
  TEST_FUTURE_CERTIFICATE,
  TEST_KEY,
} from "../net/test_certificates.ts";
import { SCHEMES, UpstreamProxy } from "../net/upstream_proxy.ts";
import { permitted } from "../permitted.ts";
import { FakeTimers } from "../timers.ts";
import { comesAbout, SOON } from "../waiting.ts";
import { GRANTED, TestBridge, type TestBridgeOptions } from "./test_bridge.ts";

const AUTHORITIES = { caCerts: [TEST_AUTHORITY, TEST_CLOCK_AUTHORITY] };

/** What a target of the request is: nothing is there, and nobody looks at it. */
const NOWHERE: [string, number] = ["192.0.2.1", 1];

type Args = readonly (readonly [string, string])[];

/** Connects through a bridge by a bridge line. */
function connect(
  args: Args,
  transport = webtunnel(AUTHORITIES),
  options: Omit<ConnectThroughOptions, "args"> = {},
): Promise<StreamConn> {
  return connectThrough(transport, NOWHERE, { ...options, args });
}

/** Sends something, and receives what is echoed. */
async function checkEchoes(conn: StreamConn): Promise<void> {
  await writeAll(conn, bytes("hello"));
  assertEquals(await takeText(conn, 5), "hello");
}

function request(host: string, path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: Go-http-client/1.1\r\n` +
    "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n";
}

permitted(["net"], "webtunnel() carries over plain HTTP, wherever the target is", async () => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    await using bridge = new TestBridge({ tls: null, hostname });
    const [host, port] = bridge.address;
    const inUrl = hostname === "::1" ? "[::1]" : host;
    const conn = await connect([["url", `http://${inUrl}:${port}/a%20b/c`]]);
    await checkEchoes(conn);
    conn.close();
    // The official clients send no port and no brackets.
    assertEquals(bridge.requests, [request(host, "/a%20b/c")]);
  }
});

/** A bridge line that leads to a bridge, whose certificate is for pt.example, 127.0.0.1 and ::1. */
type Line = (bridge: TestBridge, pin: string) => Args;

const addressed = (url: string, ...more: Args): Line => ({ addr }) => [
  ["url", url],
  ["addr", addr],
  ...more,
];

const LINES: readonly [what: string, line: Line, host: string, sent: string | null][] = [
  ["a name", addressed("https://pt.example/path"), "pt.example", "pt.example"],
  ["a name with a port", addressed("https://pt.example:8443/path"), "pt.example", "pt.example"],
  ["an address", ({ addr }) => [["url", `https://${addr}/path`]], "127.0.0.1", null],
  ["an IPv6 address", addressed("https://[::1]:8443/path"), "::1", null],
  [
    "servername",
    addressed("https://no.example/path", ["servername", "pt.example"]),
    "no.example",
    "pt.example",
  ],
  [
    "an address as servername",
    addressed("https://no.example/path", ["servername", "127.0.0.1"]),
    "no.example",
    null,
  ],
  [
    "sni-imitation",
    addressed("https://pt.example/path", ["sni-imitation", "front.example"]),
    "pt.example",
    "front.example",
  ],
  [
    "sni-imitation before an address",
    ({ addr }) => [["url", `https://${addr}/path`], ["sni-imitation", "front.example"]],
    "127.0.0.1",
    "front.example",
  ],
  [
    "cert-domain",
    addressed("https://no.example/path", ["cert-domain", "pt.example"]),
    "no.example",
    "no.example",
  ],
  [
    "an address as cert-domain",
    addressed("https://no.example/path", ["cert-domain", "[::1]"]),
    "no.example",
    "no.example",
  ],
  [
    "an address and cert-domain",
    ({ addr }) => [["url", `https://${addr}/path`], ["cert-domain", "pt.example"]],
    "127.0.0.1",
    null,
  ],
  [
    "an address and a pin",
    ({ addr }, pin) => [["url", `https://${addr}/path`], ["cert", pin]],
    "127.0.0.1",
    null,
  ],
  [
    "servername and sni-imitation",
    addressed(
      "https://pt.example/path",
      ["servername", "front.example"],
      ["sni-imitation", "neither.example"],
    ),
    "pt.example",
    "front.example",
  ],
  [
    "sni-imitation and cert-domain",
    addressed(
      "https://no.example/path",
      ["sni-imitation", "front.example"],
      ["cert-domain", "pt.example"],
    ),
    "no.example",
    "front.example",
  ],
  [
    "a pin",
    (bridge, pin) => addressed("https://no.example/path", ["cert", pin])(bridge, pin),
    "no.example",
    "no.example",
  ],
];

for (const [what, line, host, sent] of LINES) {
  permitted(["net"], `webtunnel() carries over TLS, without ALPN, by ${what}`, async () => {
    await using bridge = new TestBridge();
    const args = line(bridge, await certificatePin(TEST_CERTIFICATE));
    const conn = await connect(args);
    await checkEchoes(conn);
    await writeAll(conn, bytes("goodbye"));
    await conn.closeWrite();
    assertEquals(await readToEnd(conn), bytes("goodbye"));
    conn.close();
    assertEquals(bridge.requests, [request(host, "/path")]);
    assertEquals(bridge.sentNames, [sent]);
    assertEquals(bridge.hellos.map(({ extensions }) => extensions.has(ALPN)), [false]);
  });
}

permitted(["net"], "webtunnel() takes a pinned chain", async () => {
  const cert = TEST_CHAIN_CERTIFICATE + TEST_CHAIN_ISSUER;
  await using bridge = new TestBridge({ tls: { cert, key: TEST_CHAIN_KEY } });
  const pin = await certificatePin(cert);
  const conn = await connect(addressed("https://pt.example/", ["cert", pin])(bridge, pin));
  await checkEchoes(conn);
  conn.close();
});

const TLS_FAILURES: readonly [
  what: string,
  tls: { cert: string; key: string } | undefined,
  line: Args,
  failure: WebTunnelFailure,
  words: string,
][] = [
  [
    "has expired",
    { cert: TEST_EXPIRED_CERTIFICATE, key: TEST_CLOCK_KEY },
    [["url", "https://pt.example/"]],
    "certificate-expired",
    "has expired, or this machine's clock",
  ],
  [
    "is not valid yet",
    { cert: TEST_FUTURE_CERTIFICATE, key: TEST_CLOCK_KEY },
    [["url", "https://pt.example/"]],
    "certificate-expired",
    "is not valid yet, or this machine's clock",
  ],
  [
    "has expired, under another SNI", // node:tls does not say more.
    { cert: TEST_EXPIRED_CERTIFICATE, key: TEST_CLOCK_KEY },
    [["url", "https://pt.example/"], ["sni-imitation", "front.example"]],
    "certificate-untrusted",
    "is not trusted: its issuer is not known here, it is out of date",
  ],
  [
    "is for another name",
    undefined,
    [["url", "https://other.example/"]],
    "certificate-name",
    "is for another name",
  ],
  [
    "is for another address",
    undefined,
    [["url", "https://127.0.0.2/"]],
    "certificate-name",
    "is for another name",
  ],
  [
    "is for the SNI alone",
    undefined,
    [["url", "https://other.example/"], ["sni-imitation", "pt.example"]],
    "certificate-name",
    "is for another name",
  ],
  [
    "is for the URL's name and not for cert-domain",
    undefined,
    [["url", "https://pt.example/"], ["cert-domain", "other.example"]],
    "certificate-name",
    "is for another name",
  ],
  [
    "is for the URL's name and not for servername",
    undefined,
    [["url", "https://pt.example/"], ["servername", "other.example"]],
    "certificate-name",
    "is for another name",
  ],
  [
    "is of nobody known",
    { cert: TEST_CHAIN_CERTIFICATE + TEST_CHAIN_ISSUER, key: TEST_CHAIN_KEY },
    [["url", "https://chain.example/"]],
    "certificate-untrusted",
    "is not trusted",
  ],
  [
    "is of nobody known, under another SNI",
    { cert: TEST_CHAIN_CERTIFICATE + TEST_CHAIN_ISSUER, key: TEST_CHAIN_KEY },
    [["url", "https://chain.example/"], ["sni-imitation", "front.example"]],
    "certificate-untrusted",
    "is not trusted",
  ],
  [
    "is not the pinned one",
    undefined,
    [["url", "https://pt.example/"], ["cert", await certificatePin(TEST_AUTHORITY)]],
    "certificate-pin",
    "another certificate than cert= says",
  ],
];

for (const [what, tls, line, failure, words] of TLS_FAILURES) {
  permitted(["net"], `webtunnel() asks nothing of a server whose certificate ${what}`, async () => {
    await using bridge = new TestBridge(tls === undefined ? {} : { tls });
    const connecting = () => connect([...line, ["addr", bridge.addr]]);
    const error = await assertRejects(connecting, WebTunnelError, words);
    assertEquals([error.failure, replyFor(error)], [failure, 2]);
    assertInstanceOf(error.cause, Deno.errors.InvalidData);
    assertEquals(error.message.includes("example"), false);
    await bridge.untilClosed();
    assertEquals([bridge.accepted, bridge.requests], [1, []]);
  });
}

/** What a server that is not one of TLS does, when the client has said hello. */
const NO_TLS: readonly [
  what: string,
  answer: Uint8Array | null,
  failure: WebTunnelFailure,
  reply: number,
  words: string,
][] = [
  [
    "speaks HTTP",
    bytes("HTTP/1.1 400 Bad Request\r\n\r\n"),
    "no-tls",
    1,
    "does not speak TLS: url= may need http://",
  ],
  ["speaks SSH", bytes("SSH-2.0-OpenSSH_9.2\r\n"), "no-tls", 1, "does not speak TLS"],
  ["hangs up", null, "tls-refused", 5, "was cut in the TLS handshake"],
  [
    "does not know the name",
    Uint8Array.of(21, 3, 1, 0, 2, 2, 112),
    "tls-refused",
    5,
    "refused the TLS handshake",
  ],
  ["wants another version", Uint8Array.of(21, 3, 1, 0, 2, 2, 70), "tls-refused", 5, "refused"],
];

for (const [what, answer, failure, reply, words] of NO_TLS) {
  // The first is TLS of Deno's, the second of node's.
  for (const more of [[], [["sni-imitation", "front.example"]]] as const) {
    const by = more.length === 0 ? "" : ", by sni-imitation";
    permitted(["net"], `webtunnel() says what a server does that ${what}${by}`, async () => {
      await using peer = new ScriptedPeer(async (conn) => {
        await conn.read(new Uint8Array(4096));
        if (answer !== null) await writeAll(conn, answer);
        else return;
        await readToEnd(conn).catch(() => {});
      });
      const line: Args = [["url", "https://pt.example/"], ["addr", `127.0.0.1:${peer.port}`]];
      const error = await assertRejects(() => connect([...line, ...more]), WebTunnelError, words);
      assertEquals([error.failure, replyFor(error)], [failure, reply]);
    });
  }
}

const ANSWERS: readonly [answer: string, failure: WebTunnelFailure, reply: number][] = [
  ["HTTP/1.1 404 Not Found\r\n\r\n", "wrong-path", 2],
  ["HTTP/1.1 200 OK\r\n\r\n", "no-webtunnel", 2],
  ["HTTP/1.1 403 Forbidden\r\n\r\n", "not-allowed", 2],
  ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "unavailable", 4],
  ["SSH-2.0-OpenSSH_9.2\r\n", "no-http", 1],
];

for (const [answer, failure, reply] of ANSWERS) {
  for (const isTls of [false, true]) {
    const how = `${answer.trim()}${isTls ? " in TLS" : ""}`;
    permitted(["net"], `webtunnel() closes a connection that is answered ${how}`, async () => {
      const stays = (conn: StreamConn) => readToEnd(conn).then(() => {});
      await using bridge = new TestBridge({ answer, behind: stays, ...!isTls && { tls: null } });
      const line = addressed(`${isTls ? "https" : "http"}://pt.example/`)(bridge, "");
      const error = await assertRejects(() => connect(line), WebTunnelError);
      assertEquals([error.failure, replyFor(error)], [failure, reply]);
      await bridge.untilClosed();
      assertEquals(bridge.accepted, 1);
    });
  }
}

permitted(["net"], "webtunnel() keeps what comes along with the answer", async () => {
  for (const tls of [null, undefined]) {
    await using bridge = new TestBridge({
      ...tls === null && { tls },
      answer: `${GRANTED}early`,
      behind: async (conn) => {
        await writeAll(conn, bytes(" and late"));
        await conn.closeWrite();
      },
    });
    const conn = await connect(
      addressed(`${tls === null ? "http" : "https"}://pt.example/`)(bridge, ""),
    );
    assertEquals(await readToEnd(conn), bytes("early and late"));
    conn.close();
  }
});

permitted(["net"], "webtunnel() half-closes in both directions", async () => {
  for (const isTls of [false, true]) {
    for (const first of ["client", "server"]) {
      const heard = Promise.withResolvers<Uint8Array>();
      await using bridge = new TestBridge({
        ...!isTls && { tls: null },
        behind: async (conn) => {
          if (first === "client") heard.resolve(await readToEnd(conn));
          await writeAll(conn, bytes("from the server"));
          await conn.closeWrite();
          if (first === "server") heard.resolve(await readToEnd(conn));
        },
      });
      const url = `${isTls ? "https" : "http"}://pt.example/`;
      const conn = await connect(addressed(url)(bridge, ""));
      if (first === "server") assertEquals(await readToEnd(conn), bytes("from the server"));
      await writeAll(conn, bytes("from the client"));
      await conn.closeWrite();
      if (first === "client") assertEquals(await readToEnd(conn), bytes("from the server"));
      assertEquals(await heard.promise, bytes("from the client"));
      conn.close();
    }
  }
});

permitted(["net"], "webtunnel() takes an end without close_notify for an end", async () => {
  for (const more of [[], [["sni-imitation", "front.example"]]] as const) {
    await using bridge = new TestBridge({
      answer: `${GRANTED}hello`,
      behind: (_conn, cut) => cut(),
    });
    const line = addressed("https://pt.example/", ...more)(bridge, "");
    const conn = await connect(line);
    assertEquals(await readToEnd(conn), bytes("hello"));
    conn.close();
  }
});

for (const scheme of SCHEMES) {
  permitted(["net"], `webtunnel() leaves every name to an upstream proxy (${scheme})`, async () => {
    const pin = await certificatePin(TEST_CERTIFICATE);
    const rows: readonly [args: Args, target: [string, number]][] = [
      [[["url", "https://pt.example/path"]], ["pt.example", 443]],
      [[["url", "https://pt.example:8443/path"]], ["pt.example", 8443]],
      [[["url", "https://[::1]:8443/path"]], ["::1", 8443]],
      [[["url", "https://pt.example/"], ["addr", "front.example:80"]], ["front.example", 80]],
      [[["url", "https://no.example/"], ["servername", "pt.example"]], ["no.example", 443]],
      [[["url", "https://pt.example/"], ["sni-imitation", "a.example"]], ["pt.example", 443]],
      [[["url", "https://no.example/"], ["cert", pin]], ["no.example", 443]],
    ];
    for (const [args, target] of rows) {
      await using bridge = new TestBridge();
      using proxy = new UpstreamProxy(scheme, bridge.address);
      const conn = await connect(args, webtunnel(AUTHORITIES), { proxy: proxy.info });
      await checkEchoes(conn);
      conn.close();
      assertEquals(proxy.requests.map(({ target }) => target), [target]);
    }
  });
}

permitted(
  ["net"],
  "webtunnel() connects to nothing but the proxy, also when that fails",
  async () => {
    await using bridge = new TestBridge({ tls: null });
    await using proxy = new ScriptedPeer((conn) => Promise.resolve(void conn));
    const [host, port] = bridge.address;
    const info = { scheme: "socks5", host: "127.0.0.1", port: proxy.port } as const;
    const connecting = () =>
      connect([["url", `http://${host}:${port}/`]], webtunnel(), { proxy: info });
    await assertRejects(connecting, DialError, "The upstream proxy did not connect");
    assertEquals(bridge.accepted, 0);
  },
);

permitted(
  ["net"],
  "webtunnel() goes over any connection, as one inside another transport",
  async () => {
    await using bridge = new TestBridge();
    const [hostname, port] = bridge.address;
    const asked: unknown[] = [];
    const conn = await connect([["url", "https://pt.example/path"]], webtunnel(AUTHORITIES), {
      dial: async (target) => {
        asked.push(target);
        const conn = await Deno.connect({ hostname, port });
        return prefixedByNothing(conn);
      },
    });
    await checkEchoes(conn);
    conn.close();
    assertEquals(asked, [["pt.example", 443]]);
  },
);

permitted(["net"], "webtunnel() goes over a connection that is one of TLS already", async () => {
  await using bridge = new TestBridge();
  const outer = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: TEST_CERTIFICATE,
    key: TEST_KEY,
  });
  const relayed = (async () => {
    const [hostname, port] = bridge.address;
    await relay(await outer.accept(), await Deno.connect({ hostname, port }));
  })();
  const { hostname, port } = outer.addr;
  const { caCerts } = AUTHORITIES;
  const conn = await connect([["url", "https://pt.example/"]], webtunnel(AUTHORITIES), {
    dial: () => Deno.connectTls({ hostname, port, caCerts }),
  });
  await checkEchoes(conn);
  await conn.closeWrite();
  assertEquals(await readToEnd(conn), bytes(""));
  conn.close();
  await relayed;
  outer.close();
});

/** A connection that is none of Deno's any more. */
function prefixedByNothing(conn: Deno.TcpConn): StreamConn {
  const { read, write, closeWrite, close } = prefixed(conn, bytes("x"));
  let skipped = false;
  return {
    async read(p) {
      if (!skipped) await read(new Uint8Array(1));
      skipped = true;
      return await read(p);
    },
    write,
    closeWrite,
    close,
  };
}

const LIST = ["a.example", "b.example", "pt.example"];

permitted(["net"], "webtunnel() goes on with the next server name when one fails", async () => {
  const begun = new Set<string>();
  const line = (bridge: TestBridge): Args => [
    ["url", "https://url.example/path"],
    ["addr", bridge.addr],
    ["servername", LIST.join()],
  ];
  for (let times = 0; times < 30; times++) {
    await using bridge = new TestBridge({
      refuses: { "a.example": "hang up", "b.example": "hang up" },
    });
    const transport = webtunnel(AUTHORITIES);
    const conn = await connect(line(bridge), transport);
    await checkEchoes(conn);
    conn.close();
    begun.add(bridge.sentNames[0] ?? "");
    const expected = LIST.slice(LIST.indexOf(bridge.sentNames[0] ?? ""));
    assertEquals(bridge.sentNames, expected);
    // What worked is kept.
    const again = await connect(line(bridge), transport);
    again.close();
    assertEquals(bridge.sentNames, [...expected, "pt.example"]);
    assertEquals(new Set(bridge.requests), new Set([request("url.example", "/path")]));
  }
  assertEquals([...begun].sort(), LIST);
});

permitted(["net"], "webtunnel() goes on also where a name leads to no WebTunnel", async () => {
  await using bridge = new TestBridge({ answer: "HTTP/1.1 404 Not Found\r\n\r\n" });
  const list: Args = [["url", "https://pt.example/"], ["servername", "localhost,pt.example"]];
  const connecting = () => connect([...list, ["addr", bridge.addr]]);
  const { failure } = await assertRejects(connecting, WebTunnelError);
  assertEquals(failure, "wrong-path");
  assertEquals(bridge.sentNames.toSorted(), ["localhost", "pt.example"]);
});

permitted(
  ["net"],
  "webtunnel() tries three names for one connection, and then others",
  async () => {
    const list = Array.from({ length: 5 }, (_, index) => `${index}.example`);
    const refuses = Object.fromEntries(list.map((name) => [name, "hang up"] as const));
    await using bridge = new TestBridge({ refuses });
    const transport = webtunnel(AUTHORITIES);
    const line: Args = [
      ["url", "https://pt.example/"],
      ["addr", bridge.addr],
      ["servername", list.join()],
    ];
    for (let connections = 1; connections <= 5; connections++) {
      const { failure } = await assertRejects(() => connect(line, transport), WebTunnelError);
      assertEquals(failure, "tls-refused");
      assertEquals(bridge.accepted, 3 * connections);
    }
    const first = list.indexOf(bridge.sentNames[0] ?? "");
    assertEquals(
      bridge.sentNames,
      Array.from({ length: 15 }, (_, i) => list[(first + i) % 5] ?? ""),
    );
  },
);

permitted(["net"], "webtunnel() tries no other name where nobody can be connected to", async () => {
  let dialled = 0;
  const connecting = () =>
    connect(
      [["url", "https://pt.example/"], ["servername", LIST.join()]],
      undefined,
      {
        dial: () => {
          dialled++;
          return Promise.reject(new Deno.errors.ConnectionRefused("nobody"));
        },
      },
    );
  await assertRejects(connecting, Deno.errors.ConnectionRefused);
  assertEquals(dialled, 1);
});

const SILENCES: readonly [what: string, isTls: boolean, more: Args, words: string][] = [
  ["in the TLS handshake", true, [], "is silent in the TLS handshake"],
  [
    "in the TLS handshake of node's",
    true,
    [["sni-imitation", "a.example"]],
    "is silent in the TLS handshake",
  ],
  ["behind the request", false, [], "does not answer it"],
];

for (const [what, isTls, more, words] of SILENCES) {
  permitted(["net"], `webtunnel() gives up a server that is silent ${what}`, async () => {
    await using bridge = new TestBridge({
      ...!isTls && { tls: null },
      refuses: { "pt.example": "silent", "a.example": "silent" },
      answer: "",
      behind: (conn) => readToEnd(conn).then(() => {}),
    });
    using timers = new FakeTimers();
    const url = `${isTls ? "https" : "http"}://pt.example/`;
    const connecting = connect([...addressed(url)(bridge, ""), ...more]);
    connecting.catch(() => {});
    while (bridge.hellos.length + bridge.requests.length === 0) await turn();
    await timers.fire(45_000);
    const error = await assertRejects(() => connecting, WebTunnelError, words);
    assertEquals([error.failure, replyFor(error)], ["silent", 6]);
    await bridge.untilClosed();
  });
}

/** Lets everything else have a turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

permitted(
  ["net"],
  "webtunnel() shares its time among the names, and goes on behind a silent one",
  async () => {
    await using bridge = new TestBridge({
      refuses: { "a.example": "silent", "b.example": "silent" },
    });
    using timers = new FakeTimers();
    const line = addressed("https://pt.example/", ["servername", LIST.join()])(bridge, "");
    const transport = webtunnel(AUTHORITIES);
    const connecting = connect(line, transport);
    connecting.catch(() => {});
    for (let count = 1; bridge.sentNames.at(-1) !== "pt.example"; count++) {
      while (bridge.sentNames.length < count) await turn();
      if (bridge.sentNames.at(-1) !== "pt.example") await timers.fire(15_000);
    }
    const conn = await connecting;
    await checkEchoes(conn);
    conn.close();
  },
);

permitted(["net"], "webtunnel() ends with its signal, and closes what it has", async () => {
  for (const isTls of [false, true]) {
    await using bridge = new TestBridge({
      ...!isTls && { tls: null },
      refuses: { "pt.example": "silent", "localhost": "silent" },
      answer: "",
      behind: (conn) => readToEnd(conn).then(() => {}),
    });
    const controller = new AbortController();
    const url = `${isTls ? "https" : "http"}://pt.example/`;
    const line = addressed(url, ...isTls ? [["servername", "pt.example,localhost"]] as const : []);
    const { signal } = controller;
    let dialled = 0;
    const dial = ([hostname, port]: readonly [string, number]) => {
      dialled++;
      return Deno.connect({ hostname, port });
    };
    const connecting = connect(line(bridge, ""), webtunnel(AUTHORITIES), { signal, dial });
    connecting.catch(() => {});
    while (bridge.hellos.length + bridge.requests.length === 0) await turn();
    controller.abort(new RangeError("never mind"));
    await assertRejects(() => connecting, RangeError, "never mind");
    await bridge.untilClosed();
    assertEquals([dialled, bridge.accepted], [1, 1]);
  }
});

/** Counts how often TLS of Deno's is started, until it is disposed of. */
function countDenoTls(): { count: number } & Disposable {
  const { startTls } = Deno;
  const counter = { count: 0, [Symbol.dispose]: () => void (Deno.startTls = startTls) };
  Deno.startTls = (...args) => {
    counter.count++;
    return startTls(...args);
  };
  return counter;
}

permitted(["net"], "webtunnel() leaves few handshakes to servers that never end them", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const line: Args = [["url", "https://pt.example/"], ["addr", `127.0.0.1:${listener.addr.port}`]];
  const held: Deno.TcpConn[] = [];
  using tls = countDenoTls();
  for (let times = 0; times < 20; times++) {
    const controller = new AbortController();
    const connecting = connect(line, webtunnel(), { signal: controller.signal });
    connecting.catch(() => {});
    const conn = await listener.accept();
    held.push(conn);
    await takeHello(conn);
    controller.abort(new RangeError("never mind"));
    await assertRejects(() => connecting, RangeError);
    assertEquals(await readToEnd(conn), bytes("")); // It is told, whoever did the handshake.
  }
  assertEquals(tls.count, 16);
  held.forEach((conn) => conn.close());
  // Those that have ended make room again.
  await using bridge = new TestBridge();
  while (tls.count === 16) {
    (await connect(addressed("https://pt.example/")(bridge, ""))).close();
  }
});

/** How many sockets this process has. */
async function countSockets(): Promise<number> {
  const fds = Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => name);
  const links = fds.map((fd) => Deno.readLink(`/proc/self/fd/${fd}`).catch(() => ""));
  return (await Promise.all(links)).filter((link) => link.startsWith("socket:")).length;
}

/** More connections than other tests leave to be closed when one begins. */
const MANY = 150;

/** Whether fewer sockets are left than came in between. */
async function areClosed(before: number): Promise<boolean> {
  return await comesAbout(SOON, async () => await countSockets() < before + MANY / 2);
}

const WAYS: readonly [options: TestBridgeOptions, more: Args][] = [
  [{}, []],
  [{}, [["sni-imitation", "a.example"]]],
  [{ tls: null }, []],
  [{ refuses: { "pt.example": "hang up" } }, []],
  [{ answer: "HTTP/1.1 404 Not Found\r\n\r\n" }, []],
];

permitted(
  ["net", "read"],
  "webtunnel() leaves no descriptor behind",
  async () => {
    for (const [options, more] of WAYS) {
      const before = await countSockets();
      await using bridge = new TestBridge(options);
      const url = `http${options.tls === null ? "" : "s"}://pt.example/`;
      for (let times = 0; times < MANY; times++) {
        const conn = await connect(addressed(url, ...more)(bridge, "")).catch(() => null);
        conn?.close();
      }
      assert(await areClosed(before));
    }
  },
  Deno.build.os === "linux" ? null : "needs Linux",
);

permitted(
  ["net", "read"],
  "webtunnel() leaves no descriptor behind where TLS cannot be started",
  async () => {
    const before = await countSockets();
    const { startTls } = Deno;
    Deno.startTls = () => Promise.reject(new RangeError("no TLS today"));
    try {
      await using bridge = new TestBridge();
      const connecting = () => connect(addressed("https://pt.example/")(bridge, ""));
      for (let times = 0; times < MANY; times++) {
        await assertRejects(connecting, RangeError, "no TLS today");
      }
      await bridge.untilClosed();
      assert(await areClosed(before));
    } finally {
      Deno.startTls = startTls;
    }
  },
  Deno.build.os === "linux" ? null : "needs Linux",
);

permitted(
  ["net"],
  "webtunnel() takes node's TLS in a Deno that has no handles of node's",
  async () => {
    const { default: process } = await import("node:process");
    const { binding } = process as { binding?: unknown };
    using tls = countDenoTls();
    Object.assign(process, { binding: undefined });
    try {
      await using bridge = new TestBridge();
      const conn = await connect(addressed("https://pt.example/")(bridge, ""));
      await checkEchoes(conn);
      conn.close();
    } finally {
      Object.assign(process, { binding });
    }
    assertEquals(tls.count, 0);
  },
);

permitted(["net"], "webtunnel() rejects a bridge line before it connects", async () => {
  await using bridge = new TestBridge();
  const line: Args = [["url", "https://pt.example/?x"], ["addr", bridge.addr]];
  const { failure } = await assertRejects(() => connect(line), WebTunnelError);
  assertEquals([failure, bridge.accepted], ["bridge-line", 0]);
});

permitted(["net"], "webtunnel() says once that utls has no effect, and nothing else", async () => {
  await using bridge = new TestBridge({ tls: null });
  const said: string[] = [];
  const transport = webtunnel({ log: (severity, text) => said.push(`${severity} ${text}`) });
  const line = addressed("http://pt.example/")(bridge, "");
  for (const more of [[], [["utls", "hellochrome"]], [["utls", "none"]]] as const) {
    (await connect([...line, ...more], transport)).close();
  }
  (await connect([...line, ["utls", "none"]], webtunnel())).close(); // Nobody is told.
  assertEquals(said.length, 1);
  assert(said[0]?.startsWith("notice webtunnel: utls= has no effect"), said[0]);
});

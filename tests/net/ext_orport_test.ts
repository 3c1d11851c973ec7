import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { stub } from "@std/testing/mock";
import type { Address } from "../../address.ts";
import type { OrPorts } from "../../config.ts";
import {
  DialError,
  dialOr,
  type DialOrOptions,
  ExtOrPortError,
  type StreamConn,
} from "../../net/mod.ts";
import { cookieKey, formatMessage } from "../../net/ext_orport.ts";
import { changedConn } from "../changed_conn.ts";
import { permitted } from "../permitted.ts";
import { FakeTimers } from "../timers.ts";
import {
  authenticate,
  CONTROL,
  CookieFile,
  DENY,
  offer,
  OKAY,
  readCommands,
  receive,
  reply,
} from "./scripted_ext_orport.ts";
import { bytes, dribble, ScriptedPeer, takeText } from "./scripted_peer.ts";
import { readToEnd } from "../../testing/mod.ts";

type Play = (conn: Deno.TcpConn, file: CookieFile) => Promise<void>;

const OPTIONS: DialOrOptions = { transport: "rot13", clientAddress: ["203.0.113.7", 5678] };

/** An Extended ORPort that plays a script, and what `dialOr()` is told about it. */
async function extOrPort(
  play: Play,
  use: (info: OrPorts, file: CookieFile) => Promise<void>,
): Promise<void> {
  await using file = await CookieFile.create();
  await using peer = new ScriptedPeer((conn) => play(conn, file));
  const info: OrPorts = {
    // Whoever comes here has gone round the Extended ORPort.
    orport: ["127.0.0.1", 1],
    ext_orport: [peer.host, peer.port],
    auth_cookie_file: file.path,
  };
  await use(info, file);
}

function extended(name: string, play: Play, use: (info: OrPorts) => Promise<void>): void {
  permitted(["net", "read", "write"], name, () => extOrPort(play, use));
}

/** What the peer has read behind the point to which it played its part. */
async function rest(conn: StreamConn): Promise<Uint8Array> {
  try {
    return await readToEnd(conn);
  } catch (error) {
    assertInstanceOf(error, Deno.errors.ConnectionReset);
    return new Uint8Array();
  }
}

async function useAndClose(info: OrPorts, options = OPTIONS): Promise<void> {
  (await dialOr(info, options)).close();
}

extended("dialOr() says who comes how, and only then sends payload", async (conn, { cookie }) => {
  assertEquals(await offer(conn, [1]), 1);
  assert(await authenticate(conn, cookie));
  await conn.write(Uint8Array.of(1));
  assertEquals(await readCommands(conn), [[1, "203.0.113.7:5678"], [2, "rot13"], [0, ""]]);
  await conn.write(Uint8Array.from(reply(OKAY)));
  assertEquals(await takeText(conn, 5), "hello");
  await conn.write(bytes("world"));
}, async (info) => {
  const conn = await dialOr(info, OPTIONS);
  await conn.write(bytes("hello"));
  assertEquals(await takeText(conn, 5), "world");
  conn.close();
});

extended(
  "dialOr() takes what arrives behind OKAY for the first of the stream",
  async (conn, file) => {
    await receive(conn, file.cookie);
    await conn.write(Uint8Array.of(...reply(OKAY), ...bytes("early payload")));
  },
  async (info) => {
    const conn = await dialOr(info, OPTIONS);
    assertEquals(await takeText(conn, 13), "early payload");
    conn.close();
  },
);

extended("dialOr() takes answers byte by byte", async (conn, { cookie }) => {
  const slow = changedConn(conn, {
    write: async (p) => {
      await dribble(conn, p);
      return p.length;
    },
  });
  await receive(slow, cookie);
  await dribble(conn, Uint8Array.of(...reply(CONTROL, "x"), ...reply(OKAY), 42));
}, async (info) => {
  const conn = await dialOr(info, OPTIONS);
  assertEquals(await takeText(conn, 1), "*");
  conn.close();
});

extended("dialOr() sends no payload and nothing else before OKAY", async (conn, { cookie }) => {
  await receive(conn, cookie);
  // It half-closes instead of answering: all that came is in, and that is nothing.
  await conn.closeWrite();
  assertEquals((await rest(conn)).length, 0);
}, async (info) => {
  await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "closed the connection");
});

const ADDRESSES: readonly [clientAddress: Address | undefined, body: string | undefined][] = [
  [["1.2.3.4", 5678], "1.2.3.4:5678"],
  [["1:2::3:4", 5678], "[1:2::3:4]:5678"],
  [["2001:DB8:0:0::1", 1], "[2001:db8::1]:1"],
  [["::ffff:1.2.3.4", 5678], "1.2.3.4:5678"],
  [["::ffff:0102:0304", 5678], "1.2.3.4:5678"],
  [["0:0:0:0:0:ffff:1.2.3.4", 5678], "1.2.3.4:5678"],
  [["::fffe:1.2.3.4", 5678], "[::fffe:102:304]:5678"],
  [["::1.2.3.4", 5678], "[::102:304]:5678"],
  [["fe80::1%eth0", 5678], "[fe80::1]:5678"],
  [["fe80::1%25", 5678], "[fe80::1]:5678"],
  [["::ffff:1.2.3.4%2", 65535], "1.2.3.4:65535"],
  [undefined, undefined],
];

for (const [clientAddress, body] of ADDRESSES) {
  const what = clientAddress === undefined ? "nothing" : clientAddress.join(" ");
  extended(`dialOr() tells of ${what} what tor parses`, async (conn, { cookie }) => {
    const commands = await receive(conn, cookie);
    await conn.write(Uint8Array.from(reply(OKAY)));
    const address = body === undefined ? [] : [[1, body]];
    assertEquals(commands as unknown[], [...address, [2, "rot13"], [0, ""]]);
  }, (info) => useAndClose(info, { transport: "rot13", clientAddress }));
}

Deno.test({
  name: "dialOr() takes no client address that is a name, and connects to nothing",
  permissions: { net: false, read: false },
  async fn() {
    const info: OrPorts = {
      orport: null,
      ext_orport: ["127.0.0.1", 1],
      auth_cookie_file: "/nowhere",
    };
    for (const host of ["localhost", "", "[::1]", "%eth0"]) {
      const options = { transport: "rot13", clientAddress: [host, 1] } as const;
      await assertRejects(() => dialOr(info, options), TypeError, "numeric");
    }
  },
});

const OFFERS: readonly [what: string, types: number[]][] = [
  ["SAFE_COOKIE alone", [1]],
  ["it behind others", [7, 2, 255, 1]],
  ["it before others", [1, 2]],
  ["256 types", [...new Array(255).fill(2), 1]],
];

for (const [what, types] of OFFERS) {
  extended(`dialOr() chooses SAFE_COOKIE from ${what}`, async (conn, { cookie }) => {
    assertEquals(await offer(conn, types), 1);
    await authenticate(conn, cookie);
    await conn.write(Uint8Array.of(1));
    await readCommands(conn);
    await conn.write(Uint8Array.from(reply(OKAY)));
  }, (info) => useAndClose(info));
}

for (const [what, types] of [["others", [2, 3]], ["nothing", []]] as const) {
  extended(`dialOr() answers 0 and closes when it is offered ${what}`, async (conn) => {
    assertEquals(await offer(conn, types), 0);
    assertEquals((await rest(conn)).length, 0);
  }, async (info) => {
    await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "does not offer SAFE_COOKIE");
  });
}

extended("dialOr() closes without a word when the list of types does not end", async (conn) => {
  await conn.write(new Uint8Array(257).fill(1));
  assertEquals((await rest(conn)).length, 0);
}, async (info) => {
  await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "does not end");
});

extended("dialOr() sends nothing more after a wrong server hash", async (conn) => {
  await offer(conn);
  await authenticate(conn, new Uint8Array(32)).catch((error) =>
    assertInstanceOf(error, Deno.errors.UnexpectedEof)
  );
  assertEquals((await rest(conn)).length, 0);
}, async (info) => {
  await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "does not know the cookie");
});

extended("dialOr() takes no server hash that proves the other direction", async (conn, file) => {
  await offer(conn);
  const nonce = new Uint8Array(32);
  await conn.read(nonce);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", file.cookie, hmac, false, ["sign"]);
  const text = bytes("ExtORPort authentication client-to-server hash");
  const hash = await crypto.subtle.sign(hmac, key, Uint8Array.of(...text, ...nonce, ...nonce));
  await conn.write(Uint8Array.of(...new Uint8Array(hash), ...nonce));
  assertEquals((await rest(conn)).length, 0);
}, async (info) => {
  await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "does not know the cookie");
});

for (const status of [0, 2, 255]) {
  extended(`dialOr() sends no command when the status is ${status}`, async (conn, { cookie }) => {
    await offer(conn);
    assert(await authenticate(conn, cookie));
    await conn.write(Uint8Array.of(status));
    assertEquals((await rest(conn)).length, 0);
  }, async (info) => {
    await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "does not accept");
  });
}

extended("dialOr() says that tor denied the connection", async (conn, { cookie }) => {
  await receive(conn, cookie);
  await conn.write(Uint8Array.from(reply(DENY)));
  assertEquals((await rest(conn)).length, 0);
}, async (info) => {
  await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "denied");
});

extended("dialOr() skips replies that it does not know", async (conn, { cookie }) => {
  await receive(conn, cookie);
  const unknown = [CONTROL, 0, 0x1003, 0xffff].flatMap((code) => reply(code, "of no interest"));
  const long = reply(CONTROL, "x".repeat(65535));
  await conn.write(Uint8Array.of(...unknown, ...long, ...reply(OKAY, "very"), 42));
}, async (info) => {
  const conn = await dialOr(info, OPTIONS);
  assertEquals(await takeText(conn, 1), "*");
  conn.close();
});

extended("dialOr() gives up on replies that do not end", async (conn, { cookie }) => {
  await receive(conn, cookie);
  // The last one is not read any more, so that this can fail.
  for (let i = 0; i < 64; i++) await conn.write(Uint8Array.from(reply(CONTROL)));
  assertEquals((await rest(conn)).length, 0);
}, async (info) => {
  await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "no decision");
});

Deno.test("formatMessage() throws for a body whose length does not fit", () => {
  assertEquals(formatMessage(1, new Uint8Array(65_535)).length, 65_539);
  assertThrows(() => formatMessage(1, new Uint8Array(65_536)), TypeError, "65536");
});

const CUTS: readonly [when: string, play: Play][] = [
  ["at once", () => Promise.resolve()],
  ["in the list of types", async (conn) => {
    await conn.write(Uint8Array.of(1));
  }],
  ["in place of its hash", async (conn) => {
    await offer(conn);
    await conn.read(new Uint8Array(32));
  }],
  ["in place of the status", async (conn, { cookie }) => {
    await offer(conn);
    await authenticate(conn, cookie);
  }],
  ["in the middle of a reply", async (conn, { cookie }) => {
    await receive(conn, cookie);
    await conn.write(Uint8Array.of(0x10, 0, 0));
  }],
];

for (const [when, play] of CUTS) {
  extended(`dialOr() says that tor closed the connection ${when}`, play, async (info) => {
    const error = await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, "closed");
    assertInstanceOf(error.cause, Error);
  });
}

const STALLS: readonly [when: string, play: Play][] = [
  ["from the start", () => Promise.resolve()],
  ["behind the list of types", async (conn) => void await offer(conn)],
  ["with its decision", async (conn, { cookie }) => void await receive(conn, cookie)],
];

/** Dials tor, which plays its part and then waits until we close; `end` is called meanwhile. */
async function stalled(
  play: Play,
  end: () => void | Promise<void>,
  signal?: AbortSignal,
): Promise<unknown> {
  const waiting = Promise.withResolvers<void>();
  let outcome: unknown;
  await extOrPort(async (conn, file) => {
    await play(conn, file);
    waiting.resolve();
    await rest(conn);
  }, async (info) => {
    const dialled = dialOr(info, { ...OPTIONS, signal }).catch((error) => error);
    await waiting.promise;
    await end();
    outcome = await dialled;
  });
  return outcome;
}

for (const [when, play] of STALLS) {
  permitted(
    ["net", "read", "write"],
    `dialOr() gives tor 10 s when it stalls ${when}`,
    async () => {
      using timers = new FakeTimers();
      const error = await stalled(play, () => timers.fire(10_000));
      assertInstanceOf(error, DOMException);
      assertEquals(error.name, "TimeoutError");
      assertEquals(error.message, "The way to tor's ORPort took longer than 10 s");
      assertEquals(timers.pending, []);
    },
  );

  permitted(
    ["net", "read", "write"],
    `dialOr() ends with the signal when tor stalls ${when}`,
    async () => {
      const stop = new AbortController();
      const reason = new Error("shutdown");
      assertEquals(await stalled(play, () => stop.abort(reason), stop.signal), reason);
    },
  );
}

Deno.test("dialOr() ends with the signal while it connects to an ORPort that is silent", async () => {
  const stop = new AbortController();
  const reason = new Error("shutdown");
  using _ = stub(Deno, "connect", (options) => {
    const signal: AbortSignal = Reflect.get(options, "signal");
    queueMicrotask(() => stop.abort(reason));
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  });
  const info: OrPorts = { orport: ["127.0.0.1", 1], ext_orport: null, auth_cookie_file: null };
  const dialled = dialOr(info, { ...OPTIONS, signal: stop.signal });
  assertEquals(await dialled.catch((error) => error), reason);
});

permitted(
  ["read", "write", "run"],
  "dialOr() gives a cookie file that does not end 10 s",
  async () => {
    await using file = await CookieFile.create();
    await Deno.remove(file.path);
    const { success } = await new Deno.Command("mkfifo", { args: [file.path] }).output();
    assert(success);
    using timers = new FakeTimers();
    const info: OrPorts = {
      orport: null,
      ext_orport: ["127.0.0.1", 1],
      auth_cookie_file: file.path,
    };
    const dialled = dialOr(info, OPTIONS).catch((error) => error);
    // It is opened for writing as soon as somebody reads it.
    using _writer = await Deno.open(file.path, { write: true });
    await timers.fire(10_000);
    const error = await dialled;
    assertInstanceOf(error, DOMException);
    assertEquals(error.name, "TimeoutError");
  },
);

permitted(
  ["net", "read", "write"],
  "dialOr() reads the cookie anew for each connection",
  async () => {
    await using file = await CookieFile.create();
    const connect = async () => {
      await using peer = new ScriptedPeer(async (conn) => {
        await offer(conn);
        assert(await authenticate(conn, file.cookie));
        await conn.write(Uint8Array.of(1));
        await readCommands(conn);
        await conn.write(Uint8Array.from(reply(OKAY)));
      });
      await useAndClose({
        orport: null,
        ext_orport: [peer.host, peer.port],
        auth_cookie_file: file.path,
      });
    };
    await connect();
    await file.renew();
    await connect();
  },
);

const HEADER = [...bytes("! Extended ORPort Auth Cookie !\n")];

const COOKIES: readonly [what: string, content: number[]][] = [
  ["is empty", []],
  ["has no header", new Array(64).fill(0x21)],
  ["has another header", [...bytes("! Extended ORPort Auth Cookie ?\n"), ...new Array(32).fill(7)]],
  ["has the header of the control port's", [
    ...bytes("! Extended ORPort Auth Cookie !\r"),
    ...new Array(32).fill(7),
  ]],
  ["is a byte too short", [...HEADER, ...new Array(31).fill(7)]],
  ["is a byte too long", [...HEADER, ...new Array(33).fill(7)]],
  ["has only the header", HEADER],
];

for (const [what, content] of COOKIES) {
  permitted(
    ["read", "write"],
    `dialOr() connects to nothing when the cookie file ${what}`,
    async () => {
      await using file = await CookieFile.create();
      await file.write(...content);
      const info: OrPorts = {
        orport: ["127.0.0.1", 1],
        ext_orport: ["127.0.0.1", 1],
        auth_cookie_file: file.path,
      };
      const error = await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError);
      assertMatch(error.message, /^TOR_PT_AUTH_COOKIE_FILE does not hold/);
    },
  );
}

permitted(["read", "write"], "dialOr() says that there is no cookie file", async () => {
  await using file = await CookieFile.create();
  const info: OrPorts = {
    orport: null,
    ext_orport: ["127.0.0.1", 1],
    auth_cookie_file: `${file.path}.gone`,
  };
  const error = await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError);
  assertEquals(error.message, "TOR_PT_AUTH_COOKIE_FILE cannot be read: there is no such file");
  assertInstanceOf(error.cause, Deno.errors.NotFound);
});

Deno.test({
  name: "dialOr() says which permission the cookie file takes",
  permissions: { net: false, read: false },
  async fn() {
    const info: OrPorts = {
      orport: null,
      ext_orport: ["127.0.0.1", 1],
      auth_cookie_file: "/var/lib/tor/extended_orport_auth_cookie",
    };
    const flag = "--allow-read=/var/lib/tor/extended_orport_auth_cookie";
    await assertRejects(() => dialOr(info, OPTIONS), ExtOrPortError, `add ${flag}`);
  },
});

/** A port of loopback on which nobody listens. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

permitted(["net", "read", "write"], "dialOr() says that the Extended ORPort is dead", async () => {
  await using file = await CookieFile.create();
  const info: OrPorts = {
    orport: null,
    ext_orport: ["127.0.0.1", closedPort()],
    auth_cookie_file: file.path,
  };
  const words = "The connection to tor's Extended ORPort failed: Connection refused";
  const error = await assertRejects(() => dialOr(info, OPTIONS), DialError, words);
  assertInstanceOf(error.cause, Deno.errors.ConnectionRefused);
});

permitted(["net"], "dialOr() says that the ORPort is dead", async () => {
  const info: OrPorts = {
    orport: ["127.0.0.1", closedPort()],
    ext_orport: null,
    auth_cookie_file: null,
  };
  const words = "The connection to tor's ORPort failed: Connection refused";
  await assertRejects(() => dialOr(info, OPTIONS), DialError, words);
});

permitted(["net"], "dialOr() sends payload and nothing else to the plain ORPort", async () => {
  await using peer = new ScriptedPeer(async (conn) => {
    assertEquals(await takeText(conn, 5), "hello");
    await conn.write(bytes("world"));
    assertEquals((await rest(conn)).length, 0);
  });
  const info: OrPorts = {
    orport: [peer.host, peer.port],
    ext_orport: null,
    auth_cookie_file: null,
  };
  const conn = await dialOr(info, OPTIONS);
  await conn.write(bytes("hello"));
  assertEquals(await takeText(conn, 5), "world");
  conn.close();
});

Deno.test("dialOr() says that there is no ORPort at all", async () => {
  const info: OrPorts = { orport: null, ext_orport: null, auth_cookie_file: null };
  await assertRejects(() => dialOr(info, OPTIONS), TypeError, "neither");
});

Deno.test("dialOr() does not go to the plain ORPort where the extended one lacks its cookie", async () => {
  const address: Address = ["127.0.0.1", 1];
  const info: OrPorts = { orport: address, ext_orport: address, auth_cookie_file: null };
  await assertRejects(() => dialOr(info, OPTIONS), TypeError, "cookie");
});

Deno.test("cookieKey() lets nobody read the cookie back", async () => {
  const key = await cookieKey(new Uint8Array(32));
  await assertRejects(() => crypto.subtle.exportKey("raw", key), DOMException);
});

import { assert, assertEquals, assertInstanceOf, assertLess } from "@std/assert";
import type { Address } from "../../address.ts";
import {
  DialError,
  listenSocks,
  readFull,
  type SocksListener,
  type SocksRequest,
  writeAll,
} from "../../net/mod.ts";
import { permitted } from "../permitted.ts";
import { FakeTimers } from "../timers.ts";
import { connectResettable, readToEnd, type ResettableConn } from "../../testing/mod.ts";
import { bytes, dribble, take, takeText } from "./scripted_peer.ts";
import { argsFields, connectRequest, fields, NO_AUTH, PASSWORD, reply } from "./socks_bytes.ts";
import { untilRefused } from "./until_refused.ts";

const TARGET: Address = ["192.0.2.7", 443];
const REQUEST = connectRequest(TARGET);

type Send = (conn: Deno.TcpConn, data: Uint8Array<ArrayBuffer>) => Promise<unknown>;

/** The two ways in which clients send: everything at once, and a byte at a time. */
const SENDINGS: readonly [how: string, send: Send][] = [
  ["at once", (conn, data) => conn.write(data)],
  ["byte by byte", dribble],
];

/** A listener at work, and a client of it. */
class Listening implements AsyncDisposable {
  readonly listener: SocksListener = listenSocks();
  readonly #requests = this.listener[Symbol.asyncIterator]();
  // Accepting begins with the first call.
  #next = this.#requests.next();

  get port(): number {
    return this.listener.address[1];
  }

  async connect(): Promise<Deno.TcpConn> {
    return await Deno.connect({ hostname: "127.0.0.1", port: this.port });
  }

  async request(): Promise<SocksRequest> {
    const { value } = await this.#next;
    if (value === undefined) throw new Error("the listener has ended");
    this.#next = this.#requests.next();
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.listener.close();
    await this.#next;
  }
}

/** A listener with a client. */
async function listening(
  use: (client: Deno.TcpConn, socks: Listening) => Promise<void>,
): Promise<void> {
  await using socks = new Listening();
  using client = await socks.connect();
  await use(client, socks);
}

const STRADDLED = `${"k=".padEnd(254, "v")}\\;€x`;

const REQUESTS: readonly [
  what: string,
  sent: readonly number[],
  answer: readonly number[],
  target: Address,
  args: readonly (readonly [string, string])[],
][] = [
  ["no authentication", [...NO_AUTH, ...REQUEST], [5, 0], TARGET, []],
  [
    "both methods: it takes the password",
    [5, 2, 0, 2, ...argsFields("k=v"), ...REQUEST],
    [
      5,
      2,
      1,
      0,
    ],
    TARGET,
    [["k", "v"]],
  ],
  ["many methods", [5, 4, 9, 2, 1, 0, ...argsFields("k=v"), ...REQUEST], [5, 2, 1, 0], TARGET, [
    ["k", "v"],
  ]],
  [
    "an IPv6 target",
    [...NO_AUTH, ...connectRequest(["2001:db8::7", 65535])],
    [5, 0],
    ["2001:db8::7", 65535],
    [],
  ],
  [
    "a name as target",
    [...NO_AUTH, ...connectRequest(["bridge.example", 1])],
    [5, 0],
    ["bridge.example", 1],
    [],
  ],
  [
    "the longest name",
    [...NO_AUTH, ...connectRequest(["n".repeat(255), 1])],
    [5, 0],
    ["n".repeat(255), 1],
    [],
  ],
  [
    "arguments with repeated keys, escapes and an empty value",
    [...PASSWORD, ...argsFields("a=1;b=\\;\\\\;a=;c=x=y"), ...REQUEST],
    [5, 2, 1, 0],
    TARGET,
    [["a", "1"], ["b", ";\\"], ["a", ""], ["c", "x=y"]],
  ],
  [
    "arguments whose second field begins with a NUL",
    [...PASSWORD, ...fields(bytes("k=v"), bytes("\0w")), ...REQUEST],
    [5, 2, 1, 0],
    TARGET,
    [["k", "v\0w"]],
  ],
  [
    "arguments of 255 bytes",
    [...PASSWORD, ...argsFields("k=".padEnd(255, "v")), ...REQUEST],
    [5, 2, 1, 0],
    TARGET,
    [["k", "v".repeat(253)]],
  ],
  [
    "arguments of 510 bytes",
    [...PASSWORD, ...argsFields("k=".padEnd(510, "v")), ...REQUEST],
    [5, 2, 1, 0],
    TARGET,
    [["k", "v".repeat(508)]],
  ],
  [
    "an escape that straddles the fields",
    [...PASSWORD, ...argsFields(STRADDLED), ...REQUEST],
    [5, 2, 1, 0],
    TARGET,
    [["k", `${"v".repeat(252)};€x`]],
  ],
  [
    "a character that straddles the fields",
    [...PASSWORD, ...argsFields(`${"k=".padEnd(254, "v")}€`), ...REQUEST],
    [5, 2, 1, 0],
    TARGET,
    [["k", `${"v".repeat(252)}€`]],
  ],
  [
    "arguments in both fields, though one was enough",
    [...PASSWORD, ...fields(bytes("k="), bytes("v")), ...REQUEST],
    [5, 2, 1, 0],
    TARGET,
    [["k", "v"]],
  ],
  [
    "a value that begins with a byte order mark",
    [...PASSWORD, ...argsFields("\ufeffk=\ufeff"), ...REQUEST],
    [5, 2, 1, 0],
    TARGET,
    [["\ufeffk", "\ufeff"]],
  ],
];

for (const [what, sent, answer, target, args] of REQUESTS) {
  for (const [how, send] of SENDINGS) {
    permitted(
      ["net"],
      `listenSocks() takes a request with ${what}, sent ${how}`,
      () =>
        listening(async (client, socks) => {
          await send(client, Uint8Array.of(...sent, ...bytes("early")));
          const request = await socks.request();
          assertEquals(request.target, target);
          assertEquals([...request.args], args);
          using conn = await request.grant();
          assertEquals([...await take(client, answer.length + 10)], [...answer, ...reply(0)]);
          // What came early is the first of the stream.
          assertEquals(await takeText(conn, 5), "early");
          await conn.write(bytes("payload"));
          assertEquals(await takeText(client, 7), "payload");
        }),
    );
  }
}

const REFUSED_NAME = (name: string) => [...NO_AUTH, ...connectRequest([name, 1])];
const NO_ARGS = [5, 2, 1, 1];

const REFUSALS: readonly [
  what: string,
  sent: readonly number[],
  answer: readonly number[],
][] = [
  ["SOCKS4", [4, 1, 0, 80, 192, 0, 2, 7, 0], []],
  ["what is no SOCKS", [...bytes("GET / HTTP/1.1\r\n\r\n")], []],
  ["a greeting without methods", [5, 0], [5, 0xff]],
  ["a greeting without a method we know", [5, 2, 1, 3], [5, 0xff]],
  ["a request of another version", [...NO_AUTH, 4, 1, 0, 1, 192, 0, 2, 7, 0, 80], [
    5,
    0,
    ...reply(1),
  ]],
  ["BIND", [...NO_AUTH, 5, 2, 0, 1, 192, 0, 2, 7, 0, 80], [5, 0, ...reply(7)]],
  ["UDP ASSOCIATE", [...NO_AUTH, 5, 3, 0, 1, 192, 0, 2, 7, 0, 80], [5, 0, ...reply(7)]],
  ["tor's own RESOLVE", [...NO_AUTH, 5, 0xf0, 0, 3, 1, 0x61, 0, 0], [5, 0, ...reply(7)]],
  ["address type 0", [...NO_AUTH, 5, 1, 0, 0, 192, 0, 2, 7, 0, 80], [5, 0, ...reply(8)]],
  ["address type 2", [...NO_AUTH, 5, 1, 0, 2, 192, 0, 2, 7, 0, 80], [5, 0, ...reply(8)]],
  ["an empty name", REFUSED_NAME(""), [5, 0, ...reply(1)]],
  ["a name with a space", REFUSED_NAME("a b"), [5, 0, ...reply(1)]],
  ["a name with a line end", REFUSED_NAME("a\r\nb"), [5, 0, ...reply(1)]],
  ["a name with a NUL", REFUSED_NAME("a\0"), [5, 0, ...reply(1)]],
  ["a name that is not ASCII", REFUSED_NAME("é"), [5, 0, ...reply(1)]],
  ["a name with a DEL", REFUSED_NAME("a\x7f"), [5, 0, ...reply(1)]],
  [
    "another version of the password's negotiation",
    [...PASSWORD, 5, ...argsFields("k=v").slice(1)],
    NO_ARGS,
  ],
  ["an empty user name", [...PASSWORD, ...fields([], [0])], NO_ARGS],
  ["an empty password", [...PASSWORD, ...fields(bytes("k=v"), [])], NO_ARGS],
  ["arguments without =", [...PASSWORD, ...argsFields("k")], NO_ARGS],
  ["arguments without a key", [...PASSWORD, ...argsFields("=v")], NO_ARGS],
  ["an empty argument", [...PASSWORD, ...argsFields("k=v;;l=w")], NO_ARGS],
  ["arguments that end in ;", [...PASSWORD, ...argsFields("k=v;")], NO_ARGS],
  ["arguments that end in a backslash", [...PASSWORD, ...argsFields("k=v\\")], NO_ARGS],
  ["arguments that are not UTF-8", [
    ...PASSWORD,
    ...fields([0x6b, 0x3d, 0xff], [0]),
  ], NO_ARGS],
  ["a character that is cut off", [...PASSWORD, ...fields([0x6b, 0x3d, 0xe2, 0x82], [0])], NO_ARGS],
];

for (const [what, sent, answer] of REFUSALS) {
  for (const [how, send] of SENDINGS) {
    permitted(
      ["net"],
      `listenSocks() refuses ${what}, sent ${how}, and then takes a request`,
      () =>
        listening(async (client, socks) => {
          // A reset, which unread bytes would cause, could swallow the answer.
          await send(client, Uint8Array.of(...sent, ...bytes("and what a hurried client sends")));
          assertEquals([...await readToEnd(client)], [...answer]);
          // It may go on sending, so that nothing resets the connection under the answer.
          if (answer.length > 0) { for (let i = 0; i < 5; i++) await client.write(bytes("more")); }
          client.close();
          using next = await socks.connect();
          await next.write(Uint8Array.of(...NO_AUTH, ...REQUEST));
          const request = await socks.request();
          (await request.grant()).close();
        }),
    );
  }
}

const CUT_OFF = Uint8Array.of(...PASSWORD, ...argsFields("k=v"), ...REQUEST);

permitted(
  ["net"],
  "listenSocks() forgets clients that leave at any point of the handshake",
  () =>
    listening(async (client, socks) => {
      for (let length = 0; length < CUT_OFF.length; length++) {
        using leaving = await socks.connect();
        await leaving.write(CUT_OFF.subarray(0, length));
        await leaving.closeWrite();
        await readToEnd(leaving);
        using resetting = await connectResettable(socks.port);
        if (length > 0) await resetting.write(CUT_OFF.subarray(0, length));
        resetting.reset();
      }
      await client.write(CUT_OFF);
      const request = await socks.request();
      (await request.grant()).close();
    }),
);

const REJECTIONS: readonly [what: string, reason: unknown, code: number][] = [
  ["a code", 4, 4],
  ["the code that would grant", 0, 1],
  ["a refused connection", new DialError("no", { cause: new Deno.errors.ConnectionRefused() }), 5],
  ["a time-out", new DOMException("late", "TimeoutError"), 6],
  ["an error of the transport", new Error("no secret"), 1],
];

for (const [what, reason, code] of REJECTIONS) {
  permitted(
    ["net"],
    `reject() answers ${code} to ${what}, whole, over unread bytes`,
    () =>
      listening(async (client, socks) => {
        await client.write(Uint8Array.of(...NO_AUTH, ...REQUEST, ...new Uint8Array(60_000)));
        const request = await socks.request();
        const rejected = request.reject(reason);
        assertEquals([...await readToEnd(client)], [5, 0, ...reply(code)]);
        await client.closeWrite();
        await rejected;
      }),
  );
}

permitted(
  ["net"],
  "reject() ends the connection 10 s later when the client does not",
  () =>
    listening(async (client, socks) => {
      await client.write(Uint8Array.of(...NO_AUTH, ...REQUEST));
      const request = await socks.request();
      using timers = new FakeTimers();
      const rejected = request.reject(4);
      assertEquals([...await readToEnd(client)], [5, 0, ...reply(4)]);
      await timers.fire(10_000);
      await rejected;
    }),
);

permitted(
  ["net"],
  "reject() ends the connection of a client that does not stop sending",
  () =>
    listening(async (client, socks) => {
      await client.write(Uint8Array.of(...NO_AUTH, ...REQUEST));
      const request = await socks.request();
      using _neverLate = new FakeTimers();
      const rejected = request.reject(4);
      const chunk = new Uint8Array(64 * 1024);
      const error = await (async () => {
        for (;;) await client.write(chunk);
      })().catch((error) => error);
      assert(
        error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe,
      );
      await rejected;
    }),
);

permitted(
  ["net"],
  "reject() answers once, and never behind grant()",
  () =>
    listening(async (client, socks) => {
      await client.write(Uint8Array.of(...NO_AUTH, ...REQUEST));
      const request = await socks.request();
      const conn = await request.grant();
      await request.reject(5);
      await conn.write(bytes("open"));
      conn.close();
      assertEquals([...await readToEnd(client)], [5, 0, ...reply(0), ...bytes("open")]);
      using next = await socks.connect();
      await next.write(Uint8Array.of(...NO_AUTH, ...REQUEST));
      const second = await socks.request();
      const rejections = Promise.all([second.reject(5), second.reject(6)]);
      assertEquals([...await readToEnd(next)], [5, 0, ...reply(5)]);
      await next.closeWrite();
      await rejections;
    }),
);

permitted(["net"], "listenSocks() ends the requests that nobody has taken", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests = listenSocks({ listener })[Symbol.asyncIterator]();
  const first = requests.next();
  const clients: Deno.TcpConn[] = [];
  for (let count = 0; count < 3; count++) {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    await client.write(Uint8Array.of(...NO_AUTH, ...REQUEST));
    assertEquals(await take(client, 2), Uint8Array.of(5, 0));
    clients.push(client);
  }
  const { value } = await first;
  await requests.return?.();
  for (const client of clients.slice(1)) await readToEnd(client).catch(() => {});
  clients.forEach((client) => client.close());
  value?.conn.close();
});

permitted(["net"], "grant() and reject() do not throw when the client has gone", async () => {
  for (const answer of ["grant", "reject"] as const) {
    await listening(async (_client, socks) => {
      using resetting = await connectResettable(socks.port);
      await resetting.write(Uint8Array.of(...NO_AUTH, ...REQUEST));
      const request = await socks.request();
      resetting.reset();
      if (answer === "reject") return await request.reject(5);
      using conn = await request.grant();
      const error = await conn.read(new Uint8Array(1)).catch((error) => error);
      assertInstanceOf(error, Error);
    });
  }
});

permitted(
  ["net"],
  "listenSocks() stops listening when the signal aborts; granted ones stay",
  async () => {
    const stop = new AbortController();
    using listener = listenSocks({ signal: stop.signal });
    const [hostname, port] = listener.address;
    using client = await Deno.connect({ hostname, port });
    await client.write(Uint8Array.of(...NO_AUTH, ...REQUEST));
    const requests = listener[Symbol.asyncIterator]();
    const { value } = await requests.next();
    using conn = await value!.grant();
    stop.abort();
    assert((await requests.next()).done);
    await untilRefused(port);
    await take(client, 12);
    await conn.write(bytes("open"));
    assertEquals(await takeText(client, 4), "open");
  },
);

permitted(
  ["net"],
  "listenSocks() stops listening when it is disposed of without being used",
  async () => {
    const listener = listenSocks();
    listener[Symbol.dispose]();
    await untilRefused(listener.address[1]);
  },
);

/** A request of a user who offers no authentication, and sends `early` behind it. */
async function requested(
  early: Uint8Array,
): Promise<{ user: ResettableConn; request: SocksRequest }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests = listenSocks({ listener })[Symbol.asyncIterator]();
  const user = await connectResettable(listener.addr.port);
  await writeAll(user, Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 7, 1, 187, ...early));
  const { value } = await requests.next();
  if (value === undefined) throw new Error("there is no request");
  await readFull(user, new Uint8Array(2));
  return { user, request: value };
}

permitted(["net"], "a SOCKS request aborts userGone when its user hangs up or resets", async () => {
  for (const leave of ["close", "reset"] as const) {
    const { user, request } = await requested(new Uint8Array());
    const { userGone } = request;
    const gone = new Promise((resolve) => userGone.addEventListener("abort", resolve));
    assert(!userGone.aborted);
    user[leave]();
    await gone;
    assertInstanceOf(userGone.reason, Error);
    if (leave === "close") assertEquals(userGone.reason.message, "The user has gone");
    await request.reject(userGone.reason);
  }
});

permitted(
  ["net"],
  "a SOCKS request notices a user who has sent early and then resets",
  async () => {
    const { user, request } = await requested(bytes("early"));
    const gone = new Promise((resolve) => request.userGone.addEventListener("abort", resolve));
    user.reset();
    await gone;
    await request.reject(1);
  },
);

permitted(
  ["net"],
  "a SOCKS request whose user is watched loses no early byte, and no end",
  async () => {
    for (const length of [0, 1, 5, 2_048, 5_000, 100_000]) {
      const early = new Uint8Array(length).map((_, i) => i * 7);
      const { user, request } = await requested(early.slice(0, 3));
      assert(!request.userGone.aborted);
      const sent = writeAll(user, early.slice(3)).then(async () => {
        if (length > 0) await user.closeWrite();
      });
      using conn = await request.grant();
      assertEquals(
        await readFull(user, new Uint8Array(10)),
        Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0),
      );
      const got = new Uint8Array(length);
      for (let offset = 0; offset < length;) {
        offset += await conn.read(got.subarray(offset, offset + 1 + offset % 997)) ?? NaN;
      }
      assertEquals(got, early);
      await sent;
      if (length === 0) await writeAll(user, bytes("later")).then(() => user.closeWrite());
      assertEquals(await readToEnd(conn), length === 0 ? bytes("later") : bytes(""));
      assert(!request.userGone.aborted);
      await conn.write(bytes("answer"));
      assertEquals(await takeText(user, 6), "answer");
      user.close();
    }
  },
);

permitted(
  ["net"],
  "a SOCKS request gives what was sent early without waiting for more",
  async () => {
    const { user, request } = await requested(bytes("early"));
    assert(!request.userGone.aborted);
    // The reply is behind the early bytes, and they have been read with it.
    using conn = await request.grant();
    assertEquals(await takeText(conn, 5), "early");
    await user.closeWrite();
    assertEquals(await readToEnd(conn), bytes(""));
    assert(!request.userGone.aborted);
    user.close();
  },
);

permitted(["net"], "a SOCKS request lets a user end its stream behind the answer", async () => {
  const { user, request } = await requested(bytes(""));
  const { userGone } = request;
  using conn = await request.grant();
  await user.closeWrite();
  assertEquals(await readToEnd(conn), bytes(""));
  assert(!userGone.aborted);
  user.close();
});

permitted(["net"], "a SOCKS request lets a user end its stream that has sent early", async () => {
  const { user, request } = await requested(bytes("early"));
  const { userGone } = request;
  await user.closeWrite();
  // So that the end, too, comes before the answer, as a rule.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve));
  using conn = await request.grant();
  assertEquals(await readToEnd(conn), bytes("early"));
  assert(!userGone.aborted);
  user.close();
});

permitted(["net"], "a SOCKS request reads no more than 16 KiB before it is answered", async () => {
  const { user, request } = await requested(new Uint8Array());
  assert(!request.userGone.aborted);
  let written = 0;
  const writing = (async () => {
    for (;;) written += await user.write(new Uint8Array(64 * 1024));
  })().catch(() => {});
  // What the kernel's buffers take is well below: the writer stalls.
  for (let before = -1; before < written;) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertLess(written, 16 * 1024 * 1024);
  user.close();
  await writing;
  await request.reject(1);
});

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Address } from "../address.ts";
import { transport as sealed } from "../examples/frames.ts";
import {
  closeQuietly,
  Deadline,
  DialError,
  handshake,
  readFull,
  type StreamConn,
  writeAll,
} from "../net/mod.ts";
import { SocksReplyError } from "../net/proxy.ts";
import {
  type ClientMethod,
  dialTransport,
  LaunchError,
  type ServerMethod,
  type TransportProcess,
} from "../parent/mod.ts";
import { connectThrough, type ServerContext } from "../run/run.ts";
import { checkCarries, launchPair, type Pair, withDirectory } from "./example_pair.ts";
import { bytes, take, takeText } from "./net/scripted_peer.ts";
import { readToEnd, tcpPair } from "../testing/mod.ts";
import { permitted } from "./permitted.ts";

const FRAMES = { client: "frames.ts", server: "frames.ts", transport: "sealed" };
const KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER_KEY = KEY.replace("00", "01");
const KEYS: [string, string][] = [["key", KEY]];

/** Where the client may connect to beside the bridge. */
const ELSEWHERE = "127.0.0.3";

/** A test with the example on both sides; the bridge has a key. */
function withPair(name: string, use: (pair: Pair, bridge: Address) => Promise<void>): void {
  permitted(["net", "read", "write", "run"], name, () =>
    withDirectory(async (directory) => {
      const options = { ...FRAMES, options: KEYS, elsewhere: ELSEWHERE, directory };
      await using pair = await launchPair(options);
      await use(pair, pair.server.methods["sealed"]!.address);
    }));
}

/** Makes other bytes of those that pass. */
type Change = (bytes: Uint8Array) => Uint8Array;

/** Somebody between client and bridge, who notes what passes, and can change it or cut it off. */
class Middle implements Disposable {
  readonly address: Address;
  readonly seen = { up: [] as number[], down: [] as number[] };
  /** What becomes of the next bytes each way. */
  readonly change: { up?: Change; down?: Change } = {};
  readonly #piece: number;
  readonly #listener = Deno.listen({ hostname: ELSEWHERE, port: 0 });
  readonly #conns: Deno.TcpConn[] = [];

  constructor(bridge: Address, piece = 64 * 1024) {
    this.address = [this.#listener.addr.hostname, this.#listener.addr.port];
    this.#piece = piece;
    this.#serve(bridge).catch(() => this[Symbol.dispose]()); // Its end interrupts what waits.
  }

  async #serve([hostname, port]: Address): Promise<void> {
    const client = await this.#listener.accept();
    const bridge = await Deno.connect({ hostname, port });
    this.#conns.push(client, bridge);
    await Promise.all([this.#pass(client, bridge, "up"), this.#pass(bridge, client, "down")]);
  }

  async #pass(from: Deno.Conn, to: Deno.Conn, way: "up" | "down"): Promise<void> {
    const buffer = new Uint8Array(this.#piece);
    for (let count; (count = await from.read(buffer)) !== null;) {
      const read = buffer.slice(0, count);
      this.seen[way].push(...read);
      const change = this.change[way] ?? ((bytes) => bytes);
      delete this.change[way];
      await writeAll(to, change(read));
    }
    await to.closeWrite();
  }

  /** Ends the stream to one side, as a censor can. */
  async cut(way: "up" | "down"): Promise<void> {
    await this.#conns[way === "up" ? 1 : 0]!.closeWrite();
  }

  [Symbol.dispose](): void {
    [this.#listener, ...this.#conns].forEach(closeQuietly);
  }
}

/** The ends of a connection through client, `via` and bridge. */
async function connect({ client, arrival }: Pair, via: Address) {
  const arriving = arrival();
  const user = await dialTransport(client.methods["sealed"]!, via, KEYS);
  const { conn: service, transport } = await arriving;
  assertEquals(transport, "sealed");
  return { user, service, [Symbol.dispose]: () => [user, service].forEach(closeQuietly) };
}

/** Checks that the next connection which tor hears of is one that works. */
async function checkNext(pair: Pair, bridge: Address): Promise<void> {
  using ends = await connect(pair, bridge);
  await writeAll(ends.user, bytes("the next"));
  assertEquals(await takeText(ends.service, 8), "the next");
}

/** How a client fails that has these arguments: the SOCKS reply. */
async function refusal({ client }: Pair, bridge: Address, args: [string, string][]) {
  const dialled = dialTransport(client.methods["sealed"]!, bridge, args);
  const { cause } = await assertRejects(() => dialled, DialError);
  assert(cause instanceof SocksReplyError);
  return cause.code;
}

/** The next message that a program logs. */
async function logged(
  { messages }: TransportProcess<ClientMethod | ServerMethod>,
): Promise<string> {
  const reader = messages.getReader();
  try {
    const { value } = await reader.read();
    return value?.kind === "log" ? `${value.severity}: ${value.message}` : "";
  } finally {
    reader.releaseLock();
  }
}

/** What comes until the connection ends, in whatever way; that must not take long. */
async function untilEnd(conn: Deno.Conn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(1024);
  using deadline = new Deadline(10_000, "The end of a connection");
  try {
    await handshake(conn, deadline.signal, async () => {
      for (let count; (count = await conn.read(buffer)) !== null;) {
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
    });
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return text;
}

/** The frames in what has passed. */
function framesOf(stream: readonly number[]): number[][] {
  const frames: number[][] = [];
  for (let at = 0; at < stream.length;) {
    const end = at + 2 + (stream[at]! << 8 | stream[at + 1]!);
    assert(end <= stream.length, "it stops in the middle of a frame");
    frames.push(stream.slice(at + 2, end));
    at = end;
  }
  return frames;
}

withPair("frames.ts carries bytes with the permissions it names", async (pair, bridge) => {
  using ends = await connect(pair, bridge);
  await checkCarries(ends.user, ends.service);
});

const PLAIN = bytes("These words are the same each time. ".repeat(30));

withPair(
  "frames.ts encrypts both ways, in any pieces, and differently each time",
  async (pair, bridge) => {
    const seen: number[][][] = [];
    for (let i = 0; i < 2; i++) {
      using middle = new Middle(bridge, 13);
      using ends = await connect(pair, middle.address);
      const { user, service } = ends;
      await Promise.all([writeAll(user, PLAIN.slice()), writeAll(service, PLAIN.slice())]);
      assertEquals(await readFull(service, new Uint8Array(PLAIN.length)), PLAIN);
      assertEquals(await readFull(user, new Uint8Array(PLAIN.length)), PLAIN);
      seen.push(framesOf(middle.seen.up), framesOf(middle.seen.down));
    }
    for (const frames of seen) {
      assert(!String.fromCharCode(...frames.flat()).includes("words"));
      assertEquals(frames[0]?.length, 32);
    }
    // The nonce, and the beginnings of the greeting and of the words.
    for (const index of [0, 1, 2]) {
      const beginnings = seen.map((frames) => frames[index]?.slice(0, 20).join());
      assertEquals(new Set(beginnings).size, 4);
    }
  },
);

withPair("frames.ts makes messages of one length differ in theirs", async (pair, bridge) => {
  using middle = new Middle(bridge);
  using ends = await connect(pair, middle.address);
  for (let i = 0; i < 30; i++) {
    await writeAll(ends.user, Uint8Array.of(i));
    await writeAll(ends.service, await take(ends.service, 1));
    assertEquals(await take(ends.user, 1), Uint8Array.of(i));
  }
  for (const stream of [middle.seen.up, middle.seen.down]) {
    const lengths = framesOf(stream).slice(2).map(({ length }) => length);
    assertEquals(lengths.length, 30);
    assert(new Set(lengths).size > 5, lengths.join());
    // A length, the byte, the tag, and from no padding to 255.
    for (const length of lengths) assert(length >= 19 && length <= 19 + 255, lengths.join());
  }
});

withPair(
  "frames.ts turns away who has another key, at both ends and before tor hears of it",
  async (pair, bridge) => {
    assertEquals(await refusal(pair, bridge, [["key", OTHER_KEY]]), 2);
    const words = "sealed: no connection: The other end does not know the key";
    assertEquals(await logged(pair.client), `notice: ${words}`);
    assertEquals(await logged(pair.server), `info: ${words}`);
    await checkNext(pair, bridge);
  },
);

const NONCE = Uint8Array.of(0, 32, ...new Uint8Array(32));

const PROBES: readonly [what: string, bytes: Uint8Array][] = [
  ["the key", Uint8Array.of(...NONCE, 0, 40, ...new Uint8Array(40))],
  ["the key, and says nothing more", Uint8Array.of(...NONCE, 0, 0)],
  ["the protocol", bytes("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")],
  ["how long a nonce is", Uint8Array.of(0, 31, ...new Uint8Array(31))],
  ["when to stop", Uint8Array.of(...NONCE, 0x40, 1, ...new Uint8Array(0x4001))],
];

withPair("frames.ts turns away who probes it, before tor hears of it", async (pair, bridge) => {
  const [hostname, port] = bridge;
  for (const [what, probe] of PROBES) {
    using prober = await Deno.connect({ hostname, port });
    await writeAll(prober, probe);
    await untilEnd(prober);
    assertStringIncludes(await logged(pair.server), "info: sealed: no connection: ", what);
  }
  await checkNext(pair, bridge);
});

/** Bridges that do not know the key. */
const IMPOSTORS: readonly ((conn: Deno.TcpConn) => Promise<void>)[] = [
  async (conn) => await writeAll(conn, Uint8Array.of(...NONCE, 0, 40, ...new Uint8Array(40))),
  async (conn) => {
    // What the client says itself, as if it were an answer.
    for (let i = 0; i < 2; i++) {
      const header = await take(conn, 2);
      const body = await take(conn, header[0]! << 8 | header[1]!);
      await writeAll(conn, Uint8Array.of(...header, ...body));
    }
  },
];

withPair("frames.ts says nothing to a bridge that does not know the key", async (pair) => {
  using impostor = Deno.listen({ hostname: ELSEWHERE, port: 0 });
  for (const answer of IMPOSTORS) {
    const refused = refusal(pair, [ELSEWHERE, impostor.addr.port], KEYS);
    using conn = await Promise.race([impostor.accept(), refused.then(() => null)]);
    assert(conn !== null, "the client did not come");
    await answer(conn);
    assertEquals(await refused, 2);
    // No more than the nonce and the greeting.
    assert((await readToEnd(conn)).length <= 34 + 2 + 2 + 5 + 255 + 16);
  }
});

const WORDS = "not to be changed";

const CHANGES: readonly [what: string, change: Change, arrives: string][] = [
  ["a bit of the tag", (all) => all.with(-1, all.at(-1)! ^ 1), ""],
  ["a bit of the words", (all) => all.with(5, all[5]! ^ 0x10), ""],
  ["a length", (all) => all.with(0, 0x80), ""],
  ["the count of a message", (all) => Uint8Array.of(...all, ...all), WORDS],
];

for (const way of ["up", "down"] as const) {
  withPair(
    `frames.ts ends a connection on which somebody changes something, ${way}`,
    async (pair, bridge) => {
      for (const [what, change, arrives] of CHANGES) {
        using middle = new Middle(bridge);
        using ends = await connect(pair, middle.address);
        const { user, service } = ends;
        const [from, to] = way === "up" ? [user, service] : [service, user];
        // The handshake is over.
        await writeAll(from, bytes("first"));
        assertEquals(await takeText(to, 5), "first");
        middle.change[way] = change;
        await writeAll(from, bytes(WORDS));
        assertEquals(await Promise.all([untilEnd(to), untilEnd(from)]), [arrives, ""], what);
      }
    },
  );

  withPair(
    `frames.ts takes no cut for the end of a stream, ${way}`,
    async (pair, bridge) => {
      using middle = new Middle(bridge);
      using ends = await connect(pair, middle.address);
      const { user, service } = ends;
      const [from, to] = way === "up" ? [user, service] : [service, user];
      await writeAll(from, bytes("first"));
      assertEquals(await takeText(to, 5), "first");
      await middle.cut(way);
      assertEquals(await untilEnd(to), "");
      // Behind a clean end this would arrive.
      await writeAll(to, bytes("still there?")).catch(() => {});
      assertEquals(await untilEnd(from), "");
    },
  );
}

/** Both halves in this process, with a way for what the client sends to be changed. */
async function inProcess(change: (piece: Uint8Array) => void) {
  const { client: near, server: far } = await tcpPair();
  const changed: StreamConn = {
    async read(p) {
      const count = await far.read(p);
      if (count !== null) change(p.subarray(0, count));
      return count;
    },
    write: (p) => far.write(p),
    closeWrite: () => far.closeWrite(),
    close: () => far.close(),
  };
  const context = { options: new URLSearchParams(KEYS) } as ServerContext;
  const [client, server] = await Promise.all([
    connectThrough(sealed, ["192.0.2.7", 443], { args: KEYS, dial: () => Promise.resolve(near) }),
    sealed.server!(changed, context) as Promise<StreamConn>,
  ]);
  const close = () => [client, server].forEach(closeQuietly);
  return { near, far, client, server, [Symbol.dispose]: close };
}

permitted(["net"], "frames.ts reads a clean end where the other side has said so", async () => {
  using ends = await inProcess(() => {});
  const { client, server } = ends;
  await writeAll(client, bytes("last words"));
  await client.closeWrite();
  assertEquals(await readToEnd(server), bytes("last words"));
  // It is the end of the stream below, too.
  assertEquals(await untilEnd(ends.far), "");
  await writeAll(server, bytes("answer"));
  await server.closeWrite();
  assertEquals(await readToEnd(client), bytes("answer"));
});

permitted(["net"], "frames.ts throws where the stream ends without that", async () => {
  for (const last of [Uint8Array.of(), Uint8Array.of(0), Uint8Array.of(0, 30, 1, 2, 3)]) {
    using ends = await inProcess(() => {});
    await writeAll(ends.client, bytes("words"));
    await writeAll(ends.near, last);
    await ends.near.closeWrite();
    assertEquals(await takeText(ends.server, 5), "words");
    await assertRejects(() => ends.server.read(new Uint8Array(9)), Deno.errors.UnexpectedEof);
  }
});

permitted(["net"], "frames.ts throws where a message was changed", async () => {
  let flipping = false;
  using ends = await inProcess((piece) => {
    // Lengths pass.
    if (flipping && piece.length > 2) piece[0]! ^= 1;
  });
  await writeAll(ends.client, bytes("words"));
  assertEquals(await takeText(ends.server, 5), "words");
  flipping = true;
  await writeAll(ends.client, bytes("words"));
  await assertRejects(() => ends.server.read(new Uint8Array(9)), Deno.errors.PermissionDenied);
});

const NO_KEYS: readonly [string, string][][] = [
  [],
  [["key", ""]],
  [["key", KEY.slice(1)]],
  [["key", `${KEY}0`]],
  [["key", KEY.replace("f", "g")]],
  [["secret", KEY]],
];

permitted(
  ["net", "read", "write", "run"],
  "frames.ts starts no bridge without a key, and says why without showing what stands there",
  () =>
    withDirectory(async (directory) => {
      await Promise.all(NO_KEYS.map(async (options) => {
        const launched = launchPair({ ...FRAMES, options, directory });
        const error = await assertRejects(() => launched, LaunchError);
        assertEquals(error.reason, "no-method");
        assertStringIncludes(error.message, "sealed: There is no key=... of 64 hexadecimal digits");
        assert(!error.message.includes(KEY.slice(8, 16)), error.message);
      }));
    }),
);

withPair(
  "frames.ts fails as a client without a key, and says why; the bridge does not publish its own",
  async (pair, bridge) => {
    assertEquals([...pair.server.methods["sealed"]!.args], []);
    for (const args of NO_KEYS) {
      assertEquals(await refusal(pair, bridge, args), 1);
      assertEquals(
        await logged(pair.client),
        "notice: sealed: no connection: There is no key=... of 64 hexadecimal digits",
      );
    }
    await checkNext(pair, bridge);
  },
);

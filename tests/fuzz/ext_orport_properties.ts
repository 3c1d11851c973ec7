/** The Extended ORPort, both sides (`net/ext_orport.ts`, `parent/ext_orport_listener.ts`). */

import { createHmac } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { type Address, bytesToIp, formatAddress, ipToBytes, parseAddress } from "../../address.ts";
import { isTransportName } from "../../grammar.ts";
import { dialOr, ExtOrPortError } from "../../net/ext_orport.ts";
import {
  type ExtOrPortClient,
  type ExtOrPortOptions,
  listenExtOrPort,
} from "../../parent/ext_orport_listener.ts";
import { DENY, OKAY, reply } from "../net/scripted_ext_orport.ts";
import {
  address,
  addressText,
  bytesOf,
  edited,
  editedBytes,
  ip,
  port,
  rarely,
  text,
  transportName,
} from "./arbitraries.ts";
import {
  type Arrival,
  arrival,
  DRIBBLE,
  type End,
  end,
  everyArrival,
  MemoryConn,
  MemoryListener,
  replace,
  WHOLE,
  withoutDeadlines,
} from "./memory_conn.ts";
import { attempt, forAllAsync, type NamedProperty } from "./property.ts";

/** What our side takes for random: nonces, and the cookie of the listener. */
const RANDOM = new Uint8Array(32).fill(0x72);
const COOKIE = new Uint8Array(32).fill(0x63);
const COOKIE_FILE = [...bytesOf("! Extended ORPort Auth Cookie !\n"), ...COOKIE];

/** Makes all randomness the same, so that what the peer says can be made beforehand. */
function withoutRandomness(): Disposable {
  return replace(crypto, {
    getRandomValues: (into: Uint8Array) => {
      into.set(RANDOM.subarray(0, into.length));
      return into;
    },
  });
}

function hash(
  cookie: Uint8Array,
  direction: "server-to-client" | "client-to-server",
  clientNonce: Uint8Array,
  serverNonce: Uint8Array,
): number[] {
  const hmac = createHmac("sha256", cookie);
  hmac.update(`ExtORPort authentication ${direction} hash`);
  return [...hmac.update(clientNonce).update(serverNonce).digest()];
}

/** The bytes that a peer sent, and whether they suffice. */
class Input {
  consumed = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.consumed, this.consumed + length);
    this.consumed += taken.length;
    if (taken.length < length) throw new Failed();
    return taken;
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  message(): [code: number, body: Uint8Array] {
    const [a = 0, b = 0, c = 0, d = 0] = this.take(4);
    return [a << 8 | b, this.take(c << 8 | d)];
  }
}

/** The handshake has failed. */
class Failed extends Error {}

/** What anybody can see of a handshake. */
interface Seen {
  /** What came of it; null where it failed. */
  result: unknown;
  written: number[];
  consumed: number;
}

/** Plays a handshake on bytes that are all there. */
function reference(bytes: Uint8Array, steps: (input: Input, written: number[]) => unknown): Seen {
  const input = new Input(bytes);
  const written: number[] = [];
  let result: unknown = null;
  try {
    result = steps(input, written);
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
  }
  return { result, written, consumed: input.consumed };
}

/** Our side of the way to tor as PROTOCOL.md says in its section 5, once more. */
function referenceDial(bytes: Uint8Array, commands: readonly number[]): Seen {
  return reference(bytes, (input, written) => {
    const types = new Set<number>();
    for (let count = 0, type; (type = input.byte()) !== 0; count++) {
      if (count === 256) throw new Failed();
      types.add(type);
    }
    written.push(types.has(1) ? 1 : 0);
    if (!types.has(1)) throw new Failed();
    written.push(...RANDOM);
    const serverHash = input.take(32);
    const serverNonce = input.take(32);
    const right = hash(COOKIE, "server-to-client", RANDOM, serverNonce);
    if (right.join() !== serverHash.join()) throw new Failed();
    written.push(...hash(COOKIE, "client-to-server", RANDOM, serverNonce));
    if (input.byte() !== 1) throw new Failed();
    written.push(...commands);
    for (let skipped = 0; skipped < 64; skipped++) {
      const [code] = input.message();
      if (code === OKAY) return "connected";
      if (code === DENY) throw new Failed();
    }
    throw new Failed();
  });
}

const message = fc.tuple(
  fc.oneof(fc.constantFrom(0, 1, 2, 0x1000, 0x1001, 0x1002), fc.nat(65535)),
  fc.string({ maxLength: 20 }),
).map(([code, body]) => reply(code, body));

/** Messages that say nothing to anybody, now and then too many of them. */
const skipped = fc.oneof(
  {
    arbitrary: fc.array(fc.constantFrom(reply(0x1002, "x"), reply(0x4321)), { maxLength: 2 }),
    weight: 20,
  },
  {
    arbitrary: fc.integer({ min: 60, max: 66 }).map((count) =>
      Array.from({ length: count }, () => reply(0x2000))
    ),
    weight: 1,
  },
).map((messages) => messages.flat());

const nonce = fc.uint8Array({ minLength: 32, maxLength: 32 });
const payload = fc.array(fc.nat(255), { maxLength: 12 });

/** What tor sends, right or nearly so. */
const torBytes = editedBytes(
  fc.tuple(
    fc.oneof(
      { arbitrary: fc.constant([1]), weight: 8 },
      { arbitrary: fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 5 }), weight: 2 },
      { arbitrary: fc.constantFrom(255, 256, 257).map((n) => Array<number>(n).fill(1)), weight: 1 },
    ),
    nonce,
    fc.constantFrom(1, 1, 1, 1, 1, 1, 0, 2),
    skipped,
    fc.oneof({ arbitrary: fc.constant(reply(OKAY)), weight: 5 }, message),
    payload,
  ).map(([types, nonce, status, skipped, decision, payload]) => [
    ...types,
    0,
    ...hash(COOKIE, "server-to-client", RANDOM, nonce),
    ...nonce,
    status,
    ...skipped,
    ...decision,
    ...payload,
  ]),
);

/** What `dialOr()` is told of the client. */
const clientAddress: fc.Arbitrary<Address | undefined> = fc.option(
  fc.tuple(
    fc.oneof(
      { arbitrary: ip, weight: 6 },
      { arbitrary: ip.map((ip) => `${ip}%eth0`), weight: 1 },
      { arbitrary: text, weight: 1 },
    ),
    fc.oneof({ arbitrary: port, weight: 9 }, fc.constantFrom(0, -1, 65536, 1.5)),
  ),
  { nil: undefined },
);

/** The commands that introduce a client; null where it has no address that tor can parse. */
function commandsFor(transport: string, client: Address | undefined): number[] | null {
  const commands = [...reply(2, transport), ...reply(0)];
  if (client === undefined) return commands;
  const bytes = ipToBytes(client[0].split("%")[0] ?? "");
  if (bytes === null || !Number.isInteger(client[1]) || client[1] < 0 || client[1] > 65535) {
    return null;
  }
  const mapped = bytesToIp(bytes).startsWith("::ffff:") && bytesToIp(bytes).split(":").length === 5;
  const host = bytesToIp(mapped ? bytes.slice(12) : bytes);
  return [...reply(1, formatAddress([host, client[1]])), ...commands];
}

/** Goes to an Extended ORPort that says these bytes. */
async function introduce(
  conn: MemoryConn,
  cookieFile: readonly number[],
  transport: string,
  clientAddress: Address | undefined,
): Promise<{ error: Error | null; connected: boolean }> {
  let connected = false;
  using _fixed = withoutRandomness();
  using _timers = withoutDeadlines();
  using _deno = replace(Deno, {
    readFile: () => Promise.resolve(Uint8Array.from(cookieFile)),
    connect: () => {
      connected = true;
      return Promise.resolve(conn);
    },
  });
  const info = {
    orport: null,
    ext_orport: ["127.0.0.1", 1],
    auth_cookie_file: "/cookie",
  } satisfies Parameters<typeof dialOr>[0];
  try {
    assertEquals(await dialOr(info, { transport, clientAddress }) as unknown, conn);
    return { error: null, connected };
  } catch (error) {
    assert(error instanceof ExtOrPortError || error instanceof TypeError, String(error));
    return { error, connected };
  }
}

async function seenByTor(
  bytes: Uint8Array,
  sizes: Arrival,
  end: End,
  transport: string,
  clientAddress: Address | undefined,
): Promise<Seen> {
  const conn = new MemoryConn(bytes, sizes, end);
  const { error } = await introduce(conn, COOKIE_FILE, transport, clientAddress);
  assertEquals(conn.closed, error !== null);
  const { written, consumed } = conn;
  return { result: error === null ? "connected" : null, written, consumed };
}

/** The parent's side, once more. */
function referenceListener(bytes: Uint8Array, welcome: boolean): Seen {
  return reference(bytes, (input, written) => {
    written.push(1, 0);
    if (input.byte() !== 1) throw new Failed();
    const clientNonce = input.take(32);
    written.push(...hash(RANDOM, "server-to-client", clientNonce, RANDOM), ...RANDOM);
    const right = hash(RANDOM, "client-to-server", clientNonce, RANDOM);
    const known = right.join() === input.take(32).join();
    written.push(known ? 1 : 0);
    if (!known) throw new Failed();
    const client: ExtOrPortClient = { clientAddress: null, transport: null };
    for (let count = 0; count < 64; count++) {
      const [code, body] = input.message();
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(body);
      if (code === 1) {
        client.clientAddress = attempt(() => parseAddress(text), SyntaxError);
        if (client.clientAddress === null) throw new Failed();
      }
      if (code === 2) {
        client.transport = text;
        if (!isTransportName(text)) throw new Failed();
      }
      if (code !== 0) continue;
      written.push(...reply(welcome ? OKAY : DENY));
      if (!welcome) throw new Failed();
      return client;
    }
    throw new Failed();
  });
}

/** Texts, now and then behind a byte order mark. */
const marked = (texts: fc.Arbitrary<string>) =>
  fc.tuple(rarely(fc.constant("\ufeff"), 20), texts).map(([mark, text]) => (mark ?? "") + text);

/** What a transport's server sends, right or nearly so. */
const serverBytes = editedBytes(
  fc.tuple(
    fc.constantFrom(1, 1, 1, 1, 1, 1, 0, 2),
    nonce,
    rarely(
      marked(fc.oneof(addressText, address.map(formatAddress))).map((text) => reply(1, text)),
      3,
    ),
    rarely(marked(fc.oneof(transportName, edited(transportName))).map((name) => reply(2, name)), 3),
    skipped,
    rarely(message, 5),
    payload,
  ).map(([type, nonce, userAddress, transport, skipped, message, payload]) => [
    type,
    ...nonce,
    ...hash(RANDOM, "client-to-server", nonce, RANDOM),
    ...userAddress ?? reply(1, "203.0.113.7:5678"),
    ...skipped,
    ...transport ?? reply(2, "obfs4"),
    ...message ?? [],
    ...reply(0),
    ...payload,
  ]),
);

const authorize: fc.Arbitrary<[welcome: boolean, authorize: ExtOrPortOptions["authorize"]]> = fc
  .constantFrom(
    [true, undefined],
    [true, () => true],
    [true, () => Promise.resolve(true)],
    [false, () => false],
    [false, () => Promise.reject(new Error("It cannot be decided"))],
    [false, () => {
      throw new Error("It cannot be decided");
    }],
  );

/** Brings a server's bytes to a listener. */
async function seenByServer(
  bytes: Uint8Array,
  sizes: Arrival,
  end: End,
  authorize: ExtOrPortOptions["authorize"],
): Promise<Seen> {
  const conn = new MemoryConn(bytes, sizes, end);
  const removed: unknown[] = [];
  let cookieFile: number[] = [];
  using _fixed = withoutRandomness();
  using _timers = withoutDeadlines();
  using _deno = replace(Deno, {
    listen: () => new MemoryListener(conn).tcp,
    makeTempDir: () => Promise.resolve("/made"),
    realPath: (path: string) => Promise.resolve(path),
    writeFile: (_path: string, content: Uint8Array) => {
      cookieFile = [...content];
      return Promise.resolve();
    },
    remove: (path: string) => {
      removed.push(path);
      return Promise.resolve();
    },
  });
  const listener = await listenExtOrPort({ authorize });
  assertEquals(cookieFile.slice(32), [...RANDOM]);
  const connections = listener[Symbol.asyncIterator]();
  const next = connections.next();
  const first = await Promise.race([next, conn.whenClosed]);
  await listener.close();
  const { value, done } = first ?? await next;
  assertEquals((await connections.next()).done, true);
  assertEquals(removed, ["/made"]);
  assertEquals(conn.closed, done);
  const { written, consumed } = conn;
  if (done || value === undefined) return { result: null, written, consumed };
  const { clientAddress, transport } = value;
  return { result: { clientAddress, transport }, written, consumed };
}

/** The properties of both sides. */
export const extOrPortProperties: NamedProperty[] = [
  forAllAsync(
    "dialOr() does as PROTOCOL.md says, whatever tor answers and however that arrives",
    fc.tuple(
      fc.oneof({ arbitrary: torBytes, weight: 9 }, fc.uint8Array({ maxLength: 90 })),
      transportName,
      clientAddress,
      arrival,
      end,
    ),
    async ([bytes, transport, client, sizes, end]) => {
      const commands = commandsFor(transport, client);
      if (commands === null) {
        const conn = new MemoryConn(bytes);
        const { error, connected } = await introduce(conn, COOKIE_FILE, transport, client);
        return assertEquals([error instanceof TypeError, connected], [true, false]);
      }
      const expected = referenceDial(bytes, commands);
      for (const arrival of [WHOLE, sizes, DRIBBLE]) {
        assertEquals(await seenByTor(bytes, arrival, end, transport, client), expected);
      }
    },
  ),
  forAllAsync(
    "dialOr() comes to the same for each place to split tor's answer at",
    fc.tuple(torBytes.filter(({ length }) => length < 130), end),
    async ([bytes, end]) => {
      const expected = referenceDial(bytes, commandsFor("obfs4", undefined) ?? []);
      for (const arrival of everyArrival(bytes.length)) {
        assertEquals(await seenByTor(bytes, arrival, end, "obfs4", undefined), expected);
      }
    },
    5,
  ),
  forAllAsync(
    "dialOr() connects to nothing with a cookie file that is none",
    editedBytes(fc.constant(COOKIE_FILE)),
    async (cookieFile) => {
      const conn = new MemoryConn(new Uint8Array());
      const { connected } = await introduce(conn, [...cookieFile], "obfs4", undefined);
      const right = cookieFile.length === 64 &&
        cookieFile.slice(0, 32).join() === COOKIE_FILE.slice(0, 32).join();
      assertEquals(connected, right);
    },
  ),
  forAllAsync(
    "the Extended ORPort's listener does as PROTOCOL.md says, whatever it is told",
    fc.tuple(
      fc.oneof({ arbitrary: serverBytes, weight: 9 }, fc.uint8Array({ maxLength: 90 })),
      authorize,
      arrival,
      end,
    ),
    async ([bytes, [welcome, authorize], sizes, end]) => {
      const expected = referenceListener(bytes, welcome);
      for (const arrival of [WHOLE, sizes, DRIBBLE]) {
        assertEquals(await seenByServer(bytes, arrival, end, authorize), expected);
      }
    },
  ),
  forAllAsync(
    "the Extended ORPort's listener sees the same for each place to split at",
    fc.tuple(serverBytes.filter(({ length }) => length < 130), end),
    async ([bytes, end]) => {
      const expected = referenceListener(bytes, true);
      for (const arrival of everyArrival(bytes.length)) {
        assertEquals(await seenByServer(bytes, arrival, end, undefined), expected);
      }
    },
    5,
  ),
];

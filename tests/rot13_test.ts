/** rot13 as tor runs it: processes with just the permissions of their head comment. */

import { assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { type Address, formatAddress } from "../address.ts";
import { closeQuietly, mapBytes, type StreamConn, writeAll } from "../net/mod.ts";
import { serverEnvironment } from "../parent/child_environment.ts";
import { launchClient, launchServer } from "../parent/mod.ts";
import {
  connectResettable,
  readToEnd,
  type ResettableConn,
  ResettableListener,
} from "../testing/mod.ts";
import {
  authenticate,
  type Commands,
  CONTROL,
  CookieFile,
  DENY,
  offer,
  OKAY,
  receive,
  reply as orPortReply,
} from "./net/scripted_ext_orport.ts";
import { bytes, dribble, take, takeText } from "./net/scripted_peer.ts";
import { argsFields, connectRequest, NO_AUTH, PASSWORD, reply } from "./net/socks_bytes.ts";
import { untilRefused } from "./net/until_refused.ts";
import { permitted } from "./permitted.ts";

const PROGRAM = import.meta.resolve("../examples/rot0r.ts");

/** The command with the permissions that the program's head comment names. */
function rot0r(net: readonly Readonly<Address>[], ...flags: string[]): string[] {
  const granted = `--allow-net=${net.map(formatAddress)}`;
  return [
    Deno.execPath(),
    "run",
    "--no-prompt",
    "--allow-env=TOR_PT_*",
    granted,
    ...flags,
    PROGRAM,
  ];
}

/** A peer of one of the processes, that comes to a listener of ours. */
class Listening implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly address: Address;

  constructor(hostname = "127.0.0.1") {
    this.#listener = Deno.listen({ hostname, port: 0 });
    this.address = [hostname, this.#listener.addr.port];
  }

  async accept(): Promise<Deno.TcpConn> {
    return await this.#listener.accept();
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

/** A port of loopback on which nobody listens. */
function closedAddress(): Address {
  using listening = new Listening();
  return listening.address;
}

/** What a running process is to the tests. */
interface Running {
  /** Where it takes connections. */
  address: Address;
  pid: number;
  /** The next message of its log. */
  logged(): Promise<string>;
  /** Closes its stdin. */
  close(): Promise<unknown>;
  /** Resolves to how it has ended. */
  ended: Promise<{ code: number; signal: Deno.Signal | null }>;
}

/** The processes of a test, and the cookie file that they read. Ends with them. */
class Processes implements AsyncDisposable {
  readonly cookieFile: CookieFile;
  readonly #launched: AsyncDisposableStack;

  private constructor(cookieFile: CookieFile) {
    this.cookieFile = cookieFile;
    this.#launched = new AsyncDisposableStack();
    this.#launched.use(cookieFile);
  }

  static async create(): Promise<Processes> {
    return new Processes(await CookieFile.create());
  }

  #use(launched: Awaited<ReturnType<typeof launchClient | typeof launchServer>>): Running {
    this.#launched.use(launched);
    const messages = launched.messages.values();
    return {
      address: launched.methods["rot13"]!.address,
      pid: launched.pid,
      async logged() {
        const { value } = await messages.next();
        return value?.kind === "log" ? value.message : "";
      },
      close: () => launched.close(),
      ended: launched.exited.then(({ code, signal }) => ({ code, signal })),
    };
  }

  /** Starts a client for one bridge; `prefix` is what starts the command. */
  async client(bridge: Readonly<Address>, prefix: readonly string[] = []): Promise<Running> {
    return this.#use(
      await launchClient([...prefix, ...rot0r([["127.0.0.1", 0], bridge])], {
        transports: ["rot13"],
        stateDirectory: this.cookieFile.directory,
      }),
    );
  }

  /** Starts a server in front of an Extended ORPort. */
  async server(address: Readonly<Address>, host = "127.0.0.1"): Promise<Running> {
    const cookieFile = this.cookieFile.path;
    return this.#use(
      await launchServer(rot0r([[host, 0], address], `--allow-read=${cookieFile}`), {
        transports: { rot13: { bindAddress: [host, 0] } },
        stateDirectory: this.cookieFile.directory,
        extOrPort: { address, cookieFile },
      }),
    );
  }

  /** Starts a server in front of a plain ORPort. */
  async plainServer(orport: Readonly<Address>): Promise<Running> {
    return this.#use(
      await launchServer(rot0r([["127.0.0.1", 0], orport]), {
        transports: { rot13: { bindAddress: ["127.0.0.1", 0] } },
        stateDirectory: this.cookieFile.directory,
        orport,
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#launched.disposeAsync();
  }
}

/** A test of processes. */
function rot13(name: string, use: (processes: Processes) => Promise<void>): void {
  permitted(["net", "read", "write", "run"], `rot13 ${name}`, async () => {
    await using processes = await Processes.create();
    await use(processes);
  });
}

/** A test of a client and a server between a user and an Extended ORPort of ours. */
function rot13Chain(name: string, use: (chain: Chain) => Promise<void>, host?: string): void {
  rot13(name, async (processes) => {
    using orport = new Listening();
    const server = await processes.server(orport.address, host);
    const client = await processes.client(server.address);
    await use(new Chain(client, server, orport, processes.cookieFile));
  });
}

/** A user and tor, connected. */
interface Pair extends Disposable {
  user: ResettableConn;
  tor: Deno.TcpConn;
}

class Chain {
  readonly client: Running;
  readonly server: Running;
  readonly orport: Listening;
  readonly cookieFile: CookieFile;

  constructor(client: Running, server: Running, orport: Listening, cookieFile: CookieFile) {
    this.client = client;
    this.server = server;
    this.orport = orport;
    this.cookieFile = cookieFile;
  }

  /** The request with which a user gets to the server. */
  get request(): number[] {
    return connectRequest(this.server.address);
  }

  /** Comes to the client as a user does. */
  async user(...sent: number[]): Promise<ResettableConn> {
    const user = await connectResettable(this.client.address[1]);
    if (sent.length > 0) await writeAll(user, Uint8Array.from(sent));
    return user;
  }

  /** Takes the next connection as tor does. */
  async tor(): Promise<[conn: Deno.TcpConn, commands: Commands]> {
    const conn = await this.orport.accept();
    const commands = await receive(conn, this.cookieFile.cookie);
    await writeAll(conn, Uint8Array.from(orPortReply(OKAY)));
    return [conn, commands];
  }

  /** A user and tor, connected. */
  async connect(): Promise<Pair> {
    const user = await this.user(...NO_AUTH, ...this.request);
    const [tor] = await this.tor();
    await take(user, 2 + 10);
    return {
      user,
      tor,
      [Symbol.dispose]: () => [user, tor].forEach((conn) => conn[Symbol.dispose]()),
    };
  }
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** What is on the wire for a text, and the other way round. */
function rotate(text: string): string {
  return text.replace(/[a-z]/gi, (letter) => {
    const rotated = ALPHABET[(ALPHABET.indexOf(letter.toUpperCase()) + 13) % 26]!;
    return letter < "a" ? rotated : rotated.toLowerCase();
  });
}

/** The end of the wire between client and server, so that plain text goes in and comes out. */
function rotated(conn: Deno.TcpConn): StreamConn & Disposable {
  const map = (data: Uint8Array) => data.set(bytes(rotate(new TextDecoder().decode(data))));
  const { read, write, closeWrite } = mapBytes(conn, { read: map, write: map });
  const close = () => closeQuietly(conn);
  return { read, write, closeWrite, close, [Symbol.dispose]: close };
}

async function connect({ address: [hostname, port] }: Running): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname, port });
}

/** Sends a text each way and takes it at the other end. */
async function converse(user: StreamConn, tor: StreamConn): Promise<void> {
  await writeAll(user, bytes("Hello, tor!"));
  assertEquals(await takeText(tor, 11), "Hello, tor!");
  await writeAll(tor, bytes("Hello, user!"));
  assertEquals(await takeText(user, 12), "Hello, user!");
}

/** How a stream ended for its reader; whatever was left of it does not matter. */
async function end(conn: StreamConn): Promise<"end" | "reset"> {
  try {
    await readToEnd(conn);
    return "end";
  } catch (error) {
    assertInstanceOf(error, Deno.errors.ConnectionReset);
    return "reset";
  }
}

const CARRIED: readonly [
  what: string,
  before: (request: number[]) => number[],
  answer: number[],
][] = [
  ["a request", (request) => [...NO_AUTH, ...request], [5, 0]],
  ["a request with arguments", (request) => [...PASSWORD, ...argsFields("k=v"), ...request], [
    5,
    2,
    1,
    0,
  ]],
  ["a request with arguments in both fields", (request) => [
    ...PASSWORD,
    ...argsFields(`${"k=".padEnd(254, "v")}\\;${"w".repeat(254)}`),
    ...request,
  ], [5, 2, 1, 0]],
];

for (const [what, before, answer] of CARRIED) {
  for (const sending of ["at once", "byte by byte"]) {
    rot13Chain(`carries ${what}, sent ${sending}`, async (chain) => {
      const all = Uint8Array.of(...before(chain.request), ...bytes("early"));
      using user = await Deno.connect({ hostname: "127.0.0.1", port: chain.client.address[1] });
      await (sending === "at once" ? user.write(all) : dribble(user, all));
      const [conn, commands] = await chain.tor();
      using tor = conn;
      assertEquals([...await take(user, answer.length + 10)], [...answer, ...reply(0)]);
      assertEquals(await takeText(tor, 5), "early");
      await converse(user, tor);
      const [[code, address], ...others] = commands as [Commands[number], ...Commands];
      assertEquals([code, address.replace(/\d+$/, "")], [1, "127.0.0.1:"]);
      assertEquals(others, [[2, "rot13"], [0, ""]]);
    });
  }
}

rot13Chain("carries a connection over IPv6 and tells tor the client's address", async (chain) => {
  using user = await chain.user(...NO_AUTH, ...chain.request);
  const [conn, [userAddress]] = await chain.tor();
  using tor = conn;
  assertEquals([...await take(user, 2 + 10)], [5, 0, ...reply(0)]);
  await converse(user, tor);
  assertEquals(userAddress?.[1].replace(/\d+$/, ""), "[::1]:");
}, "::1");

rot13Chain("refuses malformed arguments and then carries a connection", async (chain) => {
  using user = await chain.user(...PASSWORD, ...argsFields("k"), ...chain.request);
  assertEquals([...await readToEnd(user)], [5, 2, 1, 1]);
  using pair = await chain.connect();
  await converse(pair.user, pair.tor);
});

rot13Chain("carries a connection beside 200 half-open handshakes", async (chain) => {
  const whole = [...PASSWORD, ...argsFields("k=v"), ...chain.request];
  using halfOpen = new DisposableStack();
  for (let i = 0; i < 200; i++) {
    halfOpen.use(await chain.user(...whole.slice(0, i % whole.length)));
  }
  using pair = await chain.connect();
  await converse(pair.user, pair.tor);
});

rot13Chain("carries what comes behind a half-close of the user", async (chain) => {
  using pair = await chain.connect();
  await pair.user.write(bytes("a question"));
  await pair.user.closeWrite();
  assertEquals(new TextDecoder().decode(await readToEnd(pair.tor)), "a question");
  for (const word of ["a ", "long ", "answer"]) {
    await pair.tor.write(bytes(word));
    assertEquals(await takeText(pair.user, word.length), word);
  }
  await pair.tor.closeWrite();
  assertEquals(await end(pair.user), "end");
});

rot13Chain("carries what comes behind a half-close of tor", async (chain) => {
  using pair = await chain.connect();
  await pair.tor.write(bytes("a notice"));
  await pair.tor.closeWrite();
  assertEquals(new TextDecoder().decode(await readToEnd(pair.user)), "a notice");
  for (const word of ["a ", "long ", "reply"]) {
    await pair.user.write(bytes(word));
    assertEquals(await takeText(pair.tor, word.length), word);
  }
  await pair.user.closeWrite();
  assertEquals(await end(pair.tor), "end");
});

rot13Chain(
  "ends tor's connection when the user resets, and carries the next one",
  async (chain) => {
    using pair = await chain.connect();
    using other = await chain.connect();
    await converse(pair.user, pair.tor);
    pair.user.reset();
    await end(pair.tor);
    await converse(other.user, other.tor);
  },
);

rot13(
  "ends the client's connection when tor resets, and carries the next one",
  async (processes) => {
    using orport = await ResettableListener.listen();
    const server = await processes.plainServer(["127.0.0.1", orport.port]);
    using client = rotated(await connect(server));
    using tor = await orport.accept();
    await converse(client, tor);
    tor.reset();
    await end(client);
    using next = rotated(await connect(server));
    using nextTor = await orport.accept();
    await converse(next, nextTor);
  },
);

rot13("rotates what is between client and server, and only letters", async (processes) => {
  using bridge = new Listening();
  const client = await processes.client(bridge.address);
  using user = await connect(client);
  await user.write(Uint8Array.of(...NO_AUTH, ...connectRequest(bridge.address)));
  using conn = await bridge.accept();
  await take(user, 2 + 10);
  await user.write(bytes("Hello, World! 13 [`{@"));
  assertEquals(await takeText(conn, 21), "Uryyb, Jbeyq! 13 [`{@");
  await conn.write(bytes("Uryyb, Jbeyq! 13 [`{@"));
  assertEquals(await takeText(user, 21), "Hello, World! 13 [`{@");
});

rot13(
  "tells a user that the bridge is dead, whatever came with the request, and logs no address",
  async (processes) => {
    const bridge = closedAddress();
    const client = await processes.client(bridge);
    for (const early of [[], new Uint8Array(60_000)]) {
      using user = await connect(client);
      await writeAll(user, Uint8Array.of(...NO_AUTH, ...connectRequest(bridge), ...early));
      assertEquals([...await readToEnd(user)], [5, 0, ...reply(5)]);
      assertMatch(await client.logged(), /^rot13: no connection [^0-9]*refused \(os error \d+\)$/);
    }
  },
);

rot13("tells a user that it has no permission for a bridge", async (processes) => {
  const client = await processes.client(closedAddress());
  using user = await connect(client);
  await user.write(Uint8Array.of(...NO_AUTH, ...connectRequest(["127.0.0.1", 9])));
  assertEquals([...await readToEnd(user)], [5, 0, ...reply(2)]);
});

rot13("ends a connection whose ORPort is dead, and logs no address", async (processes) => {
  const server = await processes.plainServer(closedAddress());
  for (let i = 0; i < 2; i++) {
    using client = await connect(server);
    await client.write(bytes("Uryyb"));
    await end(client);
    assertMatch(await server.logged(), /^rot13: no connection [^0-9]*refused \(os error \d+\)$/);
  }
});

/** What our Extended ORPort does with a connection that it does not take. */
const DENIALS: readonly [
  what: string,
  play: (conn: StreamConn, file: CookieFile) => Promise<void>,
][] = [
  ["closes at once", () => Promise.resolve()],
  ["offers another authentication", async (conn) => assertEquals(await offer(conn, [2]), 0)],
  ["answers with a wrong hash", async (conn) => {
    await offer(conn);
    await assertRejects(() => authenticate(conn, new Uint8Array(32)), Deno.errors.UnexpectedEof);
  }],
  ["has a new cookie that is not in the file yet", async (conn, { cookie }) => {
    await offer(conn);
    const renewed = cookie.map((byte) => ~byte);
    await assertRejects(() => authenticate(conn, renewed), Deno.errors.UnexpectedEof);
  }],
  ["does not take our hash", async (conn, { cookie }) => {
    await offer(conn);
    await authenticate(conn, cookie);
    await writeAll(conn, Uint8Array.of(0));
  }],
  ["denies", async (conn, { cookie }) => {
    await receive(conn, cookie);
    await writeAll(conn, Uint8Array.from(orPortReply(DENY)));
  }],
];

for (const [what, play] of DENIALS) {
  rot13(
    `ends a connection when the ORPort ${what}, and carries the next one`,
    async (processes) => {
      using orport = new Listening();
      const server = await processes.server(orport.address);
      {
        using client = await connect(server);
        // It is waiting already when tor is asked, and must not get there.
        await client.write(bytes("Uryyb"));
        using tor = await orport.accept();
        await play(tor, processes.cookieFile);
        await tor.closeWrite();
        assertEquals((await readToEnd(tor)).length, 0);
        await end(client);
      }
      using client = rotated(await connect(server));
      using tor = await orport.accept();
      await receive(tor, processes.cookieFile.cookie);
      await tor.write(Uint8Array.from(orPortReply(OKAY)));
      await converse(client, tor);
    },
  );
}

rot13("skips replies of the ORPort that it does not know", async (processes) => {
  using orport = new Listening();
  const server = await processes.server(orport.address);
  using client = rotated(await connect(server));
  using tor = await orport.accept();
  await receive(tor, processes.cookieFile.cookie);
  const replies = [
    ...orPortReply(CONTROL, "something"),
    ...orPortReply(0x7777),
    ...orPortReply(OKAY),
  ];
  await tor.write(Uint8Array.of(...replies, ...bytes("early")));
  assertEquals(await takeText(client, 5), "early");
  await converse(client, tor);
});

rot13(
  "ends a connection when there is no good cookie, and reads the next one",
  async (processes) => {
    using orport = new Listening();
    const server = await processes.server(orport.address);
    await processes.cookieFile.write(...bytes("no cookie"));
    {
      using client = await connect(server);
      await end(client);
    }
    await processes.cookieFile.renew();
    using client = rotated(await connect(server));
    // It is the first connection that has come here.
    using tor = await orport.accept();
    await receive(tor, processes.cookieFile.cookie);
    await tor.write(Uint8Array.from(orPortReply(OKAY)));
    await converse(client, tor);
  },
);

for (const half of ["client", "server"] as const) {
  rot13Chain(
    `lets connections finish when its ${half} gets SIGTERM, then ends them`,
    async (chain) => {
      const { pid, address: [, port], ended } = chain[half];
      using pair = await chain.connect();
      Deno.kill(pid, "SIGTERM");
      await untilRefused(port);
      await converse(pair.user, pair.tor);
      // Nobody closes: it does, after a while.
      await Promise.all([end(pair.user), end(pair.tor)]);
      assertEquals(await ended, { code: 0, signal: null });
    },
  );

  rot13Chain(`ends its connections when the stdin of its ${half} is closed`, async (chain) => {
    using pair = await chain.connect();
    await converse(pair.user, pair.tor);
    await chain[half].close();
    await Promise.all([end(pair.user), end(pair.tor)]);
    assertEquals(await chain[half].ended, { code: 0, signal: null });
  });
}

rot13("ends beside a user that does not leave when it is rejected", async (processes) => {
  const bridge = closedAddress();
  const client = await processes.client(bridge);
  using user = await connect(client);
  await user.write(Uint8Array.of(...NO_AUTH, ...connectRequest(bridge)));
  assertEquals([...await readToEnd(user)], [5, 0, ...reply(5)]);
  await client.close();
  assertEquals(await client.ended, { code: 0, signal: null });
});

rot13("ends what it cannot carry although nobody reads its log", async ({ cookieFile }) => {
  const orport = closedAddress();
  const [program = "", ...args] = rot0r([["127.0.0.1", 0], orport]);
  const transports = { rot13: { bindAddress: ["127.0.0.1", 0] } } as const;
  await using server = new Deno.Command(program, {
    args,
    env: serverEnvironment(cookieFile.directory, transports, orport, undefined),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("SMETHODS DONE\n")) said += (await lines.read()).value;
  const [, port] = /^SMETHOD rot13 127\.0\.0\.1:(\d+)$/m.exec(said)!;
  await lines.cancel();
  using client = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await end(client);
  await server.stdin.close();
  assertEquals((await server.status).code, 0);
});

const MOST_FILES = 64;

/** Waits until a process has as many files open as it may. */
async function outOfFiles(pid: number): Promise<void> {
  for (;;) {
    const files = await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`));
    if (files.length >= MOST_FILES) return;
  }
}

if (Deno.build.os === "linux") {
  rot13("goes on accepting when it has had too many open files", async (processes) => {
    using bridge = new Listening();
    const limited = ["sh", "-c", `ulimit -n ${MOST_FILES}; exec "$@"`, "sh"];
    const client = await processes.client(bridge.address, limited);
    {
      using silent = new DisposableStack();
      for (let i = 0; i < 2 * MOST_FILES; i++) silent.use(await connect(client));
      await outOfFiles(client.pid);
    }
    using user = await connect(client);
    await user.write(Uint8Array.of(...NO_AUTH, ...connectRequest(bridge.address)));
    using conn = await bridge.accept();
    assertEquals([...await take(user, 2 + 10)], [5, 0, ...reply(0)]);
    await converse(user, rotated(conn));
  });
}

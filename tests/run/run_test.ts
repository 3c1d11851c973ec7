import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Address } from "../../address.ts";
import { connectSocks5, SocksReplyError } from "../../net/proxy.ts";
import { Deadline, DialError, handshake, readFull, writeAll } from "../../net/mod.ts";
import {
  type ClientMethod,
  dialTransport,
  launchClient,
  launchServer,
  type LaunchServerOptions,
  type LogMessage,
  type ServerMethod,
  type TransportMessage,
  type TransportProcess,
} from "../../parent/mod.ts";
import { EchoServer } from "../echo.ts";
import { connectResettable } from "../../testing/mod.ts";
import { CookieFile } from "../net/scripted_ext_orport.ts";
import { untilRefused } from "../net/until_refused.ts";
import { permitted, withDirectory } from "../permitted.ts";
import { RawChild, runToEnd } from "../raw_child.ts";

type Server = TransportProcess<ServerMethod>;
type Client = TransportProcess<ClientMethod>;

/** The command of a program of `tests/run/`, with everything that it may need. */
function program(name: string, ...flags: string[]): string[] {
  const path = new URL(`./${name}.ts`, import.meta.url).pathname;
  const granted = flags.length > 0 ? flags : ["--allow-env=TOR_PT_*", "--allow-net=127.0.0.1"];
  return [Deno.execPath(), "run", "--no-prompt", "--quiet", ...granted, path];
}

/** A test with a state directory that does not exist yet. */
function launching(name: string, use: (stateDirectory: string) => Promise<void>): void {
  permitted(
    ["net", "read", "write", "run"],
    name,
    () => withDirectory((parent) => use(`${parent}/pt_state/deep`)),
  );
}

const LOOPBACK: Address = ["127.0.0.1", 0];

/** Transports of a server on loopback, with options. */
function onLoopback(
  names: Record<string, [string, string][]>,
): LaunchServerOptions["transports"] {
  return Object.fromEntries(
    Object.entries(names).map(([name, options]) => [name, { bindAddress: LOOPBACK, options }]),
  );
}

/** Reads what a program says until it logs a text. */
async function logged(
  process: Client | Server,
  text: string,
  said: LogMessage[] = [],
): Promise<LogMessage> {
  const reader: ReadableStreamDefaultReader<TransportMessage> = process.messages.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`it never logged ${text}`);
      if (value.kind !== "log") continue;
      said.push(value);
      if (value.message.includes(text)) return value;
    }
  } finally {
    reader.releaseLock();
  }
}

/** Resolves when the peer has ended the connection, in whatever way. */
async function ended(conn: Deno.Conn): Promise<void> {
  try {
    while (await conn.read(new Uint8Array(1024)) !== null);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
}

/** Sends some bytes, and checks that they come back. */
async function checkEcho(conn: Deno.Conn): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(10_000));
  const [back] = await Promise.all([readFull(conn, new Uint8Array(10_000)), writeAll(conn, bytes)]);
  assertEquals(back, bytes);
}

async function connect(method: { address: Readonly<Address> } | undefined): Promise<Deno.TcpConn> {
  if (method === undefined) throw new Error("the transport was not reported");
  const [hostname, port] = method.address;
  return await Deno.connect({ hostname, port });
}

const FAILING: readonly [name: string, reply: number][] = [
  ["throws", 1],
  ["throws_the_unspeakable", 1],
  ["refuses", 5],
  ["hangs", 6],
  ["hangs_behind_open", 6],
  ["returns_late", 6],
  ["returns_nothing", 1],
  ["returns_half", 1],
];

const BREAKING = ["reads_nothing", "read_throws", "write_throws"];

const HARMLESS = ["forgets_a_rejection", "throws_later"];

async function launchFaultyClient(stateDirectory: string): Promise<Client> {
  const names = [...FAILING.map(([name]) => name), ...BREAKING, ...HARMLESS];
  return await launchClient(program("faulty"), {
    transports: ["sound", "never_reads", "close_throws", ...names],
    stateDirectory,
  });
}

launching(
  "run() turns what a client's transport fails with into a SOCKS reply, and serves the others",
  async (stateDirectory) => {
    using echo = new EchoServer();
    await using client = await launchFaultyClient(stateDirectory);
    using before = await dialTransport(client.methods["sound"]!, echo.address);
    for (const [name, reply] of FAILING) {
      const dialled = dialTransport(client.methods[name]!, echo.address);
      const { cause } = await assertRejects(() => dialled, DialError, undefined, name);
      assert(cause instanceof SocksReplyError, name);
      assertEquals(cause.code, reply, name);
    }
    await checkEcho(before);
    using after = await dialTransport(client.methods["sound"]!, echo.address);
    await checkEcho(after);
  },
);

launching(
  "run() logs why a client's transport failed, without any address",
  async (stateDirectory) => {
    await using client = await launchFaultyClient(stateDirectory);
    const targets: [Address, string][] = [
      [["192.0.2.7", 443], "[scrubbed]"],
      [["2001:db8::7", 443], "[scrubbed]"],
      [["bridge.example", 443], "[scrubbed]"],
    ];
    for (const [target, shown] of targets) {
      await assertRejects(() => dialTransport(client.methods["throws"]!, target), DialError);
      const { severity, message } = await logged(client, "no connection");
      assertEquals(severity, "notice");
      const text = `throws: no connection: no way to ${shown} port 443, nor to [scrubbed]`;
      assertEquals(message, text);
    }
    await assertRejects(() =>
      dialTransport(client.methods["throws_the_unspeakable"]!, ["127.0.0.1", 1])
    );
    await logged(client, "throws_the_unspeakable: no connection");
    await assertRejects(() => dialTransport(client.methods["sound"]!, ["127.0.0.1", 1]), DialError);
    const { message } = await logged(client, "sound: ");
    assert(!message.includes("127.0.0.1"), message);
    assertMatch(message, /: The connection to the bridge failed: .*refused/);
  },
);

launching(
  "run() closes what a client's transport has dialled when it is too late or breaks",
  async (stateDirectory) => {
    using target = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address: Address = ["127.0.0.1", target.addr.port];
    await using client = await launchFaultyClient(stateDirectory);
    for (const name of ["hangs_behind_open", "returns_late", "returns_half"]) {
      const rejected = assertRejects(
        () => dialTransport(client.methods[name]!, address),
        DialError,
        undefined,
        name,
      );
      using bridge = await target.accept();
      await rejected;
      await ended(bridge);
    }
    for (const name of BREAKING) {
      using user = await dialTransport(client.methods[name]!, address);
      using bridge = await target.accept();
      await user.write(Uint8Array.of(1));
      await Promise.all([ended(bridge), ended(user)]);
    }
    {
      using user = await connect(client.methods["hangs_behind_open"]);
      const rejected = assertRejects(() => connectSocks5(user, address), SocksReplyError);
      using bridge = await target.accept();
      await rejected;
      // The user does not go, and could keep it open for 10 s.
      using deadline = new Deadline(5_000, "The end of what was dialled");
      await handshake(bridge, deadline.signal, () => ended(bridge));
    }
    const [, port] = client.methods["close_throws"]!.address;
    using user = await connectResettable(port);
    await connectSocks5(user, address);
    using bridge = await target.accept();
    user.reset();
    await ended(bridge);
    const { severity, message } = await logged(client, "close_throws");
    const text = "close_throws: a connection broke: Connection reset by peer (os error 104)";
    assertEquals([severity, message], ["info", text]);
  },
);

launching(
  "run() survives rejections and errors that a transport forgets about",
  async (stateDirectory) => {
    using echo = new EchoServer();
    await using client = await launchFaultyClient(stateDirectory);
    const rows = [
      ["forgets_a_rejection", "An error was not handled: forgotten: [scrubbed]"],
      ["throws_later", "An error was not caught: broken"],
    ] as const;
    for (const [name, text] of rows) {
      using conn = await dialTransport(client.methods[name]!, echo.address);
      await checkEcho(conn);
      const { severity, message } = await logged(client, "An error");
      assertEquals([severity, message], ["warning", text]);
      await checkEcho(conn);
    }
  },
);

launching(
  "run() says once that a client's transport finds no descriptors, however many users ask",
  async (stateDirectory) => {
    const client = await launchClient(program("faulty"), {
      transports: ["finds_no_descriptors"],
      stateDirectory,
    });
    await using _ended = client;
    for (let count = 0; count < 3; count++) {
      const dialled = dialTransport(client.methods["finds_no_descriptors"]!, ["192.0.2.7", 443]);
      await assertRejects(() => dialled, DialError);
    }
    await client.close();
    const said = await Array.fromAsync(client.messages);
    assertEquals(said.map((message) => message.kind === "log" && message.message), [
      "Connections have to wait: Too many open files; more of them need a higher ulimit -n",
    ]);
  },
);

launching(
  "run() logs nothing of a client's connections that end in peace, or with it",
  async (stateDirectory) => {
    using echo = new EchoServer();
    const client = await launchFaultyClient(stateDirectory);
    await using _ended = client;
    using brief = await dialTransport(client.methods["sound"]!, echo.address);
    await checkEcho(brief);
    await brief.closeWrite();
    await ended(brief);
    using standing = await dialTransport(client.methods["sound"]!, echo.address);
    await checkEcho(standing);
    await Promise.all([client.close(), ended(standing)]);
    assertEquals(await Array.fromAsync(client.messages), []);
  },
);

launching(
  "run() is not held up by a connection that never reads, neither in service nor at the end",
  async (stateDirectory) => {
    using echo = new EchoServer();
    const client = await launchFaultyClient(stateDirectory);
    await using _ended = client;
    using deaf = await dialTransport(client.methods["never_reads"]!, echo.address);
    await deaf.write(new Uint8Array(1000));
    using conn = await dialTransport(client.methods["sound"]!, echo.address);
    await checkEcho(conn);
    const { code, signal } = await client.close();
    assertEquals({ code, signal }, { code: 0, signal: null });
  },
);

launching(
  "run() does not wait at the end for a user whom it has rejected",
  async (stateDirectory) => {
    const client = await launchFaultyClient(stateDirectory);
    await using _ended = client;
    using user = await connect(client.methods["throws"]);
    await assertRejects(() => connectSocks5(user, ["192.0.2.7", 443]), SocksReplyError);
    // Whoever takes too long is killed.
    const { code, signal } = await client.close();
    assertEquals({ code, signal }, { code: 0, signal: null });
  },
);

launching(
  "run() ends only the connection at which a server's transport fails",
  async (stateDirectory) => {
    using echo = new EchoServer();
    const failing = [...FAILING.map(([name]) => name), ...BREAKING];
    await using server = await launchServer(program("faulty"), {
      transports: onLoopback(
        Object.fromEntries(["sound", "never_reads", ...failing, ...HARMLESS].map((n) => [n, []])),
      ),
      orport: echo.address,
      stateDirectory,
    });
    using before = await connect(server.methods["sound"]);
    await checkEcho(before);
    using deaf = await connect(server.methods["never_reads"]);
    await deaf.write(new Uint8Array(1000));
    for (const name of failing) {
      using conn = await connect(server.methods[name]);
      await conn.write(Uint8Array.of(1));
      await ended(conn);
    }
    for (const name of HARMLESS) {
      using conn = await connect(server.methods[name]);
      await checkEcho(conn);
    }
    await checkEcho(before);
    const said: LogMessage[] = [];
    await logged(server, "not caught", said);
    const throws = said.find(({ message }) => message.startsWith("throws:"));
    assertEquals(throws?.severity, "info");
    assertMatch(
      throws?.message ?? "",
      /^throws: no connection: no way to \[scrubbed\] port \d+, nor to \[scrubbed\]$/,
    );
    for (const { message } of said) assert(!message.includes("127.0.0.1"), message);
  },
);

launching(
  "run() logs of a server's connections those that break, and no others",
  async (stateDirectory) => {
    using echo = new EchoServer();
    const server = await launchServer(program("faulty"), {
      transports: onLoopback({ sound: [] }),
      orport: echo.address,
      stateDirectory,
    });
    await using _ended = server;
    using brief = await connect(server.methods["sound"]);
    await checkEcho(brief);
    await brief.closeWrite();
    await ended(brief);
    using broken = await connectResettable(server.methods["sound"]!.address[1]);
    await broken.write(Uint8Array.of(1));
    assertEquals(await readFull(broken, new Uint8Array(1)), Uint8Array.of(1));
    broken.reset();
    const said: LogMessage[] = [];
    await logged(server, "broke", said);
    using standing = await connect(server.methods["sound"]);
    await checkEcho(standing);
    await Promise.all([server.close(), ended(standing)]);
    const rest = (await Array.fromAsync(server.messages)).filter(({ kind }) => kind === "log");
    assertEquals(rest, []);
    assertEquals(said.map(({ severity, message }) => [severity, message]), [
      ["info", "sound: a connection broke: Connection reset by peer (os error 104)"],
    ]);
  },
);

launching(
  "run() warns when tor's port is dead, because that is no client's fault",
  async (stateDirectory) => {
    const dead = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    dead.close();
    await using server = await launchServer(program("faulty"), {
      transports: onLoopback({ sound: [] }),
      orport: ["127.0.0.1", dead.addr.port],
      stateDirectory,
    });
    using conn = await connect(server.methods["sound"]);
    await ended(conn);
    const { severity, message } = await logged(server, "sound: no connection");
    assertEquals(severity, "warning");
    assertMatch(message, /: The connection to tor's ORPort failed: .*refused/);
  },
);

launching(
  "run() closes what a server's transport has returned when there is no way to tor",
  async (stateDirectory) => {
    const dead = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    dead.close();
    await using server = await launchServer(program("faulty"), {
      transports: onLoopback({ says_that_it_closes: [] }),
      orport: ["127.0.0.1", dead.addr.port],
      stateDirectory,
    });
    using conn = await connect(server.methods["says_that_it_closes"]);
    await ended(conn);
    await logged(server, "it is closed");
  },
);

for (const others of [[], ["sound"]]) {
  launching(
    `run() survives what publish() forgets, with ${others.length} others`,
    async (stateDirectory) => {
      const names = [...others, "publish_forgets"];
      await using server = await launchServer(program("faulty"), {
        transports: onLoopback(Object.fromEntries(names.map((name) => [name, []]))),
        orport: ["127.0.0.1", 9],
        stateDirectory,
      });
      assertEquals(Object.keys(server.methods).sort(), names.sort());
      const { message } = await logged(server, "An error was not handled");
      assertEquals(message, "An error was not handled: forgotten");
    },
  );
}

launching("run() warns once of what looks like the author's mistake", async (stateDirectory) => {
  await using server = await launchServer(program("faulty"), {
    transports: onLoopback({ returns_nothing: [], throws: [] }),
    orport: ["127.0.0.1", 9],
    stateDirectory,
  });
  const said: LogMessage[] = [];
  for (const name of ["returns_nothing", "returns_nothing", "throws"]) {
    using conn = await connect(server.methods[name]);
    await ended(conn);
  }
  await logged(server, "throws: no connection: no way", said);
  const told = said.map(({ severity, message }) => `${severity} ${message.split(":")[0]}`);
  assertEquals(told, ["warning returns_nothing", "info throws"]);
});

launching("run() says where a bug of the transport is", async (stateDirectory) => {
  await using server = await launchServer(program("buggy"), {
    transports: onLoopback({ buggy: [] }),
    orport: ["127.0.0.1", 9],
    stateDirectory,
  });
  using conn = await connect(server.methods["buggy"]);
  await ended(conn);
  const { severity, message } = await logged(server, "buggy");
  assertEquals(severity, "warning");
  assertMatch(message, /^buggy: no connection: .*null.* \(TypeError at buggy\.ts:9:\d+\)$/);
});

launching("run() shows nothing of a server's options in its log", async (stateDirectory) => {
  await using server = await launchServer(program("faulty"), {
    transports: onLoopback({ throws_its_option: [["k", "swan"]] }),
    orport: ["127.0.0.1", 9],
    stateDirectory,
  });
  using conn = await connect(server.methods["throws_its_option"]);
  await ended(conn);
  const { message } = await logged(server, "throws_its_option");
  assertEquals(message, "throws_its_option: no connection: bad [scrubbed]");
});

permitted(
  ["net", "read", "write", "run"],
  "run() gives up at its end what still waits for tor's Extended ORPort",
  async () => {
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using cookie = await CookieFile.create();
    const command = program(
      "patient",
      "--allow-env=TOR_PT_*",
      "--allow-net=127.0.0.1",
      `--allow-read=${cookie.path}`,
    );
    await using child = new RawChild(command, {
      MANAGED_TRANSPORT_VER: "1",
      STATE_LOCATION: "/nowhere",
      EXIT_ON_STDIN_CLOSE: "1",
      SERVER_TRANSPORTS: "plain",
      SERVER_BINDADDR: "plain-127.0.0.1:0",
      EXTENDED_SERVER_PORT: `127.0.0.1:${silent.addr.port}`,
      AUTH_COOKIE_FILE: cookie.path,
    });
    await child.until("SMETHODS DONE");
    using _client = await Deno.connect({ hostname: "127.0.0.1", port: child.port("plain") });
    using _orport = await silent.accept();
    await child.closeStdin();
    assertEquals((await child.status()).code, 0);
  },
);

launching(
  "run() reports a transport that cannot be published or bound, and serves the others",
  async (stateDirectory) => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    free.close();
    const { port } = free.addr;
    using echo = new EchoServer();
    await using server = await launchServer(program("faulty"), {
      transports: {
        ...onLoopback({ publish_throws: [], publish_hangs: [] }),
        ...onLoopback({ publishes_half_a_pair: [], publishes_a_number: [] }),
        throws: { bindAddress: ["127.0.0.1", taken.addr.port] },
        publishes_a_space: { bindAddress: ["127.0.0.1", port] },
        ...onLoopback({ sound: [] }),
      },
      orport: echo.address,
      stateDirectory,
    });
    assertEquals(Object.keys(server.methods), ["sound"]);
    const {
      publish_throws,
      publish_hangs,
      publishes_a_space,
      publishes_half_a_pair,
      publishes_a_number,
      throws,
      ...others
    } = server.failures;
    assertEquals(others, {});
    assertEquals(publish_throws, "broken");
    assertEquals(publish_hangs, "publish() took longer than 15 s");
    assertMatch(publishes_a_space ?? "", /space|printable/i);
    for (const failure of [publishes_half_a_pair, publishes_a_number]) {
      assertEquals(failure, "publish() gave arguments that are not pairs of two texts");
    }
    // Our own address is what its operator needs to see.
    assertEquals(throws, `127.0.0.1:${taken.addr.port} is in use: another program listens there`);
    await untilRefused(port);
    using conn = await connect(server.methods["sound"]);
    await checkEcho(conn);
  },
);

launching(
  "run() publishes arguments, hands on options and creates the state directory on demand",
  async (stateDirectory) => {
    using echo = new EchoServer();
    const above = stateDirectory.split("/pt_state")[0]!;
    const flags = ["--allow-env=TOR_PT_*", "--allow-net=127.0.0.1", `--allow-write=${above}`];
    await using server = await launchServer(program("bridge", ...flags), {
      transports: onLoopback({ tells: [["k", "v"], ["k", ";:=\\,"]], mute: [] }),
      orport: echo.address,
      // launchServer() creates the one that it knows of.
      stateDirectory: above,
      env: { TOR_PT_STATE_LOCATION: stateDirectory },
    });
    assertEquals(server.failures, Object.create(null));
    assertEquals([...server.methods["mute"]!.args], []);
    assertEquals([...server.methods["tells"]!.args], [
      ["k", "v"],
      ["k", ";:=\\,"],
      ["same", "true"],
      ["odd", "a=b,c\\d"],
    ]);
    assertEquals((await Deno.stat(stateDirectory)).mode! & 0o777, 0o700);
    assertEquals(await Deno.readTextFile(`${stateDirectory}/file`), "kept");
    using conn = await connect(server.methods["tells"]);
    await checkEcho(conn);
  },
);

const NO_PERMISSION = "--allow-env=NOTHING";

const ENVIRONMENT = [
  "TOR_PT_AUTH_COOKIE_FILE",
  "TOR_PT_CLIENT_TRANSPORTS",
  "TOR_PT_EXIT_ON_STDIN_CLOSE",
  "TOR_PT_EXTENDED_SERVER_PORT",
  "TOR_PT_MANAGED_TRANSPORT_VER",
  "TOR_PT_ORPORT",
  "TOR_PT_OUTBOUND_BIND_ADDRESS_V4",
  "TOR_PT_OUTBOUND_BIND_ADDRESS_V6",
  "TOR_PT_PROXY",
  "TOR_PT_SERVER_BINDADDR",
  "TOR_PT_SERVER_TRANSPORTS",
  "TOR_PT_SERVER_TRANSPORT_OPTIONS",
  "TOR_PT_STATE_LOCATION",
];

permitted(
  ["read", "run"],
  "run() answers --capabilities with one JSON object, whatever the environment says",
  async () => {
    const command = [...program("bridge", NO_PERMISSION), "--capabilities"];
    const { code, stdout, stderr } = await runToEnd(command, { SERVER_BINDADDR: "nonsense" });
    assertEquals([code, stderr], [0, ""]);
    const { environment, ...others } = JSON.parse(stdout);
    assertEquals(others, {
      name: "bridge",
      version: "1.2.3",
      transports: {
        tells: { client: false, server: true },
        mute: { client: false, server: true },
        elsewhere: { client: true, server: false },
      },
      permissions: {
        client: ["--allow-env=TOR_PT_*", "--allow-net"],
        server: ["--allow-env=TOR_PT_*", "--allow-net", "--allow-read", "--allow-write"],
      },
      narrowed: {
        client: [
          "--allow-net=127.0.0.1:0,BRIDGE:PORT (the proxy's address instead where there is one)",
        ],
        server: ["--allow-net=BIND:PORT,127.0.0.1 --allow-read=COOKIE_FILE"],
      },
      flags: {},
    });
    assertEquals(environment.toSorted(), ENVIRONMENT);
  },
);

permitted(
  ["read", "run"],
  "run() says its name by its file, and no version, where the author gave none",
  async () => {
    const { code, stdout } = await runToEnd([...program("faulty", NO_PERMISSION), "--version"], {});
    assertEquals([code, stdout], [0, "faulty (no version)\n"]);
  },
);

permitted(["read", "run"], "run() answers --version and --help on stdout", async () => {
  const command = program("bridge", NO_PERMISSION);
  const version = await runToEnd([...command, "--version"], {});
  assertEquals(version, { code: 0, stdout: "bridge 1.2.3\n", stderr: "" });
  const help = await runToEnd([...command, "--help"], {});
  assertEquals([help.code, help.stderr], [0, ""]);
  for (const args of [["-h"], ["--version", "--help"]]) {
    assertEquals(await runToEnd([...command, ...args], {}), help);
  }
  assertMatch(help.stdout, /^bridge is a pluggable transport: .*\n\n {2}ClientTransportPlugin /);
});

permitted(
  ["read", "run"],
  "run() takes any other argument for a mistake, and says so on stderr",
  async () => {
    const rows = [["--capability"], ["rot13"], [""]];
    await Promise.all(rows.map(async (args) => {
      const command = [...program("bridge", NO_PERMISSION), ...args];
      const { code, stdout, stderr } = await runToEnd(command, {});
      assertEquals([code, stdout], [2, ""]);
      assertMatch(stderr, /^bridge: .*--help/);
    }));
  },
);

const CLIENT = {
  MANAGED_TRANSPORT_VER: "1",
  STATE_LOCATION: "/nowhere",
  CLIENT_TRANSPORTS: "sound",
  EXIT_ON_STDIN_CLOSE: "1",
};

permitted(
  ["read", "run"],
  "run() ends with status 1 where the environment is unusable, and only protocol is on stdout",
  async () => {
    const rows: [Record<string, string>, RegExp, RegExp][] = [
      [{ ...CLIENT, MANAGED_TRANSPORT_VER: "2" }, /^VERSION-ERROR no-version\n$/, /version 1/],
      [{ ...CLIENT, CLIENT_TRANSPORTS: "" }, /^ENV-ERROR .*\n$/, /CLIENT_TRANSPORTS/],
      [{ ...CLIENT, SERVER_TRANSPORTS: "sound" }, /^ENV-ERROR .*\n$/, /both/],
      [{ ...CLIENT, PROXY: "ftp://127.0.0.1:1" }, /^VERSION 1\nPROXY-ERROR .*\n$/, /TOR_PT_PROXY/],
    ];
    await Promise.all(rows.map(async ([variables, stdout, stderr]) => {
      const outcome = await runToEnd(program("faulty"), variables);
      assertEquals(outcome.code, 1);
      assertMatch(outcome.stdout, stdout);
      assertMatch(outcome.stderr, stderr);
    }));
  },
);

permitted(["read", "run"], "run() that no parent has started says what it is", async () => {
  const read = "To read on: its own --help, and https://jsr.io/@ptlib/ptlib\n";
  const rows = [["bridge", "check", "tells, mute, elsewhere"], ["wrong_moon", "tor", "deaf"]];
  for (const [name = "", command, names] of rows) {
    const path = program(name).at(-1);
    const { code, stdout, stderr } = await runToEnd(program(name), {});
    assertEquals(code, 1);
    assertMatch(stdout, /^ENV-ERROR .*TOR_PT_MANAGED_TRANSPORT_VER.*\n$/);
    assertEquals(
      stderr,
      `${name} is a pluggable transport (${names}): a program that tor starts, not you.\n` +
        `To try it: deno run -A jsr:@ptlib/ptlib/cli ${command} -- deno run -A ${path}\n${read}`,
    );
  }
});

permitted(
  ["read", "run"],
  "run() started as --help has it in a torrc reports its methods",
  async () => {
    const { stdout } = await runToEnd([...program("wrong_moon"), "--help"], {});
    const rows = [["Client", { ...CLIENT, CLIENT_TRANSPORTS: "deaf" }], ["Server", {
      MANAGED_TRANSPORT_VER: "1",
      STATE_LOCATION: "/nowhere",
      EXIT_ON_STDIN_CLOSE: "1",
      SERVER_TRANSPORTS: "deaf",
      SERVER_BINDADDR: "deaf-127.0.0.1:0",
      ORPORT: "127.0.0.1:9",
    }]] as const;
    for (const [half, variables] of rows) {
      const line = new RegExp(`^ {2}${half}TransportPlugin deaf exec (.*)$`, "m").exec(stdout);
      // tor splits the line at spaces, and knows of no quotes.
      const outcome = await runToEnd(line?.[1]?.split(" ") ?? [], variables);
      assertEquals([outcome.code, outcome.stderr], [0, ""]);
      assertMatch(outcome.stdout, /^[CS]METHOD deaf .*\n[CS]METHODS DONE\n$/m);
    }
  },
);

permitted(
  ["read", "run"],
  "run() names each permission that its way needs, at the start",
  async () => {
    const client = { ...CLIENT, PROXY: "socks5://127.0.0.1:9" };
    const server = {
      MANAGED_TRANSPORT_VER: "1",
      STATE_LOCATION: "/nowhere",
      EXIT_ON_STDIN_CLOSE: "1",
      SERVER_TRANSPORTS: "mute",
      SERVER_BINDADDR: "mute-127.0.0.1:0",
      ORPORT: "[::1]:9",
    };
    const extended = {
      ...server,
      EXTENDED_SERVER_PORT: "127.0.0.1:7",
      AUTH_COOKIE_FILE: "/var/lib/tor/cookie",
    };
    const listen = "--allow-net=127.0.0.1:0";
    const rows: [string, Record<string, string>, granted: string[], says: string | null][] = [
      [
        "faulty",
        client,
        [listen],
        "PROXY-ERROR Deno was not granted to connect to the upstream " +
        "proxy: add --allow-net=127.0.0.1:9",
      ],
      ["faulty", client, [`${listen},127.0.0.1:9`], null],
      [
        "bridge",
        server,
        [listen],
        "SMETHOD-ERROR mute Deno was not granted to connect to tor's " +
        "ORPort: add --allow-net=[::1]",
      ],
      ["bridge", server, [`${listen},[::1]:9`], null],
      [
        "bridge",
        extended,
        [listen],
        "SMETHOD-ERROR mute Deno was not granted to connect to tor's " +
        "Extended ORPort: add --allow-net=127.0.0.1",
      ],
      [
        "bridge",
        extended,
        [`${listen},127.0.0.1:7`],
        "SMETHOD-ERROR mute Deno was not granted to " +
        "read the cookie of tor's Extended ORPort: add --allow-read=/var/lib/tor/cookie",
      ],
      ["bridge", extended, [`${listen},127.0.0.1:7`, "--allow-read=/var/lib/tor/cookie"], null],
    ];
    await Promise.all(rows.map(async ([name, variables, granted, says]) => {
      const { stdout } = await runToEnd(
        program(name, "--allow-env=TOR_PT_*", ...granted),
        variables,
      );
      const errors = stdout.split("\n").filter((line) => line.includes("-ERROR "));
      assertEquals(errors, says === null ? [] : [says]);
    }));
  },
);

permitted(
  ["read", "run"],
  "run() names the flag when it may not read the environment",
  async () => {
    const outcome = await runToEnd(program("faulty", NO_PERMISSION), CLIENT);
    assertEquals(outcome.code, 1);
    assertMatch(outcome.stdout, /^ENV-ERROR .*--allow-env=TOR_PT_\*.*\n$/);
  },
);

permitted(
  ["read", "run"],
  "run() reports a listener that it was not granted",
  async () => {
    const command = program("faulty", "--allow-env=TOR_PT_*");
    const outcome = await runToEnd(command, CLIENT);
    assertEquals(outcome.code, 0);
    assertEquals(
      outcome.stdout,
      "VERSION 1\nCMETHOD-ERROR sound Deno was not granted to listen on 127.0.0.1:0: " +
        "add --allow-net=127.0.0.1:0\nCMETHODS DONE\n",
    );
  },
);

permitted(
  ["read", "run"],
  "run() that has no wanted transport says so, and stays until it is told to end",
  async () => {
    const server = {
      MANAGED_TRANSPORT_VER: "1",
      STATE_LOCATION: "/nowhere",
      EXIT_ON_STDIN_CLOSE: "1",
      SERVER_TRANSPORTS: "constructor,__proto__,elsewhere",
      ORPORT: "127.0.0.1:9",
    };
    const rows = [
      [{ ...CLIENT, CLIENT_TRANSPORTS: "constructor,__proto__,mute" }, "CMETHODS DONE"],
      [server, "SMETHODS DONE"],
    ] as const;
    for (const [variables, done] of rows) {
      await using child = new RawChild(program("bridge"), variables);
      const said = await child.until(done);
      const version = 'STATUS TYPE=version IMPLEMENTATION="bridge" VERSION="1.2.3"';
      assertEquals(said, `VERSION 1\n${version}\n${done}\n`);
      await child.closeStdin();
      assertEquals((await child.status()).code, 0);
    }
  },
);

permitted(
  ["read", "run"],
  "run() warns about an Extended ORPort on another machine, without its address",
  async () => {
    const variables = {
      MANAGED_TRANSPORT_VER: "1",
      STATE_LOCATION: "/nowhere",
      EXIT_ON_STDIN_CLOSE: "1",
      SERVER_TRANSPORTS: "mute",
      SERVER_BINDADDR: "mute-127.0.0.1:0",
      AUTH_COOKIE_FILE: "/nowhere/cookie",
    };
    const rows = [
      ["192.0.2.7:9", 1],
      ["[2001:db8::7]:9", 1],
      ["127.0.0.1:9", 0],
      ["[::1]:9", 0],
    ] as const;
    await Promise.all(rows.map(async ([EXTENDED_SERVER_PORT, count]) => {
      await using child = new RawChild(program("bridge"), { ...variables, EXTENDED_SERVER_PORT });
      const said = await child.until("SMETHODS DONE");
      const logs = said.split("\n").filter((line) => line.startsWith("LOG "));
      assertEquals(logs.length, count, EXTENDED_SERVER_PORT);
      for (const line of logs) {
        const words = "TOR_PT_EXTENDED_SERVER_PORT is on another machine: the way there is open";
        assertEquals(line, `LOG SEVERITY=warning MESSAGE="${words}"`);
      }
    }));
  },
);

permitted(
  ["net", "read", "run"],
  "run() carries on when nobody reads what it says any more, and ends when it is told to",
  async () => {
    using echo = new EchoServer();
    await using child = new RawChild(program("faulty"), CLIENT);
    await child.until("CMETHODS DONE");
    const address: Address = ["127.0.0.1", child.port("sound")];
    const method = { socksVersion: 5, address } as const;
    using standing = await dialTransport(method, echo.address);
    await child.closeStdout();
    for (let i = 0; i < 100; i++) {
      // The failure is logged, or would be.
      await assertRejects(() => dialTransport(method, ["127.0.0.1", 1]));
    }
    await checkEcho(standing);
    using fresh = await dialTransport(method, echo.address);
    await checkEcho(fresh);
    await child.closeStdin();
    assertEquals((await child.status()).code, 0);
  },
);

permitted(
  ["net", "read", "run"],
  "run() is not stopped by a parent that does not read, and says what it has dropped",
  async () => {
    using echo = new EchoServer();
    await using child = new RawChild(program("faulty"), CLIENT);
    await child.until("CMETHODS DONE");
    const address: Address = ["127.0.0.1", child.port("sound")];
    const method = { socksVersion: 5, address } as const;
    using standing = await dialTransport(method, echo.address);
    // Nobody reads meanwhile: the pipe and the queue take 128 KiB, which is some 1,500 lines.
    const fail = () => assertRejects(() => dialTransport(method, ["127.0.0.1", 1]));
    for (let i = 0; i < 100; i++) await Promise.all(Array.from({ length: 25 }, fail));
    await checkEcho(standing);
    const said = await child.untilMatch(
      /MESSAGE="[0-9]+ messages were dropped: nobody read them"\n$/,
    );
    const [, lines = ""] = said.split("CMETHODS DONE\n");
    for (const line of lines.trimEnd().split("\n")) {
      assertMatch(line, /^LOG SEVERITY=notice MESSAGE="/);
    }
    await fail(); // It is read again.
    await child.untilMatch(/dropped: nobody read them"\n(?:LOG .*\n)+$/);
    child.kill("SIGTERM");
    assertEquals((await child.status()).code, 0);
  },
);

permitted(
  ["net", "read", "run"],
  "run() ends by SIGTERM and by a closed stdin while nobody reads what it says",
  async () => {
    for (const end of ["SIGTERM", "stdin"] as const) {
      await using child = new RawChild(program("faulty"), CLIENT);
      await child.until("CMETHODS DONE");
      const address: Address = ["127.0.0.1", child.port("sound")];
      const method = { socksVersion: 5, address } as const;
      const fail = () => assertRejects(() => dialTransport(method, ["127.0.0.1", 1]));
      for (let i = 0; i < 80; i++) await Promise.all(Array.from({ length: 25 }, fail));
      if (end === "SIGTERM") child.kill("SIGTERM");
      else await child.closeStdin();
      assertEquals((await child.status()).code, 0, end);
    }
  },
);

launching(
  "run() lets a client's transport go elsewhere than where the user wants to go",
  async (stateDirectory) => {
    using echo = new EchoServer();
    await using client = await launchClient(program("bridge"), {
      transports: ["elsewhere"],
      stateDirectory,
    });
    const args: [string, string][] = [["port", String(echo.address[1])]];
    using conn = await dialTransport(client.methods["elsewhere"]!, ["192.0.2.7", 1], args);
    await checkEcho(conn);
  },
);

permitted(
  ["read", "run"],
  "run() ends when all of its last words are written, on stdout and on stderr",
  async () => {
    const [deno = "", ...args] = program("last_words");
    const env = Object.entries({ ...CLIENT, CLIENT_TRANSPORTS: "plain" })
      .map(([name, value]) => [`TOR_PT_${name}`, value]);
    const child = new Deno.Command(deno, {
      args,
      env: Object.fromEntries(env),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const texts = { word: "", text: "" };
    const stdout = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    while (!texts.word.endsWith("CMETHODS DONE\n")) texts.word += (await stdout.read()).value;
    child.kill("SIGTERM");
    const readAll = async (reader: ReadableStreamDefaultReader<string>, what: "word" | "text") => {
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        texts[what] += read.value;
      }
    };
    const stderr = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
    await Promise.all([readAll(stdout, "word"), readAll(stderr, "text")]);
    const all = Array.from({ length: 1_500 }, (_, index) => index + 1);
    for (const what of ["word", "text"] as const) {
      const numbers = texts[what].matchAll(RegExp(`${what} (\\d+)\\.`, "g"));
      assertEquals(Array.from(numbers, ([, number]) => Number(number)), all);
    }
    await child.stdin.close().catch(() => {});
    assertEquals((await child.status).code, 0);
  },
);

permitted(["read", "run"], "run() refuses a table with a name that is none", async () => {
  const run = JSON.stringify(new URL("../../run/run.ts", import.meta.url).href);
  const code = `import { run } from ${run}; await run({ "rot-13": { client: (c) => c.dial() } });`;
  const deno = [Deno.execPath(), "eval", "--no-config", code];
  const outcome = await runToEnd(deno, CLIENT);
  const words = ': "rot-13" is not a transport name: only letters, digits and _, no digit first\n';
  assertEquals(outcome.code, 1);
  assertEquals(outcome.stdout, `ENV-ERROR ${outcome.stderr}`);
  assertEquals(outcome.stderr.slice(outcome.stderr.indexOf(":")), words);
  // A person sees the same, whatever they ask.
  const asked = await runToEnd([...deno, "--capabilities"], {});
  assertEquals(asked, { ...outcome, stdout: "" });
});

permitted(
  ["net", "read", "run"],
  "run() says once that its descriptors are used up, and serves again when there are some",
  async () => {
    using echo = new EchoServer();
    const limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", ...program("bridge")];
    await using child = new RawChild(limited, {
      MANAGED_TRANSPORT_VER: "1",
      STATE_LOCATION: "/nowhere",
      SERVER_TRANSPORTS: "mute",
      SERVER_BINDADDR: "mute-127.0.0.1:0",
      ORPORT: `127.0.0.1:${echo.address[1]}`,
      EXIT_ON_STDIN_CLOSE: "1",
    });
    await child.until("SMETHODS DONE");
    const address = { hostname: "127.0.0.1", port: child.port("mute") };
    for (let round = 0; round < 3; round++) {
      const conns: Deno.TcpConn[] = [];
      for (let i = 0; i < 60; i++) conns.push(await Deno.connect(address));
      await child.untilMatch(/have to wait.*\n$/);
      conns.forEach((conn) => conn.close());
      // Those in the queue come first, and may still find nothing left.
      for (let served = false; !served;) {
        using fresh = await Deno.connect(address);
        served = await checkEcho(fresh).then(() => true, () => false);
      }
    }
    child.kill("SIGTERM");
    const said = await child.untilEnd();
    const logged =
      said.split("SMETHODS DONE\n")[1]?.match(/^LOG SEVERITY=(?:warning|notice) .*$/gm) ?? [];
    assertEquals(logged.length, 1, logged.join("\n"));
    assertMatch(logged[0] ?? "", /^LOG SEVERITY=warning .*Too many open files.*ulimit -n"$/);
  },
);

permitted(
  ["net", "read", "write", "run"],
  "run() lets go of what it dials for a user who gives up",
  async () => {
    // It accepts nobody for a while, so that a transport waits for its first byte.
    using bridge = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    // An author's 60 s are not over so soon there.
    await using child = new RawChild(program("patient"), {
      ...CLIENT,
      CLIENT_TRANSPORTS: "waits",
    });
    await child.until("CMETHODS DONE");
    const address: Address = ["127.0.0.1", child.port("waits")];
    const stop = new AbortController();
    const dialled = dialTransport(
      { socksVersion: 5, address },
      ["127.0.0.1", bridge.addr.port],
      [],
      { signal: stop.signal },
    );
    using conn = await bridge.accept();
    stop.abort();
    await assertRejects(() => dialled);
    assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
    await child.untilMatch(/the user gave up"\n$/);
  },
);

permitted(
  ["read", "write", "run"],
  "run() keeps what a transport prints by console out of the protocol",
  async () => {
    const run = JSON.stringify(new URL("../../run/run.ts", import.meta.url).href);
    const code = `
      import { run } from ${run};
      await run({
        sound: {
          server: (conn) => conn,
          publish() {
            console.log("one %d", 1);
            console.info("two");
            console.debug("three");
            console.dir({ four: 4 });
            console.table([{ five: 5 }]);
            console.group("six");
            console.count("seven");
            console.time("eight");
            console.timeEnd("eight");
            setTimeout(() => Deno.exit(0));
            return [];
          },
        },
      });`;
    const command = [Deno.execPath(), "run", "--no-config", "--no-prompt", "--quiet"];
    const flags = ["--allow-env=TOR_PT_*", "--allow-net=127.0.0.1"];
    const path = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(path, code);
    const { stdout, stderr } = await runToEnd([...command, ...flags, path], {
      MANAGED_TRANSPORT_VER: "1",
      STATE_LOCATION: "/nowhere",
      SERVER_TRANSPORTS: "sound",
      SERVER_BINDADDR: "sound-127.0.0.1:0",
      ORPORT: "127.0.0.1:9001",
    });
    await Deno.remove(path);
    assertMatch(stdout, /^VERSION 1\nSMETHOD sound 127\.0\.0\.1:[0-9]+\nSMETHODS DONE\n$/);
    for (const word of ["one 1", "two", "three", "four: 4", "five", "six", "seven", "eight"]) {
      assertStringIncludes(stderr, word);
    }
  },
);

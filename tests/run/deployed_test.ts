import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Address } from "../../address.ts";
import { unlessAborted, withDeadline } from "../../net/deadline.ts";
import { readFull, writeAll } from "../../net/mod.ts";
import {
  dialTransport,
  type ExtOrPortConnection,
  launchClient,
  LaunchError,
  launchServer,
  type LaunchServerOptions,
  listenExtOrPort,
  type ServerMethod,
  type TransportProcess,
} from "../../parent/mod.ts";
import { EchoServer } from "../echo.ts";
import { bytes, takeText } from "../net/scripted_peer.ts";
import { untilRefused } from "../net/until_refused.ts";
import { freePort } from "../../testing/free_port.ts";
import { connectResettable, readToEnd } from "../../testing/mod.ts";
import { permitted, withDirectory } from "../permitted.ts";
import { runToEnd } from "../raw_child.ts";

const PROGRAM = new URL("./deployed.ts", import.meta.url).pathname;

/** The command of the program with some permissions. */
function command(...permissions: string[]): string[] {
  return [Deno.execPath(), "run", "--no-prompt", "--quiet", ...permissions, PROGRAM];
}

const ENVIRONMENT = "--allow-env=TOR_PT_*";
const GRANTED = [ENVIRONMENT, "--allow-net=127.0.0.1"];

const LOOPBACK: Address = ["127.0.0.1", 0];

/** Transports of a server on loopback. */
function onLoopback(...names: string[]): LaunchServerOptions["transports"] {
  return Object.fromEntries(names.map((name) => [name, { bindAddress: LOOPBACK }]));
}

/** Waits for something, and fails when it takes too long. */
function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  return withDeadline(20_000, what, undefined, (signal) => unlessAborted(promise, signal));
}

/** The program as a server, with tor behind it. */
class Bridge implements AsyncDisposable {
  readonly server: TransportProcess<ServerMethod>;
  /** What it has said on stdout. */
  readonly lines: readonly string[];
  /** The names of the transports whose connections have come to tor. */
  readonly arrived: (string | null)[] = [];
  readonly #arrivals: AsyncIterator<ExtOrPortConnection>;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    server: TransportProcess<ServerMethod>,
    lines: readonly string[],
    arrivals: AsyncIterator<ExtOrPortConnection>,
    resources: AsyncDisposableStack,
  ) {
    this.server = server;
    this.lines = lines;
    this.#arrivals = arrivals;
    this.#resources = resources;
  }

  static async launch(
    transports: LaunchServerOptions["transports"],
    stateDirectory: string,
    ...flags: string[]
  ): Promise<Bridge> {
    await using stack = new AsyncDisposableStack();
    const tor = stack.use(await listenExtOrPort());
    const lines: string[] = [];
    const granted = command(...GRANTED, `--allow-read=${tor.cookieFile}`);
    const server = stack.use(
      await launchServer([...granted, ...flags], {
        transports,
        extOrPort: tor,
        stateDirectory,
        onStdout: (line) => lines.push(line),
      }),
    );
    return new Bridge(server, lines, tor[Symbol.asyncIterator](), stack.move());
  }

  /** Connects to a transport where its `SMETHOD` line says. */
  async connect(transport: string): Promise<Deno.TcpConn> {
    const [hostname, port] = this.server.methods[transport]!.address;
    return await Deno.connect({ hostname, port });
  }

  /** The next connection that comes to tor. */
  async arrival(): Promise<ExtOrPortConnection> {
    const { value } = await soon(this.#arrivals.next(), "The way to tor");
    if (value === undefined) throw new Error("tor listens no more");
    this.arrived.push(value.transport);
    return value;
  }

  /** Ends the program; gives everything that it has logged. */
  async end(): Promise<string[]> {
    await this.server.close();
    return (await Array.fromAsync(this.server.messages)).map((said) => JSON.stringify(said));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** A test with the program as a server. */
function withBridge(
  name: string,
  transports: readonly string[],
  use: (bridge: Bridge) => Promise<void>,
): void {
  permitted(["net", "read", "write", "run"], name, () =>
    withDirectory(async (directory) => {
      await using bridge = await Bridge.launch(onLoopback(...transports), directory);
      await use(bridge);
    }));
}

/** Everything that comes until the connection ends. */
async function textOf(conn: Deno.Conn): Promise<string> {
  return new TextDecoder().decode(await soon(readToEnd(conn), "The end of the connection"));
}

/** Sends bytes both ways. */
async function checkCarries(user: Deno.Conn, { conn }: ExtOrPortConnection): Promise<void> {
  await writeAll(user, bytes("to tor"));
  assertEquals(await takeText(conn, 6), "to tor");
  await writeAll(conn, bytes("to the user"));
  assertEquals(await takeText(user, 11), "to the user");
}

permitted(
  ["net", "read", "write", "run"],
  "run() reports the address that a transport publishes, and listens where it was told",
  () =>
    withDirectory(async (directory) => {
      const rows = [
        ["nat", "203.0.113.7:443 ARGS:cert=a+b/c,iat=1"],
        ["nat_six", "[2001:db8::7]:443 ARGS:cert=a+b/c"],
        ["nat_address", "203.0.113.8:8443"],
        ["nat_args", "BOUND ARGS:cert=a+b/c"],
        ["nat_nothing", "BOUND"],
      ] as const;
      const ports = rows.map(([name]) => [name, freePort()] as const);
      const transports = ports.map(([name, port]) => [name, {
        bindAddress: ["127.0.0.1", port] as Address,
      }]);
      await using bridge = await Bridge.launch(Object.fromEntries(transports), directory);
      for (const [index, [name, line]] of rows.entries()) {
        const port = ports[index]![1];
        const bound = line.replace("BOUND", `127.0.0.1:${port}`);
        assertEquals(bridge.lines.filter((said) => said.includes(` ${name} `)), [
          `SMETHOD ${name} ${bound}`,
        ]);
        using user = await Deno.connect({ hostname: "127.0.0.1", port });
        const arrival = await bridge.arrival();
        using _conn = arrival.conn;
        assertEquals(arrival.transport, name);
        await checkCarries(user, arrival);
      }
    }),
);

withBridge(
  "run() warns of arguments that no client can send",
  ["fitting", "too_long"],
  (bridge) => {
    assertEquals(bridge.lines.filter((line) => line.startsWith("LOG ")), [
      'LOG SEVERITY=warning MESSAGE="too_long: its arguments have 511 bytes; no client can send more than 510"',
    ]);
    return Promise.resolve();
  },
);

permitted(
  ["net", "read", "write", "run"],
  "run() starts no transport that publishes an address which is none, and closes its port",
  () =>
    withDirectory(async (directory) => {
      const names = ["nat_name", "nat_port_zero", "sound"];
      const ports = names.map(() => freePort());
      const transports = Object.fromEntries(
        names.map((name, i) => [name, { bindAddress: ["127.0.0.1", ports[i]] as Address }]),
      );
      await using bridge = await Bridge.launch(transports, directory);
      assertEquals(Object.keys(bridge.server.methods), ["sound"]);
      const { nat_name, nat_port_zero, ...others } = bridge.server.failures;
      assertEquals(others, {});
      assertMatch(nat_name ?? "", /numeric IP address/);
      assertMatch(nat_port_zero ?? "", /port that was really bound, not 0/);
      await untilRefused(ports[0]!);
      await untilRefused(ports[1]!);
      using user = await bridge.connect("sound");
      const arrival = await bridge.arrival();
      using _conn = arrival.conn;
      assertEquals(arrival.transport, "sound");
      await checkCarries(user, arrival);
    }),
);

const KNOWN: readonly [forwardedFor: string, told: string][] = [
  ["198.51.100.7", "198.51.100.7"],
  ["2001:db8::7", "2001:db8::7"],
  // tor parses neither of these forms.
  ["::ffff:198.51.100.8", "198.51.100.8"],
  ["fe80::7%eth0", "fe80::7"],
];

const JUNK = [
  "unknown",
  "",
  "999.1.1.1",
  "a b",
  "1.2.3.4:80",
  "[2001:db8::7]",
  "198.51.100.7, 192.0.2.7",
  "localhost",
  "1".repeat(10_000),
];

/** Headers, and the address that tor is told. */
const FORWARDED: readonly (readonly [headers: readonly string[], told: Address | null])[] = [
  ...KNOWN.map(([value, ip]): [string[], Address] => [
    [`X-Forwarded-For: ${value}`],
    [ip, 60_000],
  ]),
  ...JUNK.map((value): [string[], null] => [[`X-Forwarded-For: ${value}`], null]),
  ...["70000", "-1", "some"].map((port): [string[], null] => [
    ["X-Forwarded-For: 198.51.100.7", `X-Forwarded-Port: ${port}`],
    null,
  ]),
  [[], null],
];

withBridge(
  "run() tells tor the address that a transport has found out, and none where that is none",
  ["proxied"],
  async (bridge) => {
    for (const [headers, told] of FORWARDED) {
      using user = await bridge.connect("proxied");
      const head = ["GET / HTTP/1.1", ...headers, "", ""].join("\r\n");
      await writeAll(user, bytes(`${head}early, `));
      const arrival = await bridge.arrival();
      using conn = arrival.conn;
      assertEquals(arrival.clientAddress, told, headers.join().slice(0, 100));
      assertEquals(arrival.transport, "proxied");
      await writeAll(user, bytes("late"));
      assertEquals(await takeText(conn, 11), "early, late");
      await checkCarries(user, arrival);
      await user.closeWrite();
      assertEquals(await conn.read(new Uint8Array(1)), null);
    }
    assertEquals(await bridge.end(), []);
  },
);

withBridge(
  "run() logs without its address that a connection broke, also where that was junk",
  ["proxied"],
  async (bridge) => {
    for (const [forwarded, count] of [["junk", 1], ["198.51.100.7", 2]] as const) {
      using user = await connectResettable(bridge.server.methods["proxied"]!.address[1]);
      await writeAll(user, bytes(`GET / HTTP/1.1\r\nX-Forwarded-For: ${forwarded}\r\n\r\n`));
      const arrival = await bridge.arrival();
      using conn = arrival.conn;
      await writeAll(conn, bytes("to the user"));
      assertEquals(await takeText(user, 11), "to the user");
      user.reset();
      await readToEnd(conn).catch(() => {});
      assertEquals(bridge.arrived.length, count);
    }
    const words = "proxied: a connection broke: Connection reset by peer (os error 104)";
    const logs = (await bridge.end()).map((text) => JSON.parse(text));
    assertEquals(logs.map(({ severity, message }) => [severity, message]), [
      ["info", words],
      ["info", words],
    ]);
  },
);

withBridge(
  "run() relays through the connection that a transport returns, whatever fields that has",
  ["inverted"],
  async (bridge) => {
    using user = await bridge.connect("inverted");
    const arrival = await bridge.arrival();
    using conn = arrival.conn;
    assertEquals(arrival.clientAddress?.[0], "127.0.0.1");
    await writeAll(user, Uint8Array.of(0, 1, 255));
    assertEquals(await readFull(conn, new Uint8Array(3)), Uint8Array.of(255, 254, 0));
    await writeAll(conn, Uint8Array.of(3));
    assertEquals(await readFull(user, new Uint8Array(1)), Uint8Array.of(252));
  },
);

const PAGE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhome";

/** Who has handled the connection, and what comes behind the last page. */
const SITES = [
  ["site_awaited", ""],
  ["site_in_the_background", ""],
  ["site_after_a_while", ""],
  ["site_with_more", ", and more"],
  ["site_that_rejects", ""],
] as const;

for (const [name, more] of SITES) {
  withBridge(
    `run() leaves a connection to the transport that handles it beyond the 60 s (${name})`,
    [name, "sound"],
    async (bridge) => {
      using visitor = await bridge.connect(name);
      await writeAll(visitor, bytes("GET /1 HTTP/1.1\r\n\r\n"));
      assertEquals(await takeText(visitor, PAGE.length), PAGE);
      {
        using user = await bridge.connect("sound");
        const arrival = await bridge.arrival();
        using _conn = arrival.conn;
        await checkCarries(user, arrival);
      }
      await writeAll(visitor, bytes("GET /2 HTTP/1.1\r\nConnection: close\r\n\r\n"));
      assertEquals(await textOf(visitor), PAGE + more);
      // It is the next one that comes, so tor has not heard of the visitor.
      using user = await bridge.connect("sound");
      const arrival = await bridge.arrival();
      using _conn = arrival.conn;
      await checkCarries(user, arrival);
      assertEquals(bridge.arrived, ["sound", "sound"]);
      assertEquals(await bridge.end(), []);
    },
  );
}

withBridge(
  "run() ends at the 60 s the connection of a transport that handles it and does not ask for more",
  ["site_that_does_not_ask"],
  async (bridge) => {
    using visitor = await bridge.connect("site_that_does_not_ask");
    await writeAll(visitor, bytes("GET /1 HTTP/1.1\r\nConnection: close\r\n\r\n"));
    const answer = await textOf(visitor);
    assert(PAGE.startsWith(answer) && answer.length < PAGE.length, answer);
    const [logged = "", ...others] = await bridge.end();
    assertEquals(others, []);
    assertStringIncludes(logged, "longer than 60 s");
  },
);

withBridge(
  "run() closes a connection for which a transport returns null, and says nothing of it",
  ["drain", "drain_later", "sound"],
  async (bridge) => {
    for (const name of ["drain", "drain_later"]) {
      using visitor = await bridge.connect(name);
      assertEquals(await textOf(visitor), "");
    }
    using user = await bridge.connect("sound");
    const arrival = await bridge.arrival();
    using _conn = arrival.conn;
    assertEquals(arrival.transport, "sound");
    await checkCarries(user, arrival);
    assertEquals(await bridge.end(), []);
  },
);

withBridge(
  "run() gives a connection that a transport handles its last 2 s, and ends then",
  ["stays", "drain"],
  async (bridge) => {
    const { server } = bridge;
    using visitor = await bridge.connect("stays");
    const checkEcho = async () => {
      await writeAll(visitor, Uint8Array.of(1, 2, 3));
      assertEquals(await readFull(visitor, new Uint8Array(3)), Uint8Array.of(1, 2, 3));
    };
    await checkEcho();
    Deno.kill(server.pid, "SIGTERM");
    // Whoever connects too early is let go.
    await untilRefused(server.methods["drain"]!.address[1]);
    await checkEcho();
    // No time brings the program to its end: only the end of what it serves does.
    assertEquals(await textOf(visitor), "");
    const { code, signal } = await soon(server.exited, "The end of the program");
    assertEquals({ code, signal }, { code: 0, signal: null });
    const message = "the signal of stays has aborted";
    assertEquals(await bridge.end(), [
      JSON.stringify({ kind: "log", severity: "notice", message }),
    ]);
  },
);

/** What the transport `flagged` is told, by the arguments of the program. */
const FLAGS: readonly [args: string[], flags: Record<string, unknown>][] = [
  [[], { level: "some", polite: true }],
  [["--loud"], { level: "some", polite: true, loud: true }],
  [["--level", "all"], { level: "all", polite: true }],
  [["-l", "all", "-L"], { level: "all", polite: true, loud: true }],
  [["-Lla-b"], { level: "a-b", polite: true, loud: true }],
  [["--level=--none"], { level: "--none", polite: true }],
  [
    ["--origin=one.example", "--origin", "two.example"],
    { level: "some", polite: true, origin: ["one.example", "two.example"] },
  ],
];

/** Flags without their order. */
function sorted(entries: Iterable<[string, unknown]>): [string, unknown][] {
  return Array.from(entries).toSorted(([a], [b]) => a < b ? -1 : 1);
}

permitted(
  ["net", "read", "write", "run"],
  "run() hands a server what its flags are set to, when it publishes and when it serves",
  () =>
    withDirectory(async (directory) => {
      await Promise.all(FLAGS.map(async ([args, flags]) => {
        await using bridge = await Bridge.launch(onLoopback("flagged"), directory, ...args);
        const published = [...bridge.server.methods["flagged"]!.args]
          .map(([name, value]): [string, unknown] => [name, JSON.parse(value)]);
        assertEquals(sorted(published), sorted(Object.entries(flags)));
        using _user = await bridge.connect("flagged");
        using _conn = (await bridge.arrival()).conn;
        const [logged = ""] = await bridge.end();
        const { message } = JSON.parse(logged);
        assertEquals(JSON.parse(message.replace("server ", "")), flags);
      }));
    }),
);

permitted(
  ["net", "read", "write", "run"],
  "run() hands a client what its flags are set to",
  () =>
    withDirectory(async (stateDirectory) => {
      using echo = new EchoServer();
      await Promise.all(FLAGS.map(async ([args, flags]) => {
        await using client = await launchClient([...command(...GRANTED), ...args], {
          transports: ["flagged"],
          stateDirectory,
        });
        using conn = await dialTransport(client.methods["flagged"]!, echo.address);
        await writeAll(conn, bytes("echo"));
        assertEquals(await takeText(conn, 4), "echo");
        await client.close();
        const [logged] = await Array.fromAsync(client.messages);
        assert(logged?.kind === "log");
        assertEquals(JSON.parse(logged.message.replace("client ", "")), flags);
      }));
    }),
);

/** It may read no variable. */
const ALONE = command("--allow-env=NOTHING");

permitted(["read", "run"], "run() shows a program's flags in --help, and its own", async () => {
  const { code, stdout, stderr } = await runToEnd([...ALONE, "--help"], {});
  assertEquals([code, stderr], [0, ""]);
  const [, options] = stdout.split("\nOptions:\n");
  assertEquals(options?.trimEnd().split("\n").map((line) => line.trim().split(/ {2,}/)), [
    ["-l, --level VALUE", "how much is said (default: some)"],
    ["--origin VALUE", "a site to stand in for (may come several times)"],
    ["-L, --loud", "says it all"],
    ["--polite", "(default: true)"],
    ["--capabilities", "what this program can do and needs, as JSON"],
    ["-h, --help", "this text"],
    ["--version", "the version of this program"],
  ]);
  for (const args of [["-h"], ["-Lh"], ["--level=x", "--help"], ["--help", "--version"]]) {
    assertEquals(await runToEnd([...ALONE, ...args], {}), { code, stdout, stderr }, args.join());
  }
});

permitted(["read", "run"], "run() shows a program's flags in --capabilities", async () => {
  const { code, stdout, stderr } = await runToEnd([...ALONE, "--capabilities"], {});
  assertEquals([code, stderr], [0, ""]);
  assertEquals(JSON.parse(stdout).flags, {
    level: { type: "string", short: "l", default: "some", description: "how much is said" },
    origin: { type: "string", multiple: true, description: "a site to stand in for" },
    loud: { type: "boolean", short: "L", description: "says it all" },
    polite: { type: "boolean", default: true },
  });
});

/** Arguments that are none, and what is said about them. */
const MISTAKES: readonly [args: string[], cause: RegExp][] = [
  [["--lewel=all"], /--lewel/],
  [["-x"], /-x/],
  [["--level"], /--level.* missing/],
  [["--loud", "-l"], /--level.* missing/],
  [["--level", "--loud"], /--level/],
  [["--loud=yes"], /--loud.* not take/],
  [["--no-loud"], /--no-loud/],
  [["--help", "--lewel"], /--lewel/],
  [["flagged"], /flagged/],
  [["--", "flagged"], /flagged/],
  [[""], /''/],
];

permitted(
  ["read", "run"],
  "run() says on stderr what is wrong with its arguments, and ends with status 2",
  async () => {
    await Promise.all(MISTAKES.map(async ([args, cause]) => {
      const { code, stdout, stderr } = await runToEnd([...ALONE, ...args], {});
      assertEquals([code, stdout], [2, ""], args.join());
      assertMatch(stderr, cause);
      assertMatch(stderr, /^deployed: [^]+ \(try --help\)\n$/);
    }));
  },
);

permitted(
  ["read", "run"],
  "run() says it to its parent, too, in one line and in no other",
  async () => {
    const rows = [...MISTAKES, [["one\ntwo\u{e9}"], /one/]] as const;
    await Promise.all(rows.map(async ([args, cause]) => {
      const run = [...command(ENVIRONMENT), ...args];
      const { code, stdout, stderr } = await runToEnd(run, { MANAGED_TRANSPORT_VER: "1" });
      assertEquals(code, 2, args.join());
      assertMatch(stdout, cause);
      assertMatch(stdout, /^ENV-ERROR deployed: [\x20-\x7e]+ \(try --help\)\n$/);
      assertMatch(stderr, /^deployed: [^]+ \(try --help\)\n$/);
    }));
  },
);

permitted(
  ["net", "read", "write", "run"],
  "run() tells whoever launches it with a mistake in its arguments what that is",
  () =>
    withDirectory(async (directory) => {
      const launched = Bridge.launch(onLoopback("flagged"), directory, "--lewel=all");
      const error = await assertRejects(() => launched, LaunchError);
      assertEquals(error.reason, "environment");
      assertStringIncludes(error.message, "deployed: Unknown option '--lewel' (try --help)");
    }),
);

permitted(
  ["read", "run"],
  "run() refuses a flag that would take the place of its own",
  async () => {
    const path = JSON.stringify(new URL("../../run/run.ts", import.meta.url).href);
    const rows = [
      [{ help: { type: "boolean" } }, "--help"],
      [{ version: { type: "boolean" } }, "--version"],
      [{ capabilities: { type: "string" } }, "--capabilities"],
      [{ host: { type: "string", short: "h" } }, "--host"],
    ] as const;
    await Promise.all(rows.map(async ([flags, name]) => {
      const options = JSON.stringify({ flags });
      const code = `import { run } from ${path}; await run({}, ${options});`;
      const deno = [Deno.execPath(), "eval", "--no-config", code, "--anything"];
      const outcome = await runToEnd(deno, { MANAGED_TRANSPORT_VER: "1" });
      assertEquals([outcome.code, outcome.stdout], [1, ""]);
      assertMatch(outcome.stderr, RegExp(`TypeError: The flag ${name} `));
    }));
  },
);

import { assertEquals, assertRejects, assertStrictEquals, assertStringIncludes } from "@std/assert";
import { stub } from "@std/testing/mock";
import { readArguments } from "../../run/command_line.ts";
import type { FlagOption, RunOptions, Transports } from "../../run/transport.ts";
import { asMainModule } from "../main_module.ts";
import { captureStdout } from "../stdout.ts";

/** What a program that ends has said, and its status. */
interface Answer {
  stdout: string;
  stderr: string;
  status: number | undefined;
}

class Exit extends Error {}

/** Stands in for the stream of an output of Deno's until it is disposed of. */
class Output implements Disposable {
  text = "";
  readonly #name: "stdout" | "stderr";

  constructor(name: "stdout" | "stderr") {
    this.#name = name;
    const decoder = new TextDecoder();
    const write = (chunk: Uint8Array) => void (this.text += decoder.decode(chunk));
    Object.defineProperty(Deno[name], "writable", {
      configurable: true,
      value: new WritableStream({ write }),
    });
  }

  [Symbol.dispose](): void {
    Reflect.deleteProperty(Deno[this.#name], "writable");
  }
}

const BOTH: Transports = { both: { client: ({ dial }) => dial(), server: (conn) => conn } };

/** How a program answers these arguments. */
async function answer(
  args: readonly string[],
  transports: Transports = BOTH,
  options: Readonly<RunOptions> = {},
  main = "file:///opt/mine.ts",
): Promise<Answer> {
  using stdout = new Output("stdout");
  using stderr = new Output("stderr");
  using protocol = captureStdout();
  using _main = asMainModule(main);
  let status: number | undefined;
  using _ = stub(Deno, "exit", (code) => {
    status = code;
    throw new Exit();
  });
  await assertRejects(() => readArguments(args, transports, { name: "mine", ...options }), Exit);
  return { stdout: stdout.text + protocol.text(), stderr: stderr.text, status };
}

Deno.test("readArguments() gives the program's own flags, and not those of run()", async () => {
  const flags: Record<string, FlagOption> = {
    level: { type: "string", short: "l", default: "some" },
    loud: { type: "boolean" },
  };
  const options = { name: "mine", flags };
  const read = async (...args: string[]) => ({ ...await readArguments(args, BOTH, options) });
  assertEquals(await read(), { level: "some" });
  assertEquals(await read("-l", "much", "--loud"), { level: "much", loud: true });
});

Deno.test("readArguments() takes no flag of an author's that is one of run()'s own", async () => {
  const rows: readonly [flags: Record<string, FlagOption>, name: string][] = [
    [{ help: { type: "boolean" } }, "help"],
    [{ version: { type: "boolean" } }, "version"],
    [{ capabilities: { type: "string" } }, "capabilities"],
    [{ level: { type: "string" }, host: { type: "string", short: "h" } }, "host"],
  ];
  for (const [flags, name] of rows) {
    await assertRejects(
      () => readArguments([], BOTH, { name: "mine", flags }),
      TypeError,
      `The flag --${name} is one that run() has itself, or has its letter`,
    );
  }
});

Deno.test("readArguments() throws an author's mistake as it is", async () => {
  const wrong = { type: "number" } as unknown as FlagOption;
  await assertRejects(
    () => readArguments(["--x"], BOTH, { name: "mine", flags: { x: wrong } }),
    TypeError,
    "number",
  );
  const thrown = new Error("of the flags");
  const flags = {
    get x(): FlagOption {
      throw thrown;
    },
  };
  assertStrictEquals(
    await readArguments(["--x"], BOTH, { name: "mine", flags }).catch((error) => error),
    thrown,
  );
});

Deno.test("readArguments() says a user's mistake on stderr, and to a parent", async () => {
  const mistakes: readonly string[][] = [["--lewel"], ["-x"], ["word"], ["--help=yes"]];
  using _ = stub(
    Deno.env,
    "get",
    (name) => parent && name === "TOR_PT_MANAGED_TRANSPORT_VER" ? "1" : undefined,
  );
  let parent = false;
  for (const args of mistakes) {
    parent = false;
    const alone = await answer(args);
    assertEquals([alone.stdout, alone.status], ["", 2]);
    assertEquals(/^mine: .+ \(try --help\)\n$/.test(alone.stderr), true, alone.stderr);
    parent = true;
    const started = await answer(args);
    assertEquals(started, { ...alone, stdout: `ENV-ERROR ${alone.stderr}` });
  }
});

/** How tor is told to start this program. */
const STARTED = `exec /usr/bin/env DENO_NO_UPDATE_CHECK=1 ${Deno.execPath()} run --cached-only`;

const HELP = `mine is a pluggable transport: a program that tor starts. In a torrc that is

  ClientTransportPlugin both,front ${STARTED} --no-prompt --allow-env=TOR_PT_* --allow-net --allow-sys /opt/mine.ts
  ServerTransportPlugin both,back ${STARTED} --no-prompt --allow-env=TOR_PT_* --allow-net --allow-read /opt/mine.ts

Transports:
  both (client and server)
  front (client only)
  back (server only)

The permissions can be narrower where the addresses are known:
  client  --allow-net=127.0.0.1:0,BRIDGE:PORT (the proxy's address instead where there is one)
  server  --allow-net=BIND:PORT,127.0.0.1 --allow-read=KEY
  server  --allow-net=127.0.0.1
  The address of TOR_PT_OUTBOUND_BIND_ADDRESS_V4 or _V6 belongs to them, with port 0.

Options:
  -l, --level VALUE  how much is said (may come several times) (default: some)
  --plain
  --capabilities     what this program can do and needs, as JSON
  -h, --help         this text
  --version          the version of this program
`;

const ALL: Transports = {
  ...BOTH,
  front: { client: ({ dial }) => dial() },
  back: { server: (conn) => conn },
};

const OPTIONS: RunOptions = {
  version: "1.2",
  permissions: { client: ["--allow-sys"] },
  narrowed: {
    server: ["--allow-net=BIND:PORT,127.0.0.1 --allow-read=KEY", "--allow-net=127.0.0.1"],
  },
  flags: {
    level: {
      type: "string",
      short: "l",
      multiple: true,
      default: ["some"],
      description: "how much is said",
    },
    plain: { type: "boolean" },
  },
};

Deno.test("readArguments() answers --help", async () => {
  assertEquals(await answer(["--help"], ALL, OPTIONS), { stdout: HELP, stderr: "", status: 0 });
  assertEquals((await answer(["-h", "--version"], ALL, OPTIONS)).stdout, HELP);
});

Deno.test("readArguments() answers --help with the halves that there are", async () => {
  for (const [half, other] of [["front", "Server"], ["back", "Client"]] as const) {
    const { stdout } = await answer(["--help"], { [half]: ALL[half]! });
    assertEquals(stdout.includes(`${other}TransportPlugin`), false);
    assertEquals(stdout.includes(`  ${other.toLowerCase()}  `), false);
  }
});

Deno.test("readArguments() says in --help that tor takes no space in a path", async () => {
  const path = "file:///opt/my%20own/mine.ts";
  const { stdout } = await answer(["--help"], BOTH, {}, path);
  assertStringIncludes(stdout, " --allow-net /opt/my own/mine.ts\n");
  assertStringIncludes(stdout, "tor splits these lines at spaces: move what has one in its path\n");
});

Deno.test("readArguments() answers --version", async () => {
  assertEquals((await answer(["--version"], ALL, OPTIONS)).stdout, "mine 1.2\n");
  assertEquals((await answer(["--version"])).stdout, "mine (no version)\n");
});

Deno.test("readArguments() answers quietly when its reader has gone", async () => {
  using _gone = new Output("stdout");
  const write = () => Promise.reject(new Deno.errors.BrokenPipe());
  Object.defineProperty(Deno.stdout, "writable", {
    configurable: true,
    value: new WritableStream({ write }),
  });
  using _ = stub(Deno, "exit", (code) => {
    assertEquals(code, 0);
    throw new Exit();
  });
  await assertRejects(() => readArguments(["--capabilities"], BOTH, { name: "mine" }), Exit);
});

Deno.test("readArguments() answers --capabilities first", async () => {
  const { stdout, status } = await answer(["--help", "--capabilities"], ALL, OPTIONS);
  assertEquals(status, 0);
  const environment = [
    "TOR_PT_MANAGED_TRANSPORT_VER",
    "TOR_PT_STATE_LOCATION",
    "TOR_PT_EXIT_ON_STDIN_CLOSE",
    "TOR_PT_OUTBOUND_BIND_ADDRESS_V4",
    "TOR_PT_OUTBOUND_BIND_ADDRESS_V6",
    "TOR_PT_CLIENT_TRANSPORTS",
    "TOR_PT_SERVER_TRANSPORTS",
    "TOR_PT_PROXY",
    "TOR_PT_SERVER_BINDADDR",
    "TOR_PT_SERVER_TRANSPORT_OPTIONS",
    "TOR_PT_ORPORT",
    "TOR_PT_EXTENDED_SERVER_PORT",
    "TOR_PT_AUTH_COOKIE_FILE",
  ];
  const net = ["--allow-env=TOR_PT_*", "--allow-net"];
  assertEquals(JSON.parse(stdout), {
    name: "mine",
    version: "1.2",
    transports: {
      both: { client: true, server: true },
      front: { client: true, server: false },
      back: { client: false, server: true },
    },
    environment,
    permissions: { client: [...net, "--allow-sys"], server: [...net, "--allow-read"] },
    narrowed: {
      client: [
        "--allow-net=127.0.0.1:0,BRIDGE:PORT (the proxy's address instead where there is one)",
      ],
      server: ["--allow-net=BIND:PORT,127.0.0.1 --allow-read=KEY", "--allow-net=127.0.0.1"],
    },
    flags: OPTIONS.flags,
  });
  const alone = JSON.parse((await answer(["--capabilities"], { front: ALL["front"]! })).stdout);
  assertEquals([alone.version, alone.flags], [null, {}]);
  const narrowed = (await answer(["--capabilities"], { back: ALL["back"]! })).stdout;
  assertEquals(JSON.parse(narrowed).narrowed, {
    server: ["--allow-net=BIND:PORT,127.0.0.1 --allow-read=COOKIE_FILE"],
  });
  assertEquals([alone.environment, alone.permissions], [environment.slice(0, 8), { client: net }]);
});

import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  launchClient,
  type LaunchClientOptions,
  LaunchError,
  type LaunchFailure,
  launchServer,
} from "../../parent/mod.ts";
import { permitted, withDirectory } from "../permitted.ts";

/** A program with these statements; it has `say()` and `stay()`, which ends with its stdin. */
function program(statements: string): string[] {
  return [
    Deno.execPath(),
    "eval",
    "--no-config",
    `const say = (...lines) => console.log(lines.join("\\n"));
     const stay = async () => { for await (const _ of Deno.stdin.readable); };
     ${statements}`,
  ];
}

const READY = `say("VERSION 1", "CMETHOD a socks5 127.0.0.1:1", "CMETHODS DONE"); await stay();`;

async function withState(use: (stateDirectory: string) => Promise<void>): Promise<void> {
  await withDirectory((parent) => use(`${parent}/state`));
}

/** A test with a state directory that does not exist yet. */
function launching(name: string, use: (stateDirectory: string) => Promise<void>): void {
  permitted(["run", "read", "write"], name, () => withState(use));
}

/** Whether a process lives. A zombie does not. */
function lives(pid: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
  } catch {
    return false;
  }
}

/** Waits for the end of a process that was killed, which takes the system a moment. */
async function untilGone(pid: number): Promise<void> {
  while (lives(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
}

launching(
  "launchClient() sets what tor sets, and nothing of ours that no child needs",
  async (stateDirectory) => {
    Deno.env.set("PTLIB_TEST_SECRET", "s");
    const report = `
    say("VERSION 1", ...Object.entries(Deno.env.toObject()).map(([name, value]) =>
      "STATUS TRANSPORT=a " + name + "=" + JSON.stringify(value)),
      "PROXY DONE", "CMETHOD a socks5 127.0.0.1:1", "CMETHODS DONE");
    await stay();`;
    await using client = await launchClient(program(report), {
      transports: ["a", "b_2"],
      stateDirectory,
      proxy: { scheme: "socks5", host: "::1", port: 1080, user: "me@home", password: "p:/%" },
      env: { EXTRA: "x" },
    }).finally(() => Deno.env.delete("PTLIB_TEST_SECRET"));
    client.close();
    const env: Record<string, string> = {};
    for await (const message of client.messages) {
      if (message.kind !== "status") throw new Error(message.kind);
      for (const [name, value] of message.values) env[name] = value;
    }
    const added = ["EXTRA", "DENO_NO_UPDATE_CHECK"];
    const ours = Object.entries(env).filter(([name]) =>
      !name.startsWith("TOR_PT_") && !added.includes(name)
    );
    assert(ours.every(([name, value]) => Deno.env.get(name) === value));
    assertEquals(env["PTLIB_TEST_SECRET"], undefined);
    assertEquals(env["PATH"], Deno.env.get("PATH"));
    assertEquals([env["EXTRA"], env["DENO_NO_UPDATE_CHECK"]], ["x", "1"]);
    assertEquals(
      Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("TOR_PT_"))),
      {
        TOR_PT_MANAGED_TRANSPORT_VER: "1",
        TOR_PT_STATE_LOCATION: await Deno.realPath(stateDirectory),
        TOR_PT_EXIT_ON_STDIN_CLOSE: "1",
        TOR_PT_CLIENT_TRANSPORTS: "a,b_2",
        TOR_PT_PROXY: "socks5://me%40home:p%3A%2F%25@[::1]:1080",
      },
    );
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(stateDirectory)).mode! & 0o777, 0o700);
    }
  },
);

launching("launchServer() sets what tor sets, with its options escaped", async (stateDirectory) => {
  const report = `
    say("VERSION 1", ...Object.entries(Deno.env.toObject())
      .filter(([name]) => /^TOR_PT_.*(SERVER|ORPORT|COOKIE)/.test(name)).map(([name, value]) =>
      "STATUS TRANSPORT=a " + name + "=" + JSON.stringify(value)),
      "SMETHOD a 127.0.0.1:1 ARGS:k=v", "SMETHODS DONE");
    await stay();`;
  async function environment(ports: Parameters<typeof launchServer>[1]) {
    await using server = await launchServer(program(report), ports);
    server.close();
    const env: Record<string, string> = {};
    for await (const message of server.messages) {
      if (message.kind !== "status") throw new Error(message.kind);
      for (const [name, value] of message.values) env[name] = value;
    }
    return env;
  }
  const options = [["key", "a;b"], ["rule", "1:2=3"]] as const;
  const extOrPort = { address: ["127.0.0.1", 9002] as [string, number], cookieFile: "/c/d" };
  assertEquals(
    await environment({
      transports: { a: { bindAddress: ["::", 0], options }, b: {} },
      orport: ["127.0.0.1", 9001],
      extOrPort,
      stateDirectory,
    }),
    {
      TOR_PT_SERVER_TRANSPORTS: "a,b",
      TOR_PT_SERVER_BINDADDR: "a-[::]:0",
      TOR_PT_SERVER_TRANSPORT_OPTIONS: "a:key=a\\;b;a:rule=1\\:2\\=3",
      TOR_PT_ORPORT: "127.0.0.1:9001",
      TOR_PT_EXTENDED_SERVER_PORT: "127.0.0.1:9002",
      TOR_PT_AUTH_COOKIE_FILE: "/c/d",
    },
  );
  assertEquals(
    await environment({ transports: { a: {} }, orport: ["127.0.0.1", 9001], stateDirectory }),
    {
      TOR_PT_SERVER_TRANSPORTS: "a",
      TOR_PT_ORPORT: "127.0.0.1:9001",
      TOR_PT_EXTENDED_SERVER_PORT: "",
    },
  );
});

launching(
  "launchClient() gives methods, failures and messages, and ends the program",
  async (stateDirectory) => {
    const lines = `
    say("LOG SEVERITY=notice MESSAGE=early", "VERSION 1", "NEWS", "what ever!", "LOG broken",
      "CMETHOD-ERROR b no \\x1b port", "CMETHOD a socks4 [::1]:65535\\r",
      'STATUS TYPE=version IMPLEMENTATION="x" VERSION="1"', "CMETHODS DONE", "LOG SEVERITY=info MESSAGE=late");
    console.error("hello");
    await stay();`;
    const heard = Promise.withResolvers<string>();
    const client = await launchClient(program(lines), {
      transports: ["a", "b", "c"],
      stateDirectory,
      onStderr: heard.resolve,
    });
    assertEquals(client.methods["a"]?.address, ["::1", 65535]);
    assertEquals(client.methods["a"]?.socksVersion, 4);
    assertEquals({ ...client.failures }, {
      b: "no ? port",
      c: "the program does not have this transport",
    });
    assertEquals(await heard.promise, "hello");
    assert(lives(client.pid));
    const exit = await client.close();
    assertEquals([exit.code, exit.signal, exit.fault], [0, null, null]);
    assert(!lives(client.pid));
    const kinds = [];
    for await (const message of client.messages) kinds.push(message.kind);
    assertEquals(kinds, ["log", "status-version", "log"]);
    await client.close();
    assertEquals(exit.lastLines.toSorted(), ["LOG info: late", "LOG notice: early", "hello"]);
  },
);

const GOOD = `"CMETHOD a socks5 127.0.0.1:1"`;
const failing: [string, string, LaunchFailure, string][] = [
  ["dies without a word", `Deno.exit(3)`, "exited", "it ended with status 3 before"],
  ["dies after a method", `say("VERSION 1", ${GOOD})`, "exited", "it ended with status 0 before"],
  ["dies by a signal", `Deno.kill(Deno.pid, "SIGKILL"); await stay()`, "exited", "with SIGKILL"],
  [
    "refuses the version",
    `say("VERSION-ERROR no-version")`,
    "version",
    "not speak version 1: no-v",
  ],
  ["chooses another version", `say("VERSION 2"); await stay()`, "version", "was not offered"],
  [
    "says ENV-ERROR",
    `say("ENV-ERROR no \\x1b[31m state"); Deno.exit(1)`,
    "environment",
    "no  state",
  ],
  [
    "says ENV-ERROR too late",
    `say("VERSION 1", "ENV-ERROR x"); await stay()`,
    "order",
    "ENV-ERROR after VERSION",
  ],
  [
    "says VERSION twice",
    `say("VERSION 1", "VERSION 1"); await stay()`,
    "order",
    "VERSION after VERSION",
  ],
  [
    "says DONE before VERSION",
    `say("CMETHODS DONE"); await stay()`,
    "order",
    "CMETHODS DONE before VERSION",
  ],
  [
    "has none of the transports",
    `say("VERSION 1", "CMETHODS DONE"); await stay()`,
    "no-method",
    "a: the program does not have",
  ],
  [
    "cannot start any",
    `say("VERSION 1", "CMETHOD-ERROR a no port", "CMETHODS DONE"); await stay()`,
    "no-method",
    "a: no port",
  ],
  [
    "reports another transport",
    `say("VERSION 1", "CMETHOD z socks5 127.0.0.1:1"); await stay()`,
    "transport",
    "reported z, which",
  ],
  [
    "reports a transport twice",
    `say("VERSION 1", ${GOOD}, "CMETHOD-ERROR a b"); await stay()`,
    "transport",
    "reported a twice",
  ],
  [
    "reports port 0",
    `say("VERSION 1", "CMETHOD a socks5 127.0.0.1:0"); await stay()`,
    "line",
    "port is 0",
  ],
  [
    "reports a host name",
    `say("VERSION 1", "CMETHOD a socks5 localhost:1"); await stay()`,
    "line",
    "not a numeric IP",
  ],
  [
    "reports a server",
    `say("VERSION 1", "SMETHOD a 127.0.0.1:1"); await stay()`,
    "order",
    "SMETHOD, which belongs",
  ],
  [
    "answers for no proxy",
    `say("VERSION 1", "PROXY DONE"); await stay()`,
    "order",
    "without being asked",
  ],
  [
    "says a line without an end",
    `for (;;) await Deno.stdout.write(new Uint8Array(65536).fill(65))`,
    "timeout",
    "after 1 s",
  ],
  [
    "says a line that is too long",
    `say("A".repeat(70_000)); await stay()`,
    "line",
    "a line without an end",
  ],
  ["says nothing", `await stay()`, "timeout", "after 1 s"],
];

for (const [what, statements, reason, message] of failing) {
  launching(`launchClient() says why when the program ${what}`, async (stateDirectory) => {
    const command = program(`console.error("last", "words"); ${statements}`);
    const options: LaunchClientOptions = { transports: ["a"], stateDirectory };
    if (reason === "timeout") options.timeout = 1_000;
    const error = await assertRejects(() => launchClient(command, options), LaunchError, message);
    assertEquals(error.reason, reason);
    assertEquals(error.lastLines, ["last words"]);
    assert(!error.sentence.includes("last words"));
    assertStringIncludes(error.message, "Its last lines:\n  last words");
  });
}

for (
  const [what, lines, message] of [
    ["never says PROXY DONE", `"VERSION 1", ${GOOD}, "CMETHODS DONE"`, "never said PROXY DONE"],
    ["says PROXY-ERROR", `"VERSION 1", "PROXY-ERROR no", ${GOOD}, "CMETHODS DONE"`, "proxy: no"],
  ] as const
) {
  launching(`launchClient() fails closed when the program ${what}`, async (stateDirectory) => {
    const proxy = { scheme: "http", host: "127.0.0.1", port: 1 } as const;
    const launch = () =>
      launchClient(program(`say(${lines}); await stay()`), {
        transports: ["a"],
        stateDirectory,
        proxy,
      });
    const error = await assertRejects(launch, LaunchError, message);
    assertEquals(error.reason, "proxy");
  });
}

launching(
  "launchClient() says what is missing when a program cannot be spawned",
  async (stateDirectory) => {
    const options = { transports: ["a"], stateDirectory };
    const missing = await assertRejects(
      () => launchClient(["no-such-program"], options),
      LaunchError,
    );
    assertEquals(missing.reason, "not-started");
    assertStringIncludes(missing.message, 'There is no program "no-such-program": install it');
    const quoted = launchClient(["obfs4proxy -enableLogging"], options);
    await assertRejects(() => quoted, LaunchError, "words of their own, outside of quotes");
    await Deno.writeTextFile(`${stateDirectory}/file`, "");
    const inFile = { transports: ["a"], stateDirectory: `${stateDirectory}/file` };
    const noState = await assertRejects(() => launchClient(program(READY), inFile), LaunchError);
    assertStringIncludes(noState.message, "state directory cannot be created");
  },
);

launching(
  "LaunchError has the last lines of a program without their colours",
  async (stateDirectory) => {
    const codes = [
      "\\x1b[1;31mred\\x1b[0m",
      "\\x1b]0;title\\x07text",
      "\\x1b(Bplain\\x1b[K",
      "\\x9b1mbold",
    ];
    const statements = [
      ...codes.map((text) => `console.error("${text}")`),
      `say("ENV-ERROR \\x1b[31mno\\x1b[m luck \\x07")`,
    ];
    const options = { transports: ["a"], stateDirectory };
    const error = await assertRejects(
      () => launchClient(program(statements.join("; ")), options),
      LaunchError,
    );
    assertEquals(error.lastLines, ["red", "text", "plain", "bold"]);
    assertStringIncludes(error.sentence, "cannot use its environment: no luck ?");
  },
);

launching(
  "launchClient() throws a TypeError for what would break the environment",
  async (stateDirectory) => {
    for (const transports of [[], [""], ["a,b"], ["a-b"]]) {
      await assertRejects(
        () => launchClient(program(READY), { transports, stateDirectory }),
        TypeError,
      );
    }
    const nowhere = () => launchServer(program(READY), { transports: { a: {} }, stateDirectory });
    await assertRejects(nowhere, TypeError, "somewhere to forward to");
    const client = () => launchClient([], { transports: ["a"], stateDirectory });
    await assertRejects(client, TypeError, "no program to launch");
    const server = () => launchServer([], { transports: { a: {} }, stateDirectory });
    await assertRejects(server, TypeError, "no program to launch");
  },
);

launching(
  "TransportProcess.exited tells the fault of a program that breaks the protocol later",
  async (stateDirectory) => {
    const twice =
      `say("VERSION 1", ${GOOD}, "CMETHODS DONE"); await Deno.stdin.read(new Uint8Array(1));`;
    const later = `say("VERSION 1", ${GOOD}, "CMETHODS DONE", "CMETHODS DONE"); ${twice}`;
    await using client = await launchClient(program(later), { transports: ["a"], stateDirectory });
    const { fault } = await client.exited;
    assertEquals(fault?.reason, "order");
    assertStringIncludes(fault?.message ?? "", "CMETHODS DONE after the DONE line");
  },
);

launching("launchClient() reports what a callback throws, and reads on", async (stateDirectory) => {
  const reported: unknown[] = [];
  const report = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", report);
  try {
    const error = new Error("mine");
    await using client = await launchClient(program(READY), {
      transports: ["a"],
      stateDirectory,
      onStdout: () => {
        throw error;
      },
    });
    assertEquals(client.methods["a"]?.address, ["127.0.0.1", 1]);
    assertEquals(reported, [error, error, error]);
  } finally {
    removeEventListener("error", report);
  }
});

launching("launchClient() drains what nobody reads", async (stateDirectory) => {
  const flood = `
    say("VERSION 1", ${GOOD}, "CMETHODS DONE");
    const lines = "LOG SEVERITY=info MESSAGE=x\\n".repeat(2000);
    for (let i = 0; i < 50; i++) { Deno.stdout.writeSync(new TextEncoder().encode(lines)); console.error(lines); }
    console.error("all written");
    await stay();`;
  const written = Promise.withResolvers<void>();
  await using client = await launchClient(program(flood), {
    transports: ["a"],
    stateDirectory,
    onStderr: (line) => line === "all written" && written.resolve(),
  });
  await written.promise;
  client.close();
  await client.exited; // Until then, what it has written still comes in where a message is taken.
  let count = 0;
  for await (const _ of client.messages) count++;
  assertEquals(count, 256);
});

launching(
  "launchClient() ends the program when its signal aborts, during the launch and later",
  async (stateDirectory) => {
    const during = new AbortController();
    const reason = new Error("enough");
    const silent = program(`console.error("up"); await stay()`);
    const launch = launchClient(silent, {
      transports: ["a"],
      stateDirectory,
      signal: during.signal,
      onStderr: () => during.abort(reason),
    });
    assertEquals(await launch.catch((error) => error), reason);
    const later = new AbortController();
    const options = { transports: ["a"], stateDirectory, signal: later.signal };
    const client = await launchClient(program(READY), options);
    later.abort();
    assertEquals((await client.exited).code, 0);
    assertEquals(
      await launchClient(program(READY), options).catch((error) => error),
      later.signal.reason,
    );
  },
);

launching(
  "TransportProcess.close() sends SIGTERM, then SIGKILL, to a program that ignores stdin",
  async (stateDirectory) => {
    const stays = `setInterval(() => {}, 1000);`;
    const rows: [string, Deno.Signal][] = [
      [stays, "SIGTERM"],
      [`Deno.addSignalListener("SIGTERM", () => {}); ${stays}`, "SIGKILL"],
    ];
    await Promise.all(rows.map(async ([statements, signal]) => {
      const command = program(`${statements} say("VERSION 1", ${GOOD}, "CMETHODS DONE");`);
      const client = await launchClient(command, { transports: ["a"], stateDirectory });
      assertEquals((await client.close()).signal, signal);
    }));
  },
);

launching(
  "launchClient() does not wait for a grandchild that holds the pipes",
  async (stateDirectory) => {
    // The grandchild ends when the launch has given up on it and closed its stdin.
    const grandchild = "for await (const _ of Deno.stdin.readable);";
    const forks = `
    say("VERSION 1");
    new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", ${JSON.stringify(grandchild)}],
      stdin: "inherit",
    }).spawn().unref();
    Deno.exit(4);`;
    const launch = () => launchClient(program(forks), { transports: ["a"], stateDirectory });
    await assertRejects(launch, LaunchError, "ended with status 4");
  },
);

permitted(
  ["run", "read", "write"],
  "launchClient() says why when the program closes its stdout and stays",
  () =>
    withState(async (stateDirectory) => {
      if (Deno.build.os === "windows") return;
      const command = ["sh", "-c", "printf 'no line end' >&2; exec >&-; read -r line; exit 0"];
      const launch = () => launchClient(command, { transports: ["a"], stateDirectory });
      const error = await assertRejects(launch, LaunchError, "sh: it closed its stdout before");
      assertEquals(error.reason, "exited");
      assertEquals(error.lastLines, ["no line end"]);
    }),
);

launching(
  "TransportProcess.close() is not held up by a program launched later",
  async (stateDirectory) => {
    const options = { transports: ["a"], stateDirectory };
    const first = await launchClient(program(READY), options);
    await using _second = await launchClient(program(READY), options);
    // A second holder of its stdin would keep it from ending before SIGTERM.
    assertEquals((await first.close()).signal, null);
  },
);

/** Lines of a shell that stands before a program and does not `exec` it. */
const WRAPPED = [
  "sleep 1000 & sleeper=$!",
  'echo VERSION 1; echo "STATUS TRANSPORT=a PID=$sleeper"',
  "echo CMETHOD a socks5 127.0.0.1:1; echo CMETHODS DONE",
];

for (
  const [how, last] of [["ends with its stdin", "read -r _; exit 0"], ["stays", "wait"]] as const
) {
  launching(
    `TransportProcess.close() ends what a wrapper that ${how} has started, too`,
    async (stateDirectory) => {
      if (Deno.build.os === "windows") return;
      const command = ["sh", "-c", [...WRAPPED, last].join("; ")];
      const process = await launchClient(command, { transports: ["a"], stateDirectory });
      const { value } = await process.messages.getReader().read();
      assert(value?.kind === "status");
      const pid = Number(value.values.get("PID"));
      assert(lives(pid));
      await process.close();
      await untilGone(pid);
    },
  );
}

launching(
  "launchClient() lets everything else go on while a program floods its pipes",
  async (stateDirectory) => {
    const flood = `
      const bytes = new TextEncoder().encode("y\\n".repeat(32_768));
      say("VERSION 1", "CMETHOD a socks5 127.0.0.1:1", "CMETHODS DONE");
      for (;;) { Deno.stderr.writeSync(bytes); Deno.stdout.writeSync(bytes); }`;
    let lines = 0;
    const count = () => void lines++;
    await using _client = await launchClient(program(flood), {
      transports: ["a"],
      stateDirectory,
      onStdout: count,
      onStderr: count,
    });
    for (let turn = 0; turn < 20; turn++) {
      const before = lines;
      await new Promise((resolve) => setTimeout(resolve));
      // At most a turn of each pipe, and the chunks with which each goes beyond it.
      assertLessOrEqual(lines - before, 4 * 65_536);
    }
  },
);

permitted(
  ["env", "run", "read", "write"],
  "launchClient() names the variable that it cannot pass on, and takes another value for it",
  () =>
    withState(async (stateDirectory) => {
      if (Deno.build.os === "windows") return;
      const mod = new URL("../../parent/mod.ts", import.meta.url).href;
      const ready = program(READY);
      const code = `
        import { launchClient } from ${JSON.stringify(mod)};
        const options = { transports: ["a"], stateDirectory: ${JSON.stringify(stateDirectory)} };
        const command = ${JSON.stringify(ready)};
        try {
          await launchClient(command, options);
        } catch (error) {
          console.log(error.name, error.message);
        }
        await using client = await launchClient(command, { ...options, env: { SSL_CERT_DIR: "/" } });
        console.log(Object.keys(client.methods).join());`;
      const { stdout } = await new Deno.Command("sh", {
        args: [
          "-c",
          `SSL_CERT_DIR=$(printf '/\\377') exec "$@"`,
          "sh",
          Deno.execPath(),
          ...["eval", "--no-config", code],
        ],
      }).output();
      const [first = "", second] = new TextDecoder().decode(stdout).split("\n");
      assertEquals(
        first,
        "LaunchError The variable SSL_CERT_DIR is not valid UTF-8, so it cannot be passed on: " +
          "unset it, or set it in env",
      );
      assertEquals(second, "a");
    }),
);

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { networkMissing, program } from "./check/broken_program.ts";
import { Running } from "./cli/ptlib_process.ts";
import { granted, permitted, withDirectory } from "./permitted.ts";

const NEEDS = ["run", "read"] as const;

interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs `ptlib check` with these arguments, its outputs being no terminal. */
async function ptlibCheck(...args: string[]): Promise<Outcome> {
  const cli = new URL("../cli.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "--allow-all", cli, "check", ...args],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { status: code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

function example(name: string): string[] {
  const path = new URL(`../examples/${name}.ts`, import.meta.url).pathname;
  return [Deno.execPath(), "run", "--no-check", "--quiet", "--allow-all", path];
}

/** An example that may not read what it is told. */
function withoutEnvironment(name: string): string[] {
  return example(name).map((word) => word === "--allow-all" ? "--no-prompt" : word);
}

const DUMMY = ["--transport", "dummy"];

/** Lines that no terminal has room for, but for the command as it was given. */
function tooLong(text: string): string[] {
  return text.split("\n").filter((line) => line.length > 100 && !line.startsWith("checking "));
}

permitted(NEEDS, "ptlib check prints one line a check and counts them", async () => {
  const only = ["--client", "--only", "version-list|log-grammar"];
  const { status, stdout, stderr } = await ptlibCheck(...DUMMY, ...only, "--", ...program());
  const lines = stdout.trimEnd().split("\n");
  const told = lines.filter((line) => !line.startsWith(" "));
  assertEquals(told.length, 3);
  assertMatch(told[0] ?? "", /^ok +client\/version-list +MUST +accepts any/);
  assertMatch(told[1] ?? "", /^skip client\/log-grammar +MUST +writes LOG lines/);
  assertEquals(told[2], "1 passed, 0 failed");
  assert(lines.includes("       needs a LOG line: the program says none"));
  assertEquals(lines.filter((line) => line.length > 100), []);
  assertMatch(stderr, /; 1 skipped\n$/);
  assertEquals(status, 0);
});

permitted(NEEDS, "ptlib check ends with status 1 when a MUST fails, and says why", async () => {
  const only = ["--client", "--only", "version-(?:list|substring)"];
  const faulty = program("version-substring");
  const { status, stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...faulty);
  assertMatch(stdout, /^FAIL client\/version-substring/m);
  assertStringIncludes(stdout, "expected: VERSION-ERROR for an offer of 11,1x\n");
  assertMatch(stdout, /^ +got: +it said "VERSION 1"/m);
  assertMatch(stdout, /^ +by hand: +env -i .*TOR_PT_MANAGED_TRANSPORT_VER=11,1x \\$/m);
  assertEquals(stdout.split("\n").filter((line) => line.length > 100), []);
  assertMatch(stdout, /\n1 passed, 1 failed \(1 MUST\)\n$/);
  assertEquals(status, 1);
});

permitted(NEEDS, "ptlib check ends with status 0 when only a SHOULD fails", async () => {
  const only = ["--server", "--only", "version-error-text"];
  const faulty = program("version-error-text");
  const { status, stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...faulty);
  assertMatch(stdout, /\n0 passed, 1 failed \(1 SHOULD\)\n$/);
  assertEquals(status, 0);
});

permitted(NEEDS, "ptlib check --json prints one object", async () => {
  const only = ["--json", "--client", "--only", "version-list"];
  const { status, stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...program());
  const { transport, passed, failed, skipped, errors, checks, ...more } = JSON.parse(stdout);
  assertEquals([transport, passed, failed, skipped, errors], ["dummy", 1, 0, 0, 0]);
  const none = { passed: 0, failed: 0, skipped: 0, errors: 0 };
  const levels = { MUST: { ...none, passed: 1 }, SHOULD: none, robustness: none, extra: none };
  assertEquals([more.levels, more.causes, more.whole], [levels, [], true]);
  assertEquals(more.versions.deno, Deno.version.deno);
  assertEquals(checks, [{
    id: "version-list",
    role: "client",
    title: "accepts any well-formed list of versions with 1 in it",
    section: "pt-spec 3.2.1",
    level: "MUST",
    outcome: "ok",
  }]);
  assertEquals(status, 0);
});

permitted(NEEDS, "ptlib check asks a program built on run() for its transport", async () => {
  const options = ["--client", "--only", "version-list"];
  const { status, stdout } = await ptlibCheck(...options, "--", ...example("rot13"));
  assertMatch(stdout, /^ok +client\/version-list .*\n(?: .*\n)*1 passed, 0 failed\n$/);
  assertEquals(status, 0);
  const tells = `console.log('{"transports": {"a": {}, "b": {}}}')`;
  const several = await ptlibCheck(...options, "--", Deno.execPath(), "eval", tells);
  assertStringIncludes(
    several.stderr,
    "--transport NAME is missing: the transport to check, one of a, b",
  );
  assertEquals(several.status, 2);
});

permitted(NEEDS, "ptlib check says what is wrong with its arguments", async () => {
  const wrong: [args: string[], complaint: string][] = [
    [["--", Deno.execPath(), "eval", "console.log(5)"], "such as obfs4"],
    [["--transport", "4a", "--", "x"], "--transport is malformed"],
    [DUMMY, "there is no program after --"],
    [[...DUMMY, "--client", "--server", "--", "x"], "exclude each other"],
    [[...DUMMY, "--only", "(", "--", "x"], "--only is not a regular expression: ("],
    [[...DUMMY, "--option", "key", "--", "x"], "--option is not K=V: key"],
    [[...DUMMY, "--args", "key", "--", "x"], "--args is malformed"],
    [[...DUMMY, "--args", "a=b c=d", "--", "x"], "there is a space in it, but arguments are"],
    [[...DUMMY, "--env", "NOBODY_SETS_IT", "--", "x"], "--env names a variable that is not set"],
    [[...DUMMY, "--patience", "soon", "--", "x"], "--patience is not a number of seconds"],
    [[...DUMMY, "--beside", "4a", "--", "x"], "--beside is malformed"],
    [[...DUMMY, "--by-hand", "nothing", "--", "x"], "--by-hand is not a check: nothing"],
    [
      [...DUMMY, "--by-hand", "relay-bytes", "--", "x"],
      "client/relay-bytes and server/relay-bytes",
    ],
    // An example that is a client only: that it is no server is not what was asked for.
    [["--only", "nothing", "--", ...example("dummy_client")], "no check matches --only"],
    [["--server", "--only", "socks", "--", ...example("dummy_client")], "no check matches --only"],
  ];
  for (const [args, complaint] of wrong) {
    const { status, stdout, stderr } = await ptlibCheck(...args);
    assertEquals([status, stdout], [2, ""], complaint);
    assertStringIncludes(stderr, complaint);
  }
});

permitted(NEEDS, "ptlib check says when there is no such program", async () => {
  const { status, stderr } = await ptlibCheck(...DUMMY, "--", "no-such-program-anywhere");
  assertEquals(status, 3);
  assertStringIncludes(stderr, 'There is no program "no-such-program-anywhere": install it');
  assert(!stderr.includes("    at "), "there is a stack trace");
});

permitted(NEEDS, "ptlib check --list prints the checks, and makes none", async () => {
  const { status, stdout } = await ptlibCheck("--list", "--client", "--only", "version-l|done-s");
  const told = stdout.trimEnd().split("\n").filter((line) => !line.startsWith(" "));
  assertEquals(told.map((line) => line.split(" ")[0]), [
    "client/version-list",
    "client/done-said",
  ]);
  assertEquals(status, 0);
});

permitted(NEEDS, "ptlib check --failures prints failures and counts alone", async () => {
  const only = ["--failures", "--client", "--only", "version-(?:list|error-text)|log-grammar"];
  const { stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...program("version-error-text"));
  const lines = stdout.trimEnd().split("\n").filter((line) => !line.startsWith(" "));
  assertEquals(lines.map((line) => line.slice(0, 31)), [
    "FAIL client/version-error-text ",
    "1 passed, 1 failed (1 SHOULD)",
  ]);
});

permitted(NEEDS, "ptlib check ends with status 3 when nothing could be judged", async () => {
  const only = ["--client", "--only", "log-grammar"];
  const { status, stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...program());
  assertMatch(stdout, /\n0 passed, 0 failed\n$/);
  assertEquals(status, 3);
});

permitted(NEEDS, "ptlib check ends with status 3 when no connection could be judged", async () => {
  // A client that grants nothing, without the server half that could tell why.
  const only = ["--client", "--only", "relay-bytes|version-list"];
  const { status, stderr } = await ptlibCheck(...DUMMY, ...only, "--", ...program("socks-granted"));
  assertStringIncludes(stderr, "no connection through the program could be judged");
  assertEquals(status, 3);
});

permitted(NEEDS, "ptlib check --failures says why nothing could be judged", async () => {
  const only = ["--failures", "--only", "client/relay-bytes"];
  const key = `key=${"ab".repeat(32)}`;
  const without = await ptlibCheck(...only, "--option", key, "--", ...example("frames"));
  assertMatch(
    without.stderr,
    /\nno connection .* judged:\n {2}client\/relay-bytes needs [^]* arguments:\s+give them by --args\n {2}it said: LOG [^]*There is no\s+key=/,
  );
  assert(!without.stderr.includes("--option"));
  const neither = await ptlibCheck(...only, "--", ...example("frames"));
  assertMatch(neither.stderr, /needs a running server: [^]* give\s+them by --option\n$/);
  assertEquals([without.status, neither.status], [3, 3]);
  assertEquals(tooLong(neither.stderr), []);
});

permitted(NEEDS, "ptlib check shows what both halves said below what it skips", async () => {
  const path = new URL("./check/throwing_transport.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "--no-check", "--quiet", "--allow-all", path];
  const only = ["--transport", "greeted", "--only", "client/relay-bytes"];
  const { stdout } = await ptlibCheck(...only, "--", ...command);
  assertMatch(stdout, /^ {7}it said: {2}LOG .*greeted: no connection: /m);
  assertMatch(stdout, /^ {7}the server said: LOG .*a bug in server\(\)$/m);
  assertMatch(stdout, /^ +\(TypeError at throwing_transport\.ts:\d+:\d+\)"$/m);
});

permitted(NEEDS, "ptlib check says in one sentence that a program cannot be checked", async () => {
  const cases: [command: string[], sentence: string][] = [
    [
      ["cat"],
      "The program says nothing of the protocol within 8 s: it said nothing. If it starts slowly, " +
      "give it longer by --patience\n",
    ],
    [
      ["sh", "-c", "echo oh dear >&2"],
      "The program ends without a word of the protocol: it said nothing; on stderr: oh dear",
    ],
    [example("rot13"), "has no client of dummy"],
    [example("rot13"), "the transports that it has: rot13"],
    [withoutEnvironment("dummy_client"), "may not be read: run deno with --allow-env=TOR_PT_*"],
  ];
  for (const [command, sentence] of cases) {
    const { status, stdout, stderr } = await ptlibCheck(...DUMMY, "--", ...command);
    assertEquals([status, stdout], [3, ""], sentence);
    assertStringIncludes(stderr.replace(/\n(?!$)/g, " "), sentence);
    assertEquals(tooLong(stderr), []);
  }
});

permitted(
  [...NEEDS, "write"],
  "ptlib check does not ask what is no transport for its transports",
  async () => {
    await withDirectory(async (directory) => {
      const asked = `${directory}/asked`;
      const script = `[ "$1" = --capabilities ] && touch ${asked}; exit 1`;
      const { status } = await ptlibCheck(...DUMMY, "--", "sh", "-c", script, "sh");
      assertEquals(status, 3);
      assertEquals((await Array.fromAsync(Deno.readDir(directory))).length, 0);
    });
  },
);

permitted(NEEDS, "ptlib check tells one cause once, and counts causes at the end", async () => {
  const only = ["--server", "--only", "ext-(?:unknown|control)"];
  const deaf = program("ext-unknown+ext-control");
  const { stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...deaf);
  assertEquals(stdout.match(/^FAIL/gm)?.length, 2);
  assertEquals(stdout.match(/^ +expected: /gm)?.length, 1);
  assertMatch(stdout, /^FAIL server\/ext-control +MUST +as ext-unknown$/m);
  assertMatch(
    stdout,
    /\n2 failures of 1 cause:\n {2}MUST +server\/ext-unknown, ext-control\n0 passed, 2 failed/,
  );
});

permitted(NEEDS, "ptlib check shows what the program said below a failure", async () => {
  const only = ["--client", "--only", "version-substring"];
  const talking = [
    "sh",
    "-c",
    'echo "LOG SEVERITY=notice MESSAGE=hello"; echo "last words" >&2; exec "$@"',
    "sh",
    ...program("version-substring"),
  ];
  const { stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...talking);
  assertMatch(
    stdout,
    /^ +it said: {2}LOG SEVERITY=notice MESSAGE=hello\n +it said: {2}last words$/m,
  );
});

permitted(NEEDS, "ptlib check --patience is how long it waits for a program", async () => {
  const { status, stderr } = await ptlibCheck(...DUMMY, "--patience", "11", "--", "cat");
  assertMatch(stderr, /says nothing of the protocol within 8\.8 s/);
  assertEquals(status, 3);
});

permitted([...NEEDS, "write"], "ptlib check --junit writes a file beside the lines", async () => {
  await withDirectory(async (directory) => {
    const file = `${directory}/report.xml`;
    const only = ["--client", "--only", "version-list", "--junit", file];
    const { status, stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...program());
    assertMatch(stdout, /1 passed, 0 failed\n$/);
    assertMatch(
      await Deno.readTextFile(file),
      /^<\?xml .*\n<testsuite name="dummy" tests="1" failures="0" errors="0" skipped="0">\n/,
    );
    assertEquals(status, 0);
  });
});

permitted(
  [...NEEDS, "write"],
  "ptlib check --junit writes into its file from the start",
  async () => {
    const only = [...DUMMY, "--only", "version-list"];
    const nowhere = await ptlibCheck(...only, "--junit", "/nonexistent/j.xml", "--", ...program());
    assertEquals([nowhere.status, nowhere.stdout], [2, ""]);
    assertMatch(
      nowhere.stderr,
      /^ptlib check: --junit names no file that can be .*nonexistent\/j\.xml/,
    );
    await withDirectory(async (directory) => {
      const file = `${directory}/report.xml`;
      // What a crash would leave is what the program finds.
      const copy = `cp ${file} ${directory}/early.xml; exit 1`;
      const { status } = await ptlibCheck(...only, "--junit", file, "--", "sh", "-c", copy);
      assertEquals(status, 3);
      const early = await Deno.readTextFile(`${directory}/early.xml`);
      assertMatch(early, /errors="1".*\n.*<error message="the checks have not come to their end"/);
      assertMatch(
        await Deno.readTextFile(file),
        /errors="1".*\n.*<error message="The program ends/,
      );
    });
  },
);

permitted(NEEDS, "ptlib check --json leaves what it knows when it is interrupted", async () => {
  // The second check waits for ten seconds.
  const only = ["--json", "--client", "--only", "version-offered|alone"];
  const cli = new URL("../cli.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "--allow-all", cli, "check", ...DUMMY, ...only, "--"]
      .concat(program()),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (/"outcome":"ok"\}\n$/.test(text)) child.kill("SIGINT");
  }
  const { checks, whole, problem, passed } = JSON.parse(text);
  assertEquals(checks.map(({ id }: { id: string }) => id), ["version-offered"]);
  assertEquals([whole, passed, typeof problem], [false, 1, "string"]);
  await child.status;
});

/** A program that is started as in a terminal: what was printed is what is run. */
class PrintedProgram implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  constructor(command: string) {
    this.#child = new Deno.Command("sh", {
      args: ["-c", command],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  }

  /** Where it says that it listens. */
  async port(): Promise<number> {
    let lines = "";
    const reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`The program has ended: ${lines}`);
      lines += value;
      // What it says last has to be read, too: nobody writes into a pipe that is closed.
      if (!/^[CS]METHODS DONE$/m.test(lines)) continue;
      await reader.cancel();
      return Number(/^[CS]METHOD dummy (?:socks5 )?127\.0\.0\.1:(\d+)$/m.exec(lines)?.[1]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}

permitted(
  [...NEEDS, "net"],
  "ptlib check --by-hand keeps the other side for a program that somebody starts",
  async () => {
    const args = ["check", ...DUMMY, "--by-hand", "server/ext-okay", "--", ...program()];
    await using checking = new Running(args, {}, "stdout");
    const [command] = await checking.says(/^env -i .*TOR_PT_AUTH_COOKIE_FILE=.*/);
    await checking.says(/^we listen at 127\.0\.0\.1:\d+/);
    await using server = new PrintedProgram(command);
    const port = await server.port();
    const user = await Deno.connect({ hostname: "127.0.0.1", port });
    await user.write(new TextEncoder().encode("hello"));
    // The Extended ORPort has let the connection in, or these bytes would not come.
    await checking.says(/: got 68 65 6c 6c 6f$/);
    assertEquals((await checking.end("SIGINT")).code, 0);
    user.close();
  },
);

/** Whether there is a curl. */
function curlMissing(): string | null {
  try {
    return new Deno.Command("curl", { args: ["-V"] }).outputSync().success ? null : "needs curl";
  } catch {
    return "needs curl";
  }
}

permitted(
  NEEDS,
  "ptlib check --by-hand prints what to ask a client with, and says when nothing comes",
  async () => {
    for (const args of [[], ["--args", "secret=a\\;b"], ["--args", `key=${"x".repeat(300)}`]]) {
      const check = ["check", ...DUMMY, ...args, "--by-hand", "client/socks-granted", "--"];
      await using checking = new Running([...check, ...program()], {}, "stdout");
      const [command] = await checking.says(/^env -i .*TOR_PT_CLIENT_TRANSPORTS=.*/);
      const [ask] = await checking.says(/^curl .*:PORT http:.*/);
      await checking.says(/^nothing has arrived yet: .* ask it for a connection$/);
      await using client = new PrintedProgram(command);
      const line = ask.replace(":PORT", `:${await client.port()}`);
      // It is answered by nobody.
      const asking = new Deno.Command("sh", { args: ["-c", line], stderr: "null" }).spawn();
      await checking.says(/: got 47 45 54/);
      assertEquals((await checking.end("SIGINT")).code, 0);
      await asking.status;
    }
  },
  granted(["run"]) ? curlMissing() : null,
);

permitted(
  NEEDS,
  "ptlib check --by-hand lets somebody into the network of a check that has its own",
  async () => {
    const args = ["check", ...DUMMY, "--by-hand", "server/outbound-used", "--", ...program()];
    await using checking = new Running(args, {}, "stdout");
    const [command] = await checking.says(/^nsenter .*TOR_PT_OUTBOUND_BIND_ADDRESS_V4=.*/);
    await checking.says(/^we listen at .*192\.0\.2\.1:\d+/);
    await using server = new PrintedProgram(command);
    const connect = `await Deno.connect({ hostname: "127.0.0.1", port: ${await server.port()} });`;
    const [enter = "", ...words] = command.slice(0, command.indexOf(" env ")).split(" ");
    await new Deno.Command(enter, {
      args: [...words, Deno.execPath(), "eval", "--no-config", connect],
    }).output();
    await checking.says(/^192\.0\.2\.1:\d+: a connection from 192\.0\.2\.2:\d+$/);
    assertEquals((await checking.end("SIGINT")).code, 0);
  },
  granted(["run"]) ? networkMissing : null,
);

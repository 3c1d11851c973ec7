import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../address.ts";
import { command, echo, finished, PLAIN, ptlib, Running } from "./cli/ptlib_process.ts";
import { EchoServer } from "./echo.ts";

/** Whether nothing is left of a process. */
function hasEnded(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return false;
  } catch {
    return true;
  }
}

/** Reads up to the line that tells the port, and no further. */
async function listeningPort(stderr: ReadableStream<Uint8Array>): Promise<number> {
  let text = "";
  const decoder = new TextDecoder();
  const reader = stderr.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`ptlib has ended:\n${text}`);
    text += decoder.decode(value, { stream: true });
    const match = /listening on 127\.0\.0\.1:(\d+)/.exec(text);
    if (match === null) continue;
    reader.releaseLock();
    return Number(match[1]);
  }
}

/** Splits a line as a shell does, as far as this tool quotes. */
function shellWords(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|\\.|[^\s'\\])+/g)].map(([word]) =>
    word.replace(/'([^']*)'|\\(.)/g, (_, quoted, escaped) => quoted ?? escaped)
  );
}

command("ptlib prints help on stdout, for itself and for each command", async () => {
  const overview = await finished(["--help"]);
  assertEquals([overview.code, overview.err], [0, ""]);
  for (const name of ["client", "server"]) {
    assertStringIncludes(overview.out, `  ${name} `);
    const help = await finished([name, "--help"]);
    assertEquals([help.code, help.err], [0, ""]);
    assertStringIncludes(help.out, `Usage: ptlib ${name} `);
    assert(help.out.split("\n").every((line) => line.length <= 80));
  }
});

command(
  "ptlib names what is wrong with its command line, and ends with status 2",
  async (directory) => {
    const good = ["--transport", "a", "--listen", "127.0.0.1:0"];
    const long = `cert=${"a".repeat(510)}`;
    const config = `${directory}/config.json`;
    await Deno.writeTextFile(
      config,
      JSON.stringify({
        tunnels: [{ transport: "a", listen: "127.0.0.1:0", bridge: 5, command: ["x"] }],
      }),
    );
    const rows: [string[], string][] = [
      [[], "There is no command"],
      [["dance"], "There is no command dance"],
      [["client", ...good, "--bridge", "127.0.0.1:1"], "There is no program"],
      [["client", ...good, "--", "x"], "--bridge is missing"],
      [
        ["client", ...good, "--bridge", "127.1:1", "--", "x"],
        "--bridge is malformed: the host",
      ],
      [["client", ...good, "--bridge", "127.0.0.1:0", "--", "x"], "nobody listens on port 0"],
      [
        ["client", ...good, "--bridge", "127.0.0.1:1", "--args", "k", "--", "x"],
        "--args is malformed",
      ],
      [
        ["client", ...good, "--bridge", "127.0.0.1:1", "--proxy", "ftp://x", "--", "x"],
        "--proxy is malformed: the scheme",
      ],
      [["client", "--forward", "x"], "--forward"],
      [["client", ...good, "--transport", "b", "--", "x"], "--transport is there twice"],
      [["check", "--only", "a", "--only=b", "--", "x"], "--only is there twice"],
      [["client", "word"], "nothing is expected at word: the program goes after --"],
      [["client", "--transport", "a-b", "--", "x"], "--transport is malformed"],
      [["client", ...good, "--bridge", "127.0.0.1:1", "--args", long, "--", "x"], "up to 510"],
      [["client", "--config", `${directory}/none`], "--config cannot be read: No such file"],
      [["client", "--config", config, "--listen", "127.0.0.1:1"], "--config stands alone"],
      [["client", "--config", config], "Tunnel 1 of " + config + ": bridge is not a string"],
      [["server", "--config", config], "Tunnel 1 of " + config + ": bridge is not an option"],
      [
        ["server", ...good, "--forward", "127.0.0.1:1", "--option", "k", "--", "x"],
        "--option is malformed",
      ],
    ];
    await Promise.all(rows.map(async ([args, message]) => {
      const { code, out, err } = await finished(args);
      assertEquals([code, out], [2, ""], err);
      assertStringIncludes(err, message);
    }));
  },
);

command("ptlib ends with status 1 and the reason when a program cannot be launched", async () => {
  const args = ["--transport", "a", "--listen", "127.0.0.1:0", "--bridge", "127.0.0.1:1"];
  const missing = await finished(["client", ...args, "--", "no-such-program"]);
  assertEquals(missing.code, 1);
  assertStringIncludes(missing.err, 'There is no program "no-such-program"');
  const program = `console.log("ENV-ERROR no \\x1b[2J luck")`;
  const refusing = await finished(["client", ...args, "--", Deno.execPath(), "eval", program]);
  assertEquals(refusing.code, 1);
  assertStringIncludes(refusing.err, "cannot use its environment: no  luck");
});

command(
  "ptlib server prints a command line for ptlib client, and both tunnel until SIGTERM",
  async (directory) => {
    using service = new EchoServer();
    const state = { XDG_STATE_HOME: directory };
    const listen = ["--transport", "plain", "--listen", "127.0.0.1:0"];
    const forward = ["--forward", formatAddress(service.address)];
    await using server = new Running(["server", ...listen, ...forward, "--", ...PLAIN], state);
    await server.says(/clients connect with this command/);
    const [, serverPort] = await server.says(/listening on 127\.0\.0\.1:(\d+)/);
    const bridge = `127.0.0.1:${serverPort}`;
    assertEquals((await Deno.stat(`${directory}/ptlib/plain-127.0.0.1_0`)).isDirectory, true);
    const options = [...listen, "--bridge", bridge, "--args", "key=a\\;b"];
    await using client = new Running(["client", ...options, "--", ...PLAIN]);
    const [, clientPort] = await client.says(/listening on 127\.0\.0\.1:(\d+)/);
    assertEquals(await echo(Number(clientPort), "hello"), "hello");
    await client.says(/a connection ended: 5 bytes sent, 5 bytes received/);
    assertEquals(await client.end(), { code: 0, out: "" });
    assertEquals(client.err.at(-1), "connections: 1, 5 bytes sent, 5 bytes received");

    const { code, out } = await server.end("SIGINT");
    assertEquals(code, 0);
    const printed = ["ptlib", "client", ...options, "--", ...PLAIN];
    printed[5] = "127.0.0.1:1234";
    const [line = "", ...others] = out.trimEnd().split("\n");
    assertEquals(shellWords(line), printed);
    assertEquals(others, [`plain ${bridge} key=a;b`]);
  },
);

command("ptlib client removes its state and tells of a program that dies", async (directory) => {
  // It says where it keeps its state, takes one line as a connection, and dies.
  const program = `
    console.error("state " + Deno.env.get("TOR_PT_STATE_LOCATION"));
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    console.log("VERSION 1\\nCMETHOD a socks5 127.0.0.1:" + listener.addr.port + "\\nCMETHODS DONE");
    await listener.accept();
    console.error("last words \\x07");
    Deno.exit(3);`;
  const args = ["--transport", "a", "--listen", "127.0.0.1:0", "--bridge", "127.0.0.1:1"];
  const env = { TMPDIR: directory };
  const client = new Running(["client", ...args, "--", Deno.execPath(), "eval", program], env);
  const [, state] = await client.says(/state (.+)/);
  assertEquals((await Deno.stat(state!)).isDirectory, true);
  const [, port] = await client.says(/listening on 127\.0\.0\.1:(\d+)/);
  using _conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  const { code } = await client.child.status;
  await client.end().catch(() => {});
  assertEquals(code, 1);
  const err = client.err.join("\n");
  assertStringIncludes(err, "ended by itself, with status 3");
  assertStringIncludes(err, "last words ?");
  assertEquals([...Deno.readDirSync(directory)], []);
});

command("ptlib client --config opens several tunnels, and none outlives it", async (directory) => {
  using service = new EchoServer();
  const tunnel = {
    transport: "plain",
    listen: "127.0.0.1:0",
    bridge: formatAddress(service.address),
    state: `${directory}/state`,
  };
  // Two programs, the second of which tells its process id.
  const tell = `console.error("pid " + Deno.pid); await import(${JSON.stringify(PLAIN.at(-1))})`;
  const config = {
    tunnels: [
      { ...tunnel, command: PLAIN },
      { ...tunnel, command: [Deno.execPath(), "eval", "--no-config", tell] },
    ],
  };
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(config));
  await using client = new Running(["client", "--config", `${directory}/config.json`]);
  const [, pid] = await client.says(/pid (\d+)/);
  for (const times of [1, 2]) {
    const [, port] = await client.says(/listening on 127\.0\.0\.1:(\d+)/, times);
    assertEquals(await echo(Number(port), "hi"), "hi");
  }
  const { code } = await client.end();
  assertEquals(code, 0);
  assert(hasEnded(Number(pid)));
  assertMatch(client.err.join("\n"), /connections: 2, 4 bytes sent/);
});

command("ptlib client removes its state when its terminal goes away", async (directory) => {
  const program = `
    console.error("state " + Deno.env.get("TOR_PT_STATE_LOCATION"));
    console.log("VERSION 1\\nCMETHOD a socks5 127.0.0.1:9\\nCMETHODS DONE");
    setInterval(() => {}, 60_000);`;
  const args = ["--transport", "a", "--listen", "127.0.0.1:0", "--bridge", "127.0.0.1:1"];
  const env = { TMPDIR: directory };
  await using client = new Running(
    ["client", ...args, "--", Deno.execPath(), "eval", program],
    env,
  );
  await client.says(/state (.+)/);
  await client.says(/listening on/);
  assertEquals([...Deno.readDirSync(directory)].length, 1);
  assertEquals(await client.end("SIGHUP"), { code: 0, out: "" });
  assertEquals([...Deno.readDirSync(directory)], []);
});

command("a terminal that does not read what ptlib says stops nothing", async (directory) => {
  using service = new EchoServer();
  // Once asked to, it says more on stderr than any pipe holds, and then tells so in a file.
  const flood = `
    const there = async (name) => {
      using watcher = Deno.watchFs(${JSON.stringify(directory)});
      for await (const { paths } of watcher) if (paths.some((path) => path.endsWith(name))) return;
    };
    there("/asked").then(() => {
      const line = new TextEncoder().encode("x".repeat(100) + "\\n");
      for (let i = 0; i < 10_000; i++) Deno.stderr.writeSync(line);
      Deno.writeTextFileSync(${JSON.stringify(`${directory}/told`)}, "");
    });
    await import(${JSON.stringify(PLAIN.at(-1))})`;
  const args = ["--transport", "plain", "--listen", "127.0.0.1:0"];
  args.push("--bridge", formatAddress(service.address));
  const program = [Deno.execPath(), "eval", "--no-config", flood];
  const child = ptlib(["client", ...args, "--", ...program]).spawn();
  try {
    const port = await listeningPort(child.stderr);
    using watcher = Deno.watchFs(directory);
    await Deno.writeTextFile(`${directory}/asked`, "");
    for await (const { paths } of watcher) {
      if (paths.includes(`${directory}/told`)) break;
    }
    assertEquals(await echo(port, "through"), "through");
  } finally {
    child.kill("SIGTERM");
    assertEquals((await child.status).code, 0);
    await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
  }
});

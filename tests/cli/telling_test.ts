/** How `ptlib` tells what happens: `--verbose`, `--json`, on a terminal; and `--env`. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../../address.ts";
import { formatStatus } from "../../cli/statistics.ts";
import { EchoServer } from "../echo.ts";
import { permitted } from "../permitted.ts";
import { command, echo, finished, PLAIN, ptlib, Running } from "./ptlib_process.ts";

const TUNNEL = ["--listen", "127.0.0.1:0", "--bridge-line", "a 127.0.0.1:1"];

/** A client that says these lines on its stdout when it runs. */
function saying(lines: string, more = ""): string[] {
  const program = `
    ${more}
    console.log("VERSION 1\\nCMETHOD a socks5 127.0.0.1:9\\nCMETHODS DONE");
    console.log(${JSON.stringify(lines)});
    for await (const _ of Deno.stdin.readable);`;
  return [Deno.execPath(), "eval", program];
}

const LOG = [
  'LOG SEVERITY=debug MESSAGE="a detail"',
  'LOG SEVERITY=info MESSAGE="a fact"',
  "STATUS TRANSPORT=a CONNECT=Success",
  'LOG SEVERITY=notice MESSAGE="news"',
].join("\n");

command("ptlib tells a program's info and debug, and the time, with --verbose alone", async () => {
  const args = ["client", ...TUNNEL, "--", ...saying(LOG)];
  await using quiet = new Running(args);
  await quiet.says(/: news$/);
  const told = quiet.err.join("\n");
  assertStringIncludes(told, ": CONNECT=Success");
  assert(!told.includes("a fact") && !told.includes("a detail"), told);
  assert(!/^\d{4}-/m.test(told), told);

  await using verbose = new Running(["client", "--verbose", ...args.slice(1)]);
  await verbose.says(/: news$/);
  await verbose.says(/: info: a fact$/);
  await verbose.says(/: debug: a detail$/);
  await verbose.says(/listening on/);
  for (const line of verbose.err) assertMatch(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ /);
});

command("ptlib --json tells what happens in objects on stdout, and nothing on stderr", async () => {
  using service = new EchoServer();
  const bridge = formatAddress(service.address);
  const args = ["--listen", "127.0.0.1:0", "--bridge-line", `plain ${bridge}`, "--json"];
  await using client = new Running(["client", ...args, "--", ...PLAIN], {}, "stdout");
  const [line] = await client.says(/.*"event":"listening".*/);
  const { address, transports } = JSON.parse(line);
  assertEquals(transports, ["plain"]);
  assertEquals(await echo(Number(address.split(":")[1]), "hello"), "hello");
  const [ended] = await client.says(/.*"event":"connection".*/);
  const { level, sent, received, error } = JSON.parse(ended);
  assertEquals([level, sent, received, error], ["notice", 5, 5, null]);
  assertEquals(await client.end(), { code: 0, out: "" });
  const events = client.err.map((line) => JSON.parse(line));
  assertEquals(events.map(({ event }) => event), ["listening", "connection", "ending", "sum"]);
  for (const { time } of events) assertEquals(new Date(time).toISOString(), time);
});

command("ptlib --json tells what a program says, and how it dies", async () => {
  const program = saying(LOG, `console.error("\\x1b[31mred\\x1b[m")`);
  await using client = new Running(["client", ...TUNNEL, "--json", "--", ...program], {}, "stdout");
  const [line] = await client.says(/.*"severity":"notice".*/);
  const { event, by, message } = JSON.parse(line);
  assertEquals([event, by, message], ["said", "LOG", "news"]);
  const [error] = await client.says(/.*"by":"stderr".*/);
  assertEquals(JSON.parse(error).message, "red");
  const [listening] = await client.says(/.*"event":"listening".*/);
  Deno.kill(JSON.parse(listening).pid, "SIGKILL");
  assertEquals((await client.child.status).code, 1);
  const [death] = await client.says(/.*"event":"died".*/);
  assertStringIncludes(JSON.parse(death).message, "SIGKILL");
});

command("ptlib server --json tells what clients need to know", async (directory) => {
  using service = new EchoServer();
  const args = ["--transport", "plain", "--listen", "127.0.0.1:0", "--state", directory, "--json"];
  args.push("--forward", formatAddress(service.address));
  await using server = new Running(["server", ...args, "--", ...PLAIN], {}, "stdout");
  const [line] = await server.says(/.*"event":"clients".*/);
  const { command, bridgeLine } = JSON.parse(line);
  assertMatch(bridgeLine, /^plain 127\.0\.0\.1:\d+ key=a;b$/);
  assertMatch(command, /^ptlib client --transport plain /);
  await server.end();
  for (const line of server.err) JSON.parse(line);
});

Deno.test("formatStatus() shows connections, bytes, rates and the age", () => {
  const before = { open: 0, connections: 0, sent: 0, received: 1024 };
  const now = { open: 1, connections: 12, sent: 512, received: 3 * 1024 };
  assertEquals(
    formatStatus(now, before, 500, 3_723_456),
    "1:02:03 | 1/12 open | out 512 B (1.0 KiB/s) | in 3.0 KiB (4.0 KiB/s)",
  );
});

Deno.test("formatStatus() fits into 80 columns with large numbers", () => {
  const nothing = { open: 0, connections: 0, sent: 0, received: 0 };
  for (const amount of [999, 1000, 1023, 1024, 1023 * 1024, 1023.99 * 2 ** 30]) {
    const now = { open: 12, connections: 345, sent: amount, received: amount };
    const text = formatStatus(now, nothing, 1000, 36_000_000);
    // The last column of a terminal stays free.
    assertEquals([text, text.length <= 79, text.endsWith("/s)")], [text, true, true]);
  }
});

command("ptlib --config tells of which tunnel it speaks", async (directory) => {
  using service = new EchoServer();
  const path = `${directory}/config.json`;
  const tunnel = (bridge: string) => ({
    listen: "127.0.0.1:0",
    "bridge-line": [`plain ${bridge}`],
    command: PLAIN,
  });
  const tunnels = [tunnel("127.0.0.1:1"), tunnel(formatAddress(service.address))];
  await Deno.writeTextFile(path, JSON.stringify({ tunnels }));
  {
    await using client = new Running(["client", "--config", path]);
    await client.says(/^tunnel 1: plain: listening on/);
    const [, port] = await client.says(/^tunnel 2: plain: listening on 127\.0\.0\.1:(\d+)$/);
    assertEquals(await echo(Number(port), "hello"), "hello");
    await client.says(/^tunnel 2: a connection ended: 5 bytes sent/);
  }
  await using client = new Running(["client", "--config", path, "--json"], {}, "stdout");
  const listening = await client.says(/.*"event":"listening".*/, 2);
  assertEquals(JSON.parse(listening[0]).tunnel, 2);
  Deno.kill(JSON.parse(listening[0]).pid, "SIGKILL");
  const { tunnel: number, program } = JSON.parse((await client.says(/.*"event":"died".*/))[0]);
  assertEquals([number, program], [2, Deno.execPath()]);
});

command("ptlib client tells why a connection ended with its program", async () => {
  // Its SOCKS port is ours, so that nothing but its end ends the connection.
  using socks = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const program = `
    console.log("VERSION 1\\nCMETHOD a socks5 127.0.0.1:${socks.addr.port}\\nCMETHODS DONE");
    for await (const _ of Deno.stdin.readable);`;
  const args = ["client", ...TUNNEL, "--json", "--", Deno.execPath(), "eval", program];
  await using client = new Running(args, {}, "stdout");
  const { address, pid } = JSON.parse((await client.says(/.*"event":"listening".*/))[0]);
  using _user = await Deno.connect({ hostname: "127.0.0.1", port: Number(address.split(":")[1]) });
  using _asked = await socks.accept();
  Deno.kill(pid, "SIGKILL");
  const { error } = JSON.parse((await client.says(/.*"event":"connection".*/))[0]);
  assertEquals(error, "The program of the transport has ended");
});

command(
  "ptlib client tells of a bridge that lets it wait, and of none by address",
  async () => {
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const bridge = `127.0.0.1:${silent.addr.port}`;
    // A client that takes a connection and never answers.
    const program = `
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    console.log("VERSION 1\\nCMETHOD a socks5 127.0.0.1:" + listener.addr.port + "\\nCMETHODS DONE");
    const held = [];
    for await (const conn of listener) held.push(conn);`;
    const args = ["--listen", "127.0.0.1:0", "--bridge-line", `a ${bridge}`];
    await using client = new Running(["client", ...args, "--", Deno.execPath(), "eval", program]);
    const port = await client.port();
    using _first = await Deno.connect({ hostname: "127.0.0.1", port });
    using _second = await Deno.connect({ hostname: "127.0.0.1", port });
    await client.says(/^still waiting for the bridge, which has not answered for 10 s$/);
    assertEquals(client.err.filter((line) => line.includes(bridge)), []);
  },
);

command("ptlib client tells that a program is slow to start", async () => {
  const words = [Deno.execPath(), "eval", "for await (const _ of Deno.stdin.readable);"];
  const args = ["client", "--listen", "127.0.0.1:0", "--bridge-line", "a 127.0.0.1:1"];
  await using client = new Running([...args, "--", ...words]);
  await client.says(/has not reported its methods for 5 s; it has 60 s\. Is it a transport\?$/);
});

/** Whether there is a terminal to be had from util-linux. */
function terminalMissing(): string | null {
  if (Deno.permissions.querySync({ name: "run" }).state !== "granted") return null;
  try {
    const { success } = new Deno.Command("script", { args: ["--version"] }).outputSync();
    return success ? null : "needs script of util-linux";
  } catch {
    return "needs script of util-linux";
  }
}

permitted(["net", "run", "read", "write"], "ptlib shows on a terminal how it goes", async () => {
  using service = new EchoServer();
  const cli = new URL("../../cli.ts", import.meta.url).pathname;
  const words = [Deno.execPath(), "run", "--no-config", "--no-prompt", "--allow-all", cli];
  words.push("client", "--listen", "127.0.0.1:0");
  words.push("--bridge-line", `plain ${formatAddress(service.address)}`, "--", ...PLAIN);
  // A shell that stays would be what Ctrl-C ends.
  const line = `exec ${words.map((word) => `'${word}'`).join(" ")}`;
  const child = new Deno.Command("script", {
    args: ["-qfec", line, "/dev/null"],
    env: { TERM: "xterm" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const stdin = child.stdin.getWriter();
  let text = "";
  let conn: Deno.TcpConn | null = null;
  let interrupted = false;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const port = /listening on 127\.0\.0\.1:(\d+)\r\n/.exec(text)?.[1];
    if (port !== undefined && conn === null) {
      conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
      await conn.write(new Uint8Array(2048));
    }
    if (interrupted || !/0:00:\d\d \| 1\/1 open \| out 2\.0 KiB \(/.test(text)) continue;
    interrupted = true;
    await stdin.write(Uint8Array.of(3)); // Ctrl-C
  }
  conn?.close();
  // The line is gone at the end, and the sum stands there instead.
  const last = text.split("\x1b[1A\x1b[2K").at(-1);
  assertEquals(last, "\x1b[1A\r\nconnections: 1, 2.0 KiB sent, 2.0 KiB received\r\n");
  await stdin.close();
  assertEquals((await child.status).success, true);
}, terminalMissing());

command("ptlib --env gives variables to the program", async () => {
  const tell =
    `console.error("A=" + Deno.env.get("A"), "B=" + Deno.env.get("B"), "C=" + Deno.env.get("C"))`;
  const options = ["--env", "A=x=y z", "--env", "B"];
  const args = ["client", ...TUNNEL, ...options, "--", ...saying("", tell)];
  await using client = new Running(args, { B: "ours", C: "kept" });
  await client.says(/: A=x=y z B=ours C=undefined$/);
});

command("ptlib names what is wrong with --env", async () => {
  const rows: [string, string][] = [
    ["", "neither NAME nor NAME=VALUE"],
    ["=x", "neither NAME nor NAME=VALUE"],
    ["a-b=x", "neither NAME nor NAME=VALUE"],
    ["NO_SUCH_VARIABLE", "the variable NO_SUCH_VARIABLE is not set here"],
    ["TOR_PT_PROXY=", "TOR_PT_PROXY is one that ptlib sets itself"],
    ["TOR_PT_CLIENT_TRANSPORTS=a", "is one that ptlib sets itself"],
  ];
  await Promise.all(rows.map(async ([value, message]) => {
    const { code, err } = await finished(["client", ...TUNNEL, "--env", value, "--", "x"]);
    assertEquals(code, 2, err);
    assertStringIncludes(err, `--env is malformed: `);
    assertStringIncludes(err, message);
  }));
  // The source address is nobody's secret, and has no option of its own.
  const source = ["--env", "TOR_PT_OUTBOUND_BIND_ADDRESS_V4=127.0.0.1"];
  const { err } = await finished(["client", ...TUNNEL, ...source, "--", "no-such-program"]);
  assertStringIncludes(err, "There is no program");
});

command("ptlib is not stopped by a program that does not read its JSON", async () => {
  using service = new EchoServer();
  const args = [
    "--listen",
    "127.0.0.1:0",
    "--bridge-line",
    `plain ${formatAddress(service.address)}`,
  ];
  const child = ptlib(["client", ...args, "--json", "--", ...PLAIN]).spawn();
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes('"event":"listening"')) {
    const { value, done } = await reader.read();
    if (done) throw new Error(text);
    text += new TextDecoder().decode(value);
  }
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(text)?.[1]);
  // More events than a pipe holds, of some 180 bytes each.
  for (let count = 0; count < 1_000; count++) assertEquals(await echo(port, "x"), "x");
  await reader.cancel();
  child.kill("SIGTERM");
  await child.stderr.cancel();
  assertEquals((await child.status).code, 0);
});

/** `ptlib client --bridge-line` and `--bridge-file`. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../../address.ts";
import { repeatedKey } from "../../cli/repeated_key.ts";
import { EchoServer } from "../echo.ts";
import { command, echo, finished, PLAIN, Running } from "./ptlib_process.ts";

const LISTEN = ["--listen", "127.0.0.1:0"];

/** An address at which nobody listens. */
function closedAddress(): string {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return formatAddress(["127.0.0.1", listener.addr.port]);
}

command("ptlib client --bridge-line takes the next line when a bridge is not reached", async () => {
  using service = new EchoServer();
  const lines = [
    `plain ${closedAddress()}`,
    `Bridge plain ${
      formatAddress(service.address)
    } 0123456789ABCDEF0123456789ABCDEF01234567 key=a;b`,
  ];
  const options = lines.flatMap((line) => ["--bridge-line", line]);
  await using client = new Running(["client", ...LISTEN, ...options, "--", ...PLAIN]);
  assertEquals(await echo(await client.port(), "hello"), "hello");
  await client.says(/a connection ended: 5 bytes sent, 5 bytes received/);
  await client.says(/^bridge 1 of 2 could not be reached: .*connection refused/);
});

command("ptlib client tells why no bridge of several is reached, and no address", async () => {
  const [first, second] = [closedAddress(), closedAddress()];
  const options = ["--bridge-line", `plain ${first}`, "--bridge-line", `plain ${second} key=no`];
  await using client = new Running(["client", ...LISTEN, ...options, "--", ...PLAIN]);
  using _conn = await Deno.connect({ hostname: "127.0.0.1", port: await client.port() });
  const [line] = await client.says(/None of 2 bridges could be reached: .*/);
  assertMatch(line, /connection refused \(5\).*not allowed by its rules \(2\)/);
  assertEquals(client.err.filter((line) => line.includes(first) || line.includes(second)), []);
});

command("ptlib client --bridge-file reads lines among comments", async (directory) => {
  using service = new EchoServer();
  // The first character is a byte order mark.
  const lines = [`\ufeffBridge plain ${closedAddress()} key=a;b`, "", "# another", "  # and"];
  lines.push(`plain ${formatAddress(service.address)}`, "");
  await Deno.writeTextFile(`${directory}/bridges`, lines.join("\r\n"));
  const options = ["--bridge-file", `${directory}/bridges`];
  await using client = new Running(["client", ...LISTEN, ...options, "--", ...PLAIN]);
  assertEquals(await echo(await client.port(), "hi"), "hi");
});

command("ptlib client tells which transport of several its program does not have", async () => {
  using service = new EchoServer();
  const address = formatAddress(service.address);
  const options = ["--bridge-line", `other ${address}`, "--bridge-line", `plain ${address}`];
  await using client = new Running(["client", ...LISTEN, ...options, "--", ...PLAIN]);
  assertEquals(await echo(await client.port(), "hi"), "hi");
  await client.says(/^other: its bridges are not tried: the program does not have this transport$/);
});

command("ptlib server says when no client can be told what is published", async (directory) => {
  const program = `
    const args = "ARGS:k=" + "v".repeat(509);
    console.log(["VERSION 1", "SMETHOD a 127.0.0.1:9 " + args, "SMETHODS DONE"].join("\\n"));
    for await (const _ of Deno.stdin.readable);`;
  const options = [...LISTEN, "--transport", "a", "--forward", "127.0.0.1:1", "--state", directory];
  const words = [Deno.execPath(), "eval", program];
  await using server = new Running(["server", ...options, "--", ...words]);
  await server.says(/no client can be told what the program publishes\. .*up to 510/);
  assertEquals(await server.end(), { code: 0, out: "" });
});

command("ptlib client names what is wrong with its bridge lines", async (directory) => {
  const file = `${directory}/bridges`;
  await Deno.writeTextFile(file, "plain 192.0.2.7:443\n\nplain 192.0.2.7:443 key\n");
  await Deno.writeTextFile(`${file}-empty`, "# nothing\n");
  const good = ["--bridge-line", "plain 192.0.2.7:443 key=a;b"];
  const rows: [string[], string][] = [
    [[], "--bridge-line is missing"],
    [["--bridge-line", "192.0.2.7:443"], "--bridge-line is malformed: it names no transport"],
    [["--bridge-line", "plain bridge:443"], "a bridge line has an IP address, and no name"],
    [["--bridge-line", "plain SERVER:443"], "--bridge-line is malformed: SERVER is a placeholder"],
    [["--transport", "a", "--bridge", "SERVER:443"], "--bridge is malformed: SERVER is a placeh"],
    [["--bridge-line", "plain -:443"], "--bridge-line is malformed: the address is malformed"],
    [["--bridge-line", `plain 192.0.2.7:443 k=${"=".repeat(508)}`], "SOCKS5 carries up to 510"],
    [[...good, "--args", "k=v"], "--args is one too many: a bridge line says it already"],
    [[...good, "--transport", "plain"], "--transport is one too many"],
    [[...good, "--bridge-file", file], "--bridge-file is malformed: in line 3, what follows"],
    [["--bridge-file", `${file}-empty`], "--bridge-file has no bridge line in it"],
    [["--bridge-file", `${file}-none`], "--bridge-file cannot be read: No such file"],
  ];
  await Promise.all(rows.map(async ([args, message]) => {
    const { code, out, err } = await finished(["client", ...LISTEN, ...args, "--", "x"]);
    assertEquals([code, out], [2, ""], err);
    assertStringIncludes(err, message);
  }));
});

command("ptlib says what is wrong with a file of --config", async (directory) => {
  const path = `${directory}/config.json`;
  const tunnel = (listen: string) =>
    `{ "listen": "${listen}", "bridge-line": ["a 127.0.0.1:1"], "command": ["no-such-program"] }`;
  const two = (listen: string) => `{ "tunnels": [${tunnel(listen)}, ${tunnel(listen)}] }`;
  const rows: [text: string, message: string][] = [
    [two("127.0.0.1:4455"), `Tunnel 2 of ${path}: listen is that of tunnel 1, too`],
    [two(`unix:${directory}/a`), `Tunnel 2 of ${path}: listen is that of tunnel 1, too`],
    [two("127.0.0.1:0"), "There is no program"],
    [
      `{ "tunnels": [${tunnel("127.0.0.1:0")}], "tunnel": 1 }`,
      `${path} has tunnel beside "tunnels"`,
    ],
    [
      `{ "tunnels": [{ "listen": "a", "listen": "b" }] }`,
      `${path} has listen twice in one object`,
    ],
    [
      `{ "tunnels": [{ "lisen": "127.0.0.1:0" }] }`,
      `Tunnel 1 of ${path}: lisen is not an option; there are transport, listen, bridge,`,
    ],
  ];
  for (const [text, message] of rows) {
    await Deno.writeTextFile(path, text);
    assertStringIncludes((await finished(["client", "--config", path])).err, message);
  }
});

Deno.test("repeatedKey() finds a key that one object has twice", () => {
  const rows: [text: string, key: string | null][] = [
    ['{"a": 1, "b": {"a": 2}, "c": [{"a": 1}, {"a": 1}, "a", "a"]}', null],
    ['{"a": "a", "b": "\\"a\\": {"}', null],
    ['{"a": 1, "b": {}, "a" : 2}', "a"],
    ['[{"b": [1], "c": {"b": 1, "\\u0062": 2}}]', "b"],
    ["1", null],
  ];
  for (const [text, key] of rows) {
    JSON.parse(text);
    assertEquals([text, repeatedKey(text)], [text, key]);
  }
});

command("ptlib reads the whole of --config before it starts anything", async (directory) => {
  const marker = `${directory}/started`;
  const start = [Deno.execPath(), "eval", `Deno.writeTextFileSync(${JSON.stringify(marker)}, "")`];
  const good = { listen: "127.0.0.1:0", command: start };
  const line = "plain 192.0.2.7:443";
  const configs = {
    client: [{ ...good, "bridge-line": [line] }, { ...good, "bridge-line": [line, "plain 1"] }],
    server: [
      { ...good, transport: "plain", forward: "127.0.0.1:1", state: directory },
      { ...good, transport: "plain", forward: "127.0.0.1:0", state: directory },
    ],
  };
  for (const [name, tunnels] of Object.entries(configs)) {
    await Deno.writeTextFile(`${directory}/${name}.json`, JSON.stringify({ tunnels }));
    const { code, err } = await finished([name, "--config", `${directory}/${name}.json`]);
    assertEquals(code, 2, err);
    assertStringIncludes(err, `Tunnel 2 of ${directory}/${name}.json: `);
    assertEquals([...Deno.readDirSync(directory)].some(({ name }) => name === "started"), false);
  }
});

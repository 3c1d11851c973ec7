/** Unix sockets for `--listen` and `--forward`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../../address.ts";
import { readFull, relay } from "../../net/mod.ts";
import { EchoServer } from "../echo.ts";
import { command, echo, finished, PLAIN, Running } from "./ptlib_process.ts";

/** Sends back, at a Unix socket, what it gets. */
function echoAt(path: string): Deno.UnixListener {
  const listener = Deno.listen({ transport: "unix", path });
  (async () => {
    for await (const conn of listener) relay(conn, conn);
  })();
  return listener;
}

async function echoThrough(path: string, text: string): Promise<string> {
  using conn = await Deno.connect({ transport: "unix", path });
  await conn.write(new TextEncoder().encode(text));
  return new TextDecoder().decode(await readFull(conn, new Uint8Array(text.length)));
}

/** Whether a path is there. */
function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

command(
  "ptlib client --listen unix:PATH replaces an abandoned socket, and removes its own",
  async (directory) => {
    using service = new EchoServer();
    const path = `${directory}/socket`;
    {
      // As a crash leaves it.
      using _listener = Deno.listen({ transport: "unix", path: `${path}-first` });
      await Deno.rename(`${path}-first`, path);
    }
    assertEquals(exists(path), true);
    const options = ["--listen", `unix:${path}`, "--transport", "plain"];
    options.push("--bridge", formatAddress(service.address));
    await using client = new Running(["client", ...options, "--", ...PLAIN]);
    await client.says(/^plain: listening on unix:/);
    assertEquals(await echoThrough(path, "hello"), "hello");
    await client.says(/a connection ended: 5 bytes sent, 5 bytes received/);

    const second = await finished(["client", ...options, "--", ...PLAIN]);
    assertEquals(second.code, 2, second.err);
    const fault = `--listen unix:${path} cannot be used: another program listens there`;
    assertStringIncludes(second.err, fault);
    assertEquals(await echoThrough(path, "still"), "still");

    assertEquals((await client.end()).code, 0);
    assertEquals(exists(path), false);
  },
);

command("ptlib client --listen unix:PATH leaves a file alone", async (directory) => {
  const path = `${directory}/file`;
  await Deno.writeTextFile(path, "content");
  const rows: [path: string, why: string][] = [
    [path, "it is a file that is no socket"],
    [directory, "it is a directory"],
    [`${directory}/none/socket`, `there is no directory ${directory}/none`],
  ];
  await Promise.all(rows.map(async ([path, why]) => {
    const options = ["--listen", `unix:${path}`, "--bridge-line", "plain 127.0.0.1:1"];
    const { code, err } = await finished(["client", ...options, "--", ...PLAIN]);
    assertEquals(code, 2, err);
    assertStringIncludes(err, `--listen unix:${path} cannot be used: ${why}`);
  }));
  assertEquals(await Deno.readTextFile(path), "content");
});

command(
  "ptlib server --forward unix:PATH reaches a service at a Unix socket",
  async (directory) => {
    using _service = echoAt(`${directory}/service`);
    const options = ["--transport", "plain", "--listen", "127.0.0.1:0", "--state", directory];
    options.push("--forward", `unix:${directory}/service`);
    await using server = new Running(["server", ...options, "--", ...PLAIN]);
    assertEquals(await echo(await server.port(), "hello"), "hello");
    await server.says(/a connection ended: 5 bytes sent, 5 bytes received/);
    assertEquals((await server.end()).code, 0);
    assertEquals(server.err.at(-1), "connections: 1, 5 bytes sent, 5 bytes received");
  },
);

command("ptlib names what is wrong with a Unix socket", async () => {
  const listen = ["--listen", "127.0.0.1:0", "--transport", "a"];
  const long = `unix:/${"a".repeat(120)}`;
  const rows: [string[], string][] = [
    [
      ["client", "--listen", long, "--bridge-line", "a 127.0.0.1:1", "--json"],
      "--listen is malformed: the path has 121 bytes",
    ],
    [["server", ...listen, "--forward", long], "--forward is malformed: the path has 121 bytes"],
    [
      ["client", "--listen", "unix:", "--transport", "a", "--bridge", "127.0.0.1:1"],
      "--listen is malformed: there is no path",
    ],
    [["server", ...listen, "--forward", "unix:"], "--forward is malformed: there is no path"],
    // A transport listens on TCP, and its bridge is there.
    [
      ["server", "--listen", "unix:/a", "--transport", "a", "--forward", "127.0.0.1:1"],
      "--listen is malformed",
    ],
    [["client", ...listen, "--bridge", "unix:/a"], "--bridge is malformed"],
  ];
  await Promise.all(rows.map(async ([args, message]) => {
    const { code, err } = await finished([...args, "--", "x"]);
    assertEquals(code, 2, err);
    assertStringIncludes(err, message);
  }));
});

/** `--restart`: programs that die are started again. */

import { assertEquals } from "@std/assert";
import { formatAddress } from "../../address.ts";
import { EchoServer } from "../echo.ts";
import { command, echo, PLAIN, Running } from "./ptlib_process.ts";

/** A client that dies with its first connection, and cannot be started while a file is there. */
function mortal(file: string): string[] {
  const program = `
    try {
      Deno.statSync(${JSON.stringify(file)});
      console.log("ENV-ERROR not now");
      Deno.exit(1);
    } catch { /* It is not there. */ }
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    console.log("VERSION 1\\nCMETHOD a socks5 127.0.0.1:" + listener.addr.port + "\\nCMETHODS DONE");
    await listener.accept();
    Deno.exit(3);`;
  return [Deno.execPath(), "eval", program];
}

command("ptlib --restart starts a program again, and the other tunnels stay", async (directory) => {
  using service = new EchoServer();
  const file = `${directory}/not-now`;
  const config = {
    tunnels: [
      { listen: "127.0.0.1:0", "bridge-line": ["a 127.0.0.1:1"], command: mortal(file) },
      {
        listen: "127.0.0.1:0",
        "bridge-line": [`plain ${formatAddress(service.address)}`],
        command: PLAIN,
      },
    ],
  };
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(config));
  const args = ["client", "--restart", "--config", `${directory}/config.json`];
  await using client = new Running(args);
  const port = Number((await client.says(/^tunnel 1: a: listening on 127\.0\.0\.1:(\d+)/))[1]);
  const plainPort = Number(
    (await client.says(/^tunnel 2: plain: listening on 127\.0\.0\.1:(\d+)/))[1],
  );
  const kill = async () => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  };
  await Deno.writeTextFile(file, "");
  await kill();
  await client.says(/ended by itself, with status 3/);
  await client.says(/is started again in 1 s/);
  assertEquals(await echo(plainPort, "hello"), "hello");
  await client.says(/cannot use its environment: not now/);
  await client.says(/is started again in 2 s/);
  await Deno.remove(file);
  // At the same port, because that is where its users look for it.
  assertEquals(
    Number((await client.says(/^tunnel 1: a: listening on 127\.0\.0\.1:(\d+)/, 2))[1]),
    port,
  );
  await kill();
  await client.says(/is started again in 4 s/);
  assertEquals(await echo(plainPort, "hello"), "hello");
  // The end does not wait for the pause.
  assertEquals((await client.end()).code, 0);
});

command("ptlib ends with status 1 when a program dies without --restart", async (directory) => {
  const program = mortal(`${directory}/none`);
  const args = ["--listen", "127.0.0.1:0", "--bridge-line", "a 127.0.0.1:1"];
  const client = new Running(["client", ...args, "--", ...program]);
  const port = await client.port();
  using _conn = await Deno.connect({ hostname: "127.0.0.1", port });
  assertEquals((await client.child.status).code, 1);
  await client.end().catch(() => {});
});

command("ptlib server --restart keeps its port", async (directory) => {
  using service = new EchoServer();
  const options = ["--transport", "plain", "--listen", "127.0.0.1:0", "--state", directory];
  options.push("--forward", formatAddress(service.address), "--restart", "--json");
  await using server = new Running(["server", ...options, "--", ...PLAIN], {}, "stdout");
  const [, first = ""] = await server.says(/^(.*"event":"listening".*)$/);
  Deno.kill(JSON.parse(first).pid, "SIGKILL");
  const [, second = ""] = await server.says(/^(.*"event":"listening".*)$/, 2);
  assertEquals(JSON.parse(second).address, JSON.parse(first).address);
  assertEquals(await echo(Number(JSON.parse(second).address.split(":")[1]), "hello"), "hello");
});

/** A server that publishes something else each time. */
const FORGETFUL = `
  console.log("VERSION 1\\nSMETHOD a 127.0.0.1:9 ARGS:key=" + Deno.pid + "\\nSMETHODS DONE");
  for await (const _ of Deno.stdin.readable);`;

command("ptlib server --restart tells clients anew when the keys are lost", async (directory) => {
  const options = ["--transport", "a", "--listen", "127.0.0.1:9", "--state", directory];
  options.push("--forward", "127.0.0.1:1", "--restart", "--json");
  const words = [Deno.execPath(), "eval", FORGETFUL];
  await using server = new Running(["server", ...options, "--", ...words], {}, "stdout");
  const listening = JSON.parse((await server.says(/.*"event":"listening".*/))[0]);
  const first = JSON.parse((await server.says(/.*"event":"clients".*/))[0]);
  assertEquals(JSON.parse((await server.says(/.*"event":"keys".*/))[0]).state, directory);
  Deno.kill(listening.pid, "SIGKILL");
  const second = JSON.parse((await server.says(/.*"event":"clients".*/, 2))[0]);
  assertEquals(first.bridgeLine === second.bridgeLine, false);
  await server.says(/what clients were told is of no use any more: .*Are its keys still in/);
});

/** The service behind `ptlib server`: by name, told who its client is, or not there. */

import { assertEquals, assertMatch } from "@std/assert";
import { readFull, writeAll } from "../../net/mod.ts";
import { EchoServer } from "../echo.ts";
import { command, echo, finished, PLAIN, Running } from "./ptlib_process.ts";

/** The options of a server whose state is in a directory. */
function optionsIn(directory: string, forward: string): string[] {
  const listen = ["--transport", "plain", "--listen", "127.0.0.1:0"];
  return [...listen, "--state", directory, "--forward", forward];
}

/** All bytes of the next connection, as text of one character a byte. */
async function nextText(listener: Deno.TcpListener): Promise<string> {
  using conn = await listener.accept();
  const bytes = await new Response(conn.readable).arrayBuffer();
  return new TextDecoder("latin1").decode(bytes);
}

/** Connects to a server's end, says a word, and tells the port it came from. */
async function say(port: number, text: string): Promise<number> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(conn, new TextEncoder().encode(text));
  await conn.closeWrite();
  const from = conn.localAddr.port;
  await new Response(conn.readable).arrayBuffer();
  return from;
}

command("ptlib server --forward looks up a name", async (directory) => {
  using service = new EchoServer();
  const options = optionsIn(directory, `localhost:${service.address[1]}`);
  await using server = new Running(["server", ...options, "--", ...PLAIN]);
  assertEquals(await echo(await server.port(), "hello"), "hello");
  await server.says(/a connection ended: 5 bytes sent, 5 bytes received/);
});

command("ptlib server --proxy-protocol tells the service who its client is", async (directory) => {
  for (const version of ["1", "2"]) {
    using service = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const options = optionsIn(directory, `127.0.0.1:${service.addr.port}`);
    options.push("--proxy-protocol", version);
    await using server = new Running(["server", ...options, "--", ...PLAIN]);
    // It looks whether the service is there, and belongs to nobody.
    const first = await nextText(service);
    assertEquals(first, version === "1" ? "PROXY UNKNOWN\r\n" : "\r\n\r\n\0\r\nQUIT\n\x21\0\0\0");
    await server.says(/clients connect with this command/);
    const port = await server.port();
    const [from, text] = await Promise.all([say(port, "hello"), nextText(service)]);
    if (version === "1") {
      assertEquals(text, `PROXY TCP4 127.0.0.1 127.0.0.1 ${from} ${port}\r\nhello`);
    } else {
      const head = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01";
      const ports = String.fromCharCode(from >> 8, from & 0xff, port >> 8, port & 0xff);
      assertEquals(text, `${head}${ports}hello`);
    }
    assertEquals((await server.end()).code, 0);
  }
});

command(
  "ptlib server warns when nobody answers at --forward, and serves who comes later",
  async (directory) => {
    const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    closed.close();
    const forward = `127.0.0.1:${closed.addr.port}`;
    await using server = new Running(["server", ...optionsIn(directory, forward), "--", ...PLAIN]);
    await server.says(/^plain: nobody answers at --forward .*refused/);
    const port = await server.port();
    {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      assertEquals(await conn.read(new Uint8Array(1)), null);
    }
    await server.says(
      /a connection broke off: .* failed: .*refused.*is there anybody at --forward/,
    );
    using service = Deno.listen({ hostname: "127.0.0.1", port: closed.addr.port });
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(conn, Uint8Array.of(7));
    using accepted = await service.accept();
    assertEquals(await readFull(accepted, new Uint8Array(1)), Uint8Array.of(7));
  },
);

command("ptlib server does not warn of a service that is there", async (directory) => {
  using service = new EchoServer();
  const options = optionsIn(directory, `127.0.0.1:${service.address[1]}`);
  await using server = new Running(["server", ...options, "--", ...PLAIN]);
  assertEquals(await echo(await server.port(), "hello"), "hello");
  await server.says(/a connection ended/);
  assertEquals(service.accepted, 2); // The first one looked whether it is there.
  assertEquals(server.err.filter((line) => line.includes("nobody answers")), []);
});

command("ptlib server names what is wrong with --proxy-protocol", async (directory) => {
  const options = [...optionsIn(directory, "127.0.0.1:1"), "--proxy-protocol", "3"];
  const { code, err } = await finished(["server", ...options, "--", "x"]);
  assertEquals(code, 2);
  assertMatch(err, /--proxy-protocol is malformed: its versions are 1 and 2/);
});

/** The service behind `ptlib server`: by name, told who its client is, or not there. */

import { assertEquals, assertMatch } from "@std/assert";
import type { Address } from "../../address.ts";
import { listeningPlace } from "../../parent/listening_place.ts";
import { readFull, writeAll } from "../../net/mod.ts";
import { EchoServer } from "../echo.ts";
import { command, echo, finished, PLAIN, Running } from "./ptlib_process.ts";

/** The options of a server whose state is in a directory. */
function optionsIn(directory: string, forward: string): string[] {
  const listen = ["--transport", "plain", "--listen", "127.0.0.1:0"];
  return [...listen, "--state", directory, "--forward", forward];
}

/** All bytes of the next connection. */
async function nextBytes(listener: Deno.TcpListener): Promise<Uint8Array> {
  using conn = await listener.accept();
  return new Uint8Array(await new Response(conn.readable).arrayBuffer());
}

/** What the service reads first, by the versions of the protocol. */
const HEADS = {
  1: (from: number, to: number) => bytesOf(`PROXY TCP4 127.0.0.1 127.0.0.1 ${from} ${to}\r\n`),
  2: (from: number, to: number) => {
    const ports = [from >> 8, from & 0xff, to >> 8, to & 0xff];
    const head = bytesOf("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01");
    return Uint8Array.of(...head, ...ports);
  },
};

/** The same for nobody. */
const UNKNOWN = {
  1: bytesOf("PROXY UNKNOWN\r\n"),
  2: bytesOf("\r\n\r\n\0\r\nQUIT\n\x21\0\0\0"),
};

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Connects to a server's end, says a word, and tells the port it came from. */
async function say(port: number, text: string): Promise<number> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(conn, bytesOf(text));
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
  for (const version of [1, 2] as const) {
    using service = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const options = optionsIn(directory, `127.0.0.1:${service.addr.port}`);
    options.push("--proxy-protocol", String(version));
    await using server = new Running(["server", ...options, "--", ...PLAIN]);
    // It looks whether the service is there, and belongs to nobody.
    assertEquals(await nextBytes(service), UNKNOWN[version]);
    const port = await server.port();
    const [from, bytes] = await Promise.all([say(port, "hello"), nextBytes(service)]);
    assertEquals(bytes, Uint8Array.of(...HEADS[version](from, port), ...bytesOf("hello")));
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

/** A server that listens nowhere, and reports an address that was made up, as WebTunnel's do. */
const MADE_UP = `
  console.log("VERSION 1\\nSMETHOD a [2001:db8::7]:443 ARGS:url=x\\nSMETHODS DONE");
  for await (const _ of Deno.stdin.readable);`;

command("ptlib server tells where it listens, and not what is made up", async (directory) => {
  const words = [Deno.execPath(), "eval", MADE_UP];
  const start = (listen: string) => {
    const args = ["server", "--transport", "a", "--listen", listen, "--state", directory];
    return new Running([...args, "--forward", "127.0.0.1:1", "--option", "b=c", "--", ...words]);
  };
  await using given = start("127.0.0.1:28443");
  await given.says(/^a: listening on 127\.0\.0\.1:28443, forwarding to/);
  await given.says(/^a: not published: b\./);
  await using any = start("127.0.0.1:0");
  await any.says(/^a: listening on a port of 127\.0\.0\.1, forwarding to/);
  await any.says(/^a: its program does not tell on which port it listens: give --listen a port$/);
});

Deno.test("listeningPlace() takes the port alone from what a program reports", () => {
  const rows: [asked: Address, reported: Address, place: Address | null][] = [
    [["127.0.0.1", 0], ["127.0.0.1", 5], ["127.0.0.1", 5]],
    [["127.0.0.1", 7], ["2001:db8::1", 443], ["127.0.0.1", 7]],
    [["127.0.0.1", 0], ["2001:db8::1", 443], null],
    [["0.0.0.0", 0], ["::", 5], ["0.0.0.0", 5]],
    [["::1", 0], ["0:0:0:0:0:0:0:1", 5], ["::1", 5]],
    [["0.0.0.0", 0], ["192.0.2.7", 443], null],
  ];
  for (const [asked, reported, place] of rows) {
    assertEquals(listeningPlace(asked, reported), place);
  }
});

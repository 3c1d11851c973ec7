import { assertEquals, assertRejects } from "@std/assert";
import { Duplex } from "node:stream";
import { denoError, fromDuplex, toDuplex } from "../../net/duplex.ts";
import { writeAll } from "../../net/mod.ts";
import { permitted } from "../permitted.ts";
import { bytes, takeText } from "./scripted_peer.ts";
import { readToEnd, tcpPair } from "../../testing/mod.ts";

/** An error as node's system calls give it. */
function nodeError(code: string): Error {
  return Object.assign(new Error(`connect ${code} 192.0.2.7:443`), { code });
}

Deno.test("fromDuplex() throws a failed write where it was made, and nowhere else", async () => {
  const conn = fromDuplex(
    new Duplex({
      read() {},
      write(_chunk, _encoding, done) {
        done(nodeError("EPIPE"));
      },
    }),
  );
  const error = await assertRejects(() => conn.write(bytes("x")), Deno.errors.BrokenPipe);
  assertEquals(error.message, "Broken pipe");
  // An error event that nobody hears would end the test's process in a later turn.
  await new Promise((resolve) => setTimeout(resolve));
  await assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.BrokenPipe);
});

const ERRORS: readonly [code: string, Class: new () => Error, message: string][] = [
  ["ECONNREFUSED", Deno.errors.ConnectionRefused, "Connection refused"],
  ["ECONNRESET", Deno.errors.ConnectionReset, "Connection reset by peer"],
  ["ENETUNREACH", Deno.errors.NetworkUnreachable, "Network is unreachable"],
  ["ETIMEDOUT", Deno.errors.TimedOut, "Connection timed out"],
  ["EHOSTUNREACH", Error, "No route to host"],
  ["EADDRNOTAVAIL", Deno.errors.AddrNotAvailable, "Address not available"],
  ["ECONNABORTED", Deno.errors.ConnectionAborted, "Connection aborted"],
  ["EPIPE", Deno.errors.BrokenPipe, "Broken pipe"],
  ["ECANCELED", Deno.errors.Interrupted, "The connection was closed"],
  ["ERR_STREAM_DESTROYED", Deno.errors.Interrupted, "The connection was closed"],
  ["ERR_STREAM_PREMATURE_CLOSE", Deno.errors.Interrupted, "The connection was closed"],
  ["EAI_AGAIN", Error, "The name was not found for now"],
  ["ENOTFOUND", Error, "The name was not found"],
  ["ENOBUFS", Error, "ENOBUFS"],
];

Deno.test("fromDuplex() words node's errors as Deno does, without their addresses", async () => {
  for (const [code, Class, message] of ERRORS) {
    const conn = fromDuplex(
      new Duplex({
        read() {
          this.destroy(nodeError(code));
        },
      }),
    );
    const error = await assertRejects(() => conn.read(new Uint8Array(1)), Class);
    assertEquals([error.message, Reflect.get(error, "code")], [message, code]);
  }
});

Deno.test("denoError() keeps what it words anew as the cause, and anything else as it is", () => {
  const refused = nodeError("ECONNREFUSED");
  assertEquals(Reflect.get(Object(denoError(refused)), "cause"), refused);
  const others = [nodeError("ERR_HTTP2_ERROR"), nodeError("e"), new Error("no code"), "text", null];
  for (const other of others) assertEquals(denoError(other), other);
});

Deno.test("fromDuplex() leaves another error as it is", async () => {
  const error = new RangeError("of the stream's own");
  const conn = fromDuplex(
    new Duplex({
      read() {
        this.destroy(error);
      },
    }),
  );
  assertEquals(await conn.read(new Uint8Array(1)).catch((error) => error), error);
});

Deno.test("fromDuplex() is interrupted by close(), also in a write that never ends", async () => {
  const conn = fromDuplex(new Duplex({ read() {}, write() {} }));
  const waiting = [
    assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.Interrupted),
    assertRejects(() => conn.write(bytes("x")), Deno.errors.Interrupted),
    assertRejects(() => conn.closeWrite(), Deno.errors.Interrupted),
  ];
  conn.close();
  await Promise.all(waiting);
});

permitted(["net"], "toDuplex() half-closes, and reads on", async () => {
  using pair = await tcpPair();
  const stream = await toDuplex(pair.client);
  const conn = fromDuplex(stream);
  await writeAll(conn, bytes("hello"));
  await conn.closeWrite();
  assertEquals(await readToEnd(pair.server), bytes("hello"));
  await pair.server.write(bytes("goodbye"));
  assertEquals(await takeText(conn, 7), "goodbye");
  conn.close();
});

permitted(["net"], "toDuplex() writes on behind the end of what it reads", async () => {
  using pair = await tcpPair();
  const conn = fromDuplex(await toDuplex(pair.client));
  await pair.server.closeWrite();
  assertEquals(await conn.read(new Uint8Array(1)), null);
  await writeAll(conn, bytes("still here"));
  assertEquals(await takeText(pair.server, 10), "still here");
  conn.close();
});

permitted(["net"], "toDuplex() closes the connection when it is destroyed", async () => {
  using pair = await tcpPair();
  const stream = await toDuplex(pair.client);
  stream.destroy();
  assertEquals(await readToEnd(pair.server), bytes(""));
  await assertRejects(() => pair.client.read(new Uint8Array(1)), Deno.errors.BadResource);
});

Deno.test("toDuplex() reads as much at once as comes", async () => {
  const KIB = 1024;
  // What comes at each read, at most, and how much there is room for then.
  const rows: readonly [comes: number, room: number][] = [
    [4 * KIB - 1, 4 * KIB],
    [1, 4 * KIB],
    [4 * KIB, 4 * KIB],
    [16 * KIB, 16 * KIB],
    [64 * KIB, 64 * KIB],
    [16 * KIB, 64 * KIB],
    [16 * KIB - 1, 64 * KIB],
    [4 * KIB - 1, 16 * KIB],
    [100, 4 * KIB],
    [0, 4 * KIB],
  ];
  const rooms: number[] = [];
  const duplex = await toDuplex({
    read(p) {
      const [comes = 0] = rows[rooms.length] ?? [];
      rooms.push(p.length);
      return Promise.resolve(comes || null);
    },
    write: (p) => Promise.resolve(p.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  });
  let length = 0;
  for await (const chunk of duplex) length += chunk.length;
  assertEquals(rooms, rows.map(([, room]) => room));
  assertEquals(length, rows.reduce((sum, [comes]) => sum + comes, 0));
});

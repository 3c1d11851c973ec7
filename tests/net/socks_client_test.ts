import { assertEquals, assertRejects } from "@std/assert";
import { connectSocks4, connectSocks5, SocksReplyError } from "../../net/proxy.ts";
import type { StreamConn } from "../../net/conn.ts";

const utf8 = new TextEncoder();

/** A proxy that answers from a script, a byte at a time; what is behind the script stays unread. */
class Scripted implements StreamConn {
  readonly sent: number[] = [];
  #answer: number[];
  constructor(...answer: number[]) {
    this.#answer = answer;
  }
  get unread(): number[] {
    return this.#answer;
  }
  read(p: Uint8Array): Promise<number | null> {
    const byte = this.#answer.shift();
    if (byte === undefined) return Promise.resolve(null);
    p[0] = byte;
    return Promise.resolve(1);
  }
  write(p: Uint8Array): Promise<number> {
    const count = Math.min(p.length, 3);
    this.sent.push(...p.subarray(0, count));
    return Promise.resolve(count);
  }
  closeWrite(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {}
}

const NO_AUTH = [5, 0];
const GRANTED = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

Deno.test("connectSocks5() sends each kind of target in its own address type", async () => {
  const rows: [string, number[]][] = [
    ["192.0.2.7", [1, 192, 0, 2, 7]],
    ["2001:db8::1", [4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ["a.example", [3, 9, ...utf8.encode("a.example")]],
    ["0x50.1", [3, 6, ...utf8.encode("0x50.1")]],
  ];
  for (const [host, address] of rows) {
    const conn = new Scripted(...NO_AUTH, ...GRANTED);
    await connectSocks5(conn, [host, 0x1234]);
    assertEquals(conn.sent, [5, 1, 0, 5, 1, 0, ...address, 0x12, 0x34]);
  }
});

Deno.test("connectSocks5() offers only user and password when it has them", async () => {
  const conn = new Scripted(5, 2, 1, 0, ...GRANTED);
  await connectSocks5(conn, ["192.0.2.7", 1], {
    user: utf8.encode("k=v"),
    password: Uint8Array.of(0),
  });
  assertEquals(conn.sent.slice(0, 10), [5, 1, 2, 1, 3, 107, 61, 118, 1, 0]);
});

Deno.test("connectSocks5() sends nothing more when the proxy would skip authentication", async () => {
  const conn = new Scripted(...NO_AUTH, ...GRANTED);
  const credentials = { user: Uint8Array.of(1), password: Uint8Array.of(1) };
  await assertRejects(
    () => connectSocks5(conn, ["192.0.2.7", 1], credentials),
    Deno.errors.InvalidData,
    "not offered",
  );
  assertEquals(conn.sent, [5, 1, 2]);
});

Deno.test("connectSocks5() leaves what follows the reply unread, for BND.ADDR of every type", async () => {
  const rows = [
    [5, 0, 0, 1, 1, 2, 3, 4, 5, 6],
    [5, 0, 0, 4, ...new Array(18).fill(9)],
    [5, 0, 0, 3, 2, 97, 98, 5, 6],
    [5, 0, 0, 3, 0, 5, 6],
  ];
  for (const reply of rows) {
    const conn = new Scripted(...NO_AUTH, ...reply, 42, 43);
    await connectSocks5(conn, ["192.0.2.7", 1]);
    assertEquals(conn.unread, [42, 43], `reply ${reply}`);
  }
});

Deno.test("connectSocks5() says what the proxy's refusal means, also when it is cut short", async () => {
  const rows: [number[], string][] = [
    [[5, 1, 0, 1, 0, 0, 0, 0, 0, 0], "general failure (1)"],
    [[5, 5], "connection refused (5)"],
    [[5, 77], "an unknown failure (77)"],
  ];
  for (const [reply, message] of rows) {
    const conn = new Scripted(...NO_AUTH, ...reply);
    const error = await assertRejects(
      () => connectSocks5(conn, ["192.0.2.7", 1]),
      SocksReplyError,
      message,
    );
    assertEquals(error.code, reply[1]);
  }
});

Deno.test("connectSocks5() rejects with the error that fits a proxy's misbehaviour", async () => {
  const rows: [number[], new () => Error, string][] = [
    [[4, 0], Deno.errors.InvalidData, "does not speak SOCKS5"],
    [[5, 1], Deno.errors.InvalidData, "not offered"],
    [[5, 0xff], Deno.errors.PermissionDenied, "does not take a user and password"],
    [[5, 2, 5, 0], Deno.errors.InvalidData, "another version"],
    [[5, 2, 1, 1], Deno.errors.PermissionDenied, "refused the user and password"],
    [[5, 2, 1, 0, 4, 0], Deno.errors.InvalidData, "does not speak SOCKS5"],
    [[5, 2, 1, 0, 5, 0, 0, 2, 0], Deno.errors.InvalidData, "unknown address type"],
    [[5, 2, 1], Deno.errors.UnexpectedEof, "closed the connection"],
  ];
  const credentials = { user: Uint8Array.of(1), password: Uint8Array.of(1) };
  for (const [answer, type, message] of rows) {
    const connect = () => connectSocks5(new Scripted(...answer), ["192.0.2.7", 1], credentials);
    await assertRejects(connect, type, message);
  }
  const anonymous = () => connectSocks5(new Scripted(5, 0xff), ["192.0.2.7", 1]);
  await assertRejects(anonymous, Deno.errors.PermissionDenied, "there are no user and password");
});

Deno.test("connectSocks5() sends nothing when the request would not fit", async () => {
  const none = new Uint8Array(0);
  const long = new Uint8Array(256).fill(1);
  type Credentials = { user: Uint8Array; password: Uint8Array } | undefined;
  const name = "The target's name has";
  const port = "The port must be a whole number from 0 to 65535";
  const rows: [target: [string, number], credentials: Credentials, message: string][] = [
    [["", 1], undefined, `${name} 0 bytes; SOCKS takes 1 to 255`],
    [["x".repeat(256), 1], undefined, `${name} 256 bytes`],
    [["é".repeat(128), 1], undefined, `${name} 256 bytes`],
    [["192.0.2.7", 65536], undefined, port],
    [["192.0.2.7", -1], undefined, port],
    [["192.0.2.7", 1], { user: none, password: Uint8Array.of(1) }, "The user name has 0 bytes"],
    [["192.0.2.7", 1], { user: Uint8Array.of(1), password: none }, "The password has 0 bytes"],
    [["192.0.2.7", 1], { user: long, password: Uint8Array.of(1) }, "The user name has 256 bytes"],
  ];
  for (const [target, credentials, message] of rows) {
    const conn = new Scripted(5, credentials === undefined ? 0 : 2, 1, 0, ...GRANTED);
    await assertRejects(() => connectSocks5(conn, target, credentials), TypeError, message);
    assertEquals(conn.sent, []);
  }
});

Deno.test("connectSocks5() sends the longest fields, and a port of 0", async () => {
  const longest = new Uint8Array(255).fill(120);
  const conn = new Scripted(5, 2, 1, 0, ...GRANTED);
  await connectSocks5(conn, ["x".repeat(255), 0], { user: longest, password: longest });
  const field = [255, ...longest];
  assertEquals(conn.sent, [5, 1, 2, 1, ...field, ...field, 5, 1, 0, 3, ...field, 0, 0]);
});

Deno.test("connectSocks4() sends IPv4 as such and everything else as a name", async () => {
  const user = [109, 101, 0];
  const name = (text: string) => [0, 0, 0, 1, ...user, ...utf8.encode(text), 0];
  const rows: [string, number[]][] = [
    ["192.0.2.7", [192, 0, 2, 7, ...user]],
    ["a.example", name("a.example")],
    ["2001:db8::1", name("2001:db8::1")],
    ["0.0.0.9", name("0.0.0.9")],
  ];
  for (const [host, tail] of rows) {
    const conn = new Scripted(0, 90, 1, 2, 3, 4, 5, 6, 42);
    await connectSocks4(conn, [host, 443], utf8.encode("me"));
    assertEquals(conn.sent, [4, 1, 1, 0xbb, ...tail]);
    assertEquals(conn.unread, [42]);
  }
});

Deno.test("connectSocks4() rejects with the error that fits the answer", async () => {
  const connect = (...answer: number[]) => () =>
    connectSocks4(new Scripted(...answer), ["192.0.2.7", 1], new Uint8Array());
  await assertRejects(connect(0, 91, 0, 0, 0, 0, 0, 0), SocksReplyError, "rejected or failed (91)");
  await assertRejects(connect(5, 90, 0, 0, 0, 0, 0, 0), Deno.errors.InvalidData, "SOCKS4");
  await assertRejects(connect(0, 90), Deno.errors.UnexpectedEof);
});

Deno.test("connectSocks4() sends nothing when the request would not fit", async () => {
  const none = new Uint8Array();
  const rows: [host: string, userId: Uint8Array, message: string][] = [
    ["a\0b", none, "The target's name has a NUL byte"],
    ["", none, "The target's name has 0 bytes"],
    ["192.0.2.7", Uint8Array.of(1, 0, 2), "The user id has a NUL byte, which ends it in SOCKS4"],
  ];
  for (const [host, userId, message] of rows) {
    const conn = new Scripted(0, 90, 0, 0, 0, 0, 0, 0);
    await assertRejects(() => connectSocks4(conn, [host, 1], userId), TypeError, message);
    assertEquals(conn.sent, []);
  }
});

Deno.test("SocksReplyError says what each reply means, and which SOCKS5 reply says the same", () => {
  const rows: [code: number, words: string, reply: number][] = [
    [1, "general failure", 1],
    [2, "not allowed by its rules", 2],
    [3, "network unreachable", 3],
    [4, "host unreachable", 4],
    [5, "connection refused", 5],
    [6, "TTL expired", 6],
    [7, "command not supported", 7],
    [8, "address type not supported", 8],
    [9, "an unknown failure", 1],
    [0, "an unknown failure", 1],
    [91, "request rejected or failed", 1],
    [92, "it cannot reach an identd at this host", 2],
    [93, "the identd at this host says another user id", 2],
  ];
  for (const [code, words, reply] of rows) {
    const error = new SocksReplyError(code);
    assertEquals(error.message, `The SOCKS proxy replied: ${words} (${code})`);
    assertEquals([error.code, error.reply], [code, reply]);
  }
});

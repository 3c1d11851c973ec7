import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Address } from "../../address.ts";
import { DialError, readFull, writeAll } from "../../net/mod.ts";
import { SocksReplyError } from "../../net/proxy.ts";
import { dialTransport } from "../../parent/mod.ts";
import { permitted } from "../permitted.ts";

const utf8 = new TextEncoder();

/** Takes one connection, answers each message of it, and returns what it was sent. */
async function socksServer(
  answers: [length: number, answer: number[]][],
  use: (address: Address) => Promise<unknown>,
): Promise<number[]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const used = use(["127.0.0.1", listener.addr.port]);
  using conn = await listener.accept();
  const sent: number[] = [];
  for (const [length, answer] of answers) {
    sent.push(...await readFull(conn, new Uint8Array(length)));
    await writeAll(conn, Uint8Array.from(answer));
  }
  await used;
  return sent;
}

const GRANTED = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const TARGET: Address = ["192.0.2.7", 443];
const REQUEST = [5, 1, 0, 1, 192, 0, 2, 7, 1, 0xbb];

permitted(["net"], "dial() sends no credentials when there are no arguments", async () => {
  const answers: [number, number[]][] = [[3, [5, 0]], [10, GRANTED]];
  const sent = await socksServer(answers, async (address) => {
    (await dialTransport({ socksVersion: 5, address }, TARGET)).close();
  });
  assertEquals(sent, [5, 1, 0, ...REQUEST]);
});

permitted(["net"], "dial() splits arguments at byte 255, even inside a character", async () => {
  const rows: [args: [string, string][], user: Uint8Array, password: Uint8Array][] = [
    [[["a", "b;c"], ["d", ""]], utf8.encode("a=b\\;c;d="), Uint8Array.of(0)],
    [[["k", "x".repeat(253)]], utf8.encode("k=" + "x".repeat(253)), Uint8Array.of(0)],
    [[["k", "x".repeat(254)]], utf8.encode("k=" + "x".repeat(253)), utf8.encode("x")],
    [
      [["k", "é".repeat(127)]],
      utf8.encode("k=" + "é".repeat(127)).subarray(0, 255),
      utf8.encode("k=" + "é".repeat(127)).subarray(255),
    ],
    [[["k", "x".repeat(508)]], utf8.encode("k=" + "x".repeat(253)), utf8.encode("x".repeat(255))],
  ];
  for (const [args, user, password] of rows) {
    const credentials = [1, user.length, ...user, password.length, ...password];
    const answers: [number, number[]][] = [[3, [5, 2]], [credentials.length, [1, 0]], [
      10,
      GRANTED,
    ]];
    const sent = await socksServer(answers, async (address) => {
      (await dialTransport({ socksVersion: 5, address }, TARGET, args)).close();
    });
    assertEquals(sent, [5, 1, 2, ...credentials, ...REQUEST]);
  }
});

permitted(["net"], "dial() puts the arguments into the user id of SOCKS4", async () => {
  const request = [4, 1, 1, 0xbb, 192, 0, 2, 7, ...utf8.encode("k=v"), 0];
  const answers: [number, number[]][] = [[request.length, [0, 90, 0, 0, 0, 0, 0, 0]]];
  const sent = await socksServer(answers, async (address) => {
    (await dialTransport({ socksVersion: 4, address }, TARGET, [["k", "v"]])).close();
  });
  assertEquals(sent, request);
});

permitted(["net"], "dial() rejects with a DialError when the client refuses", async () => {
  await socksServer([[3, [5, 0]], [10, [5, 4, 0, 1, 0, 0, 0, 0, 0, 0]]], async (address) => {
    const error = await assertRejects(
      () => dialTransport({ socksVersion: 5, address }, TARGET),
      DialError,
      "host unreachable",
    );
    assert(error.cause instanceof SocksReplyError);
  });
});

permitted(["net"], "dial() rejects with its signal's reason when that aborts", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  await socksServer([[3, []]], async (address) => {
    const dialled = dialTransport({ socksVersion: 5, address }, TARGET, [], {
      signal: controller.signal,
    });
    controller.abort(reason);
    assertEquals(await dialled.catch((error) => error), reason);
    // For the server, which waits for a greeting.
    using conn = await Deno.connect({ hostname: address[0], port: address[1] });
    await conn.write(Uint8Array.of(5, 1, 0));
  }).catch((error) => {
    if (!(error instanceof Deno.errors.UnexpectedEof)) throw error;
  });
});

Deno.test("dial() throws a TypeError for arguments that do not fit, and connects nowhere", async () => {
  const method = { socksVersion: 5, address: ["127.0.0.1", 1] as Address } as const;
  const args: [string, string][] = [["k", "x".repeat(509)]];
  await assertRejects(() => dialTransport(method, TARGET, args), TypeError, "511 bytes");
});

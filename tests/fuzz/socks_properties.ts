/** The SOCKS5 server that tor connects to (`net/socks.ts`), in memory. */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { type Address, bytesToIp } from "../../address.ts";
import { formatSocksArgs } from "../../args.ts";
import type { StreamConn } from "../../net/conn.ts";
import { listenSocks, replyFor } from "../../net/socks.ts";
import { connectRequest, fields, NO_AUTH, PASSWORD, reply } from "../net/socks_bytes.ts";
import { bytesOf, editedBytes, ip, pairs, text } from "./arbitraries.ts";
import { referenceItems } from "./args_properties.ts";
import {
  type Arrival,
  arrival,
  DRIBBLE,
  type End,
  end,
  everyArrival,
  MemoryConn,
  MemoryListener,
  WHOLE,
  withoutDeadlines,
} from "./memory_conn.ts";
import { forAll, forAllAsync, type NamedProperty } from "./property.ts";

/** What a handshake came to: all that anybody can see of it. */
export interface Handshake {
  /** What the server said. */
  written: number[];
  /** What the request was for; null where there was none. */
  request: { target: Address; args: [string, string][] } | null;
  /** What is behind the handshake, and can be read when it is granted; null without a request. */
  rest: number[] | null;
  /** Whether the connection was closed. */
  closed: boolean;
}

/** Takes the bytes through a listener. */
export async function shake(input: Uint8Array, sizes: Arrival, end: End): Promise<Handshake> {
  using _ = withoutDeadlines();
  const conn = new MemoryConn(input, sizes, end);
  const listener = new MemoryListener(conn);
  using socks = listenSocks({ listener: listener.tcp });
  const requests = socks[Symbol.asyncIterator]();
  const next = requests.next();
  const first = await Promise.race([next, conn.whenClosed]);
  socks.close();
  const { value: request, done } = first ?? await next;
  assertEquals((await requests.next()).done, true);
  const seen = { written: [...conn.written], closed: conn.closed };
  if (done) return { ...seen, request: null, rest: null };
  assert(request !== undefined);
  const { target, args } = request;
  const rest = await readToEnd(await request.grant());
  return { ...seen, request: { target, args: [...args] }, rest };
}

/** Everything until a stream ends or breaks. */
async function readToEnd(conn: StreamConn): Promise<number[]> {
  const bytes: number[] = [];
  const piece = new Uint8Array(7);
  try {
    for (let count; (count = await conn.read(piece)) !== null;) {
      bytes.push(...piece.subarray(0, count));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return bytes;
}

/** The stream ended too early. */
class Ended extends Error {}

/** The handshake as PROTOCOL.md says in its section 4, once more, on bytes that are all there. */
function referenceHandshake(input: Uint8Array): Handshake {
  const written: number[] = [];
  let at = 0;
  const take = (length: number): number[] => {
    if (at + length > input.length) throw new Ended();
    at += length;
    return [...input.subarray(at - length, at)];
  };
  const byte = () => take(1)[0] ?? 0;
  const text = (bytes: number[]) =>
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  const refuse = (...answer: number[]): Handshake => {
    written.push(...answer);
    return { written, request: null, rest: null, closed: true };
  };
  try {
    if (byte() !== 5) return refuse();
    const methods = take(byte());
    const withArgs = methods.includes(2);
    if (!withArgs && !methods.includes(0)) return refuse(5, 255);
    written.push(5, withArgs ? 2 : 0);
    let args: [string, string][] = [];
    if (withArgs) {
      if (byte() !== 1) return refuse(1, 1);
      const user = take(byte());
      if (user.length === 0) return refuse(1, 1);
      const password = take(byte());
      if (password.length === 0) return refuse(1, 1);
      const unused = password.length === 1 && password[0] === 0;
      let items: string[][] | null = null;
      try {
        items = referenceItems(text([...user, ...unused ? [] : password]), ["="], ";");
      } catch {
        // It is not UTF-8.
      }
      if (items === null) return refuse(1, 1);
      args = items.map(([key = "", value = ""]) => [key, value]);
      written.push(1, 0);
    }
    const [version, command, , type = 0] = take(4);
    if (version !== 5) return refuse(...reply(1));
    if (command !== 1) return refuse(...reply(7));
    let host: string;
    if (type === 1 || type === 4) host = bytesToIp(Uint8Array.from(take(type === 1 ? 4 : 16)));
    else if (type !== 3) return refuse(...reply(8));
    else {
      const name = take(byte());
      if (name.length === 0 || !name.every((byte) => byte > 32 && byte < 127)) {
        return refuse(...reply(1));
      }
      host = text(name);
    }
    const [high = 0, low = 0] = take(2);
    return {
      written,
      request: { target: [host, high << 8 | low], args },
      rest: [...input.subarray(at)],
      closed: false,
    };
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    return refuse();
  }
}

/** A greeting, right or nearly so. */
export const greeting: fc.Arbitrary<number[]> = fc.oneof(
  { arbitrary: fc.constantFrom(NO_AUTH, PASSWORD), weight: 4 },
  {
    arbitrary: fc.array(fc.oneof(fc.constantFrom(0, 1, 2, 255), fc.nat(255)), { maxLength: 5 })
      .map((methods) => [5, methods.length, ...methods]),
    weight: 1,
  },
);

const argsBytes = fc.oneof(
  pairs.map(formatSocksArgs).map(bytesOf),
  fc.array(fc.tuple(fc.stringMatching(/^[a-z-]{1,9}$/), fc.string({ maxLength: 200 })), {
    maxLength: 5,
  }).map(formatSocksArgs).map(bytesOf),
  text.map(bytesOf),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => [...bytes]),
).filter((bytes) => bytes.length <= 510);

/** The fields of RFC 1929 that hold some arguments, split anywhere. */
export const authentication: fc.Arbitrary<number[]> = fc.tuple(
  argsBytes,
  fc.option(fc.nat(255), { nil: 255 }),
).map(
  ([bytes, at]) => {
    const split = Math.max(at, bytes.length - 255);
    const rest = bytes.slice(split);
    return fields(bytes.slice(0, split), rest.length === 0 ? [0] : rest);
  },
);

/** A request to connect. */
export const request: fc.Arbitrary<number[]> = fc.tuple(
  fc.oneof(ip, fc.domain(), fc.string({ maxLength: 255 }), fc.constantFrom("a b", "a\x7fb", "é")),
  fc.nat(65535),
).map((target) => connectRequest(target).map((byte) => byte & 255));

const payload = fc.uint8Array({ maxLength: 20 });

/** The bytes of a client, right or nearly so, with what it sends early. */
const clientBytes = editedBytes(
  fc.tuple(greeting, authentication, request, payload).map(
    ([greeting, authentication, request, payload]) => [
      ...greeting,
      // Both choose the same way: with user and password, where they are offered.
      ...greeting.slice(2).includes(2) ? authentication : [],
      ...request,
      ...payload,
    ],
  ),
);

const garbage = fc.uint8Array({ maxLength: 60 });

const reason = fc.oneof(
  fc.integer({ min: -2, max: 300 }),
  fc.anything(),
  fc.record({
    name: fc.constantFrom("TimeoutError", "Refused", "ConnectionRefused", "toString", "__proto__"),
    code: fc.oneof(fc.constantFrom("ECONNREFUSED", "ENOTFOUND", "toString"), fc.anything()),
    reply: fc.oneof(fc.integer({ min: -1, max: 10 }), fc.anything()),
    cause: fc.anything(),
  }, { requiredKeys: [] }).map((fields) => Object.assign(new Error(), fields)),
);

/** The properties of `net/socks.ts`. */
export const socksProperties: NamedProperty[] = [
  forAllAsync(
    "a SOCKS handshake is what PROTOCOL.md says, whole, in pieces and byte by byte",
    fc.tuple(fc.oneof({ arbitrary: clientBytes, weight: 9 }, garbage), arrival, end),
    async ([input, sizes, end]) => {
      const expected = referenceHandshake(input);
      for (const arrival of [WHOLE, sizes, DRIBBLE]) {
        assertEquals(await shake(input, arrival, end), expected);
      }
    },
  ),
  forAllAsync(
    "a SOCKS handshake is the same for each place to split it at",
    fc.tuple(clientBytes.filter(({ length }) => length < 100), end),
    async ([input, end]) => {
      const expected = referenceHandshake(input);
      for (const arrival of everyArrival(input.length)) {
        assertEquals(await shake(input, arrival, end), expected);
      }
    },
    15,
  ),
  forAllAsync(
    "a SOCKS request is answered once, with all ten bytes, and what came early is kept",
    fc.tuple(request, payload, fc.option(reason), reason, arrival),
    async ([request, early, refusal, late, sizes]) => {
      using _ = withoutDeadlines();
      const input = Uint8Array.from([...NO_AUTH, ...request, ...early]);
      const expected = referenceHandshake(input);
      const conn = new MemoryConn(input, sizes);
      const listener = new MemoryListener(conn);
      using socks = listenSocks({ listener: listener.tcp });
      const requests = socks[Symbol.asyncIterator]();
      if (expected.request === null) return;
      const { value } = await requests.next();
      assert(value !== undefined);
      const answer = conn.written.length;
      if (refusal === null) {
        assertEquals(await value.grant() as unknown, conn);
        await value.reject(late);
        assertEquals(conn.written.slice(answer), reply(0));
        assertEquals(conn.closed, false);
        const rest = new Uint8Array(early.length + 1);
        let length = 0;
        for (let count; (count = await conn.read(rest.subarray(length))) !== null;) length += count;
        assertEquals(rest.subarray(0, length), early);
      } else {
        await value.reject(refusal);
        await value.reject(late);
        assertEquals(conn.written.slice(answer), reply(replyFor(refusal)));
        assert(conn.closed);
      }
      socks.close();
      assertEquals((await requests.next()).done, true);
    },
  ),
  forAll(
    "replyFor() gives a reply from 1 to 8 for anything that can be thrown",
    reason,
    (reason) => {
      const code = replyFor(reason);
      assert(Number.isInteger(code) && code >= 1 && code <= 8, String(code));
    },
  ),
];

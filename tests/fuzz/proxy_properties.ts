/** Upstream proxies as a client asks them (`net/proxy.ts`, `net/dial.ts`), in memory. */

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { type Address, canBeName, ipToBytes } from "../../address.ts";
import type { ProxyInfo } from "../../config.ts";
import { dial, DialError } from "../../net/dial.ts";
import { connectHttp, connectSocks4, connectSocks5 } from "../../net/proxy.ts";
import { replyFor } from "../../net/socks.ts";
import { bytesOf, editedBytes, ip, port, rarely, target, text } from "./arbitraries.ts";
import {
  type Arrival,
  arrival,
  DRIBBLE,
  type End,
  end,
  everyArrival,
  MemoryConn,
  outcome,
  replace,
  WHOLE,
  withoutDeadlines,
} from "./memory_conn.ts";
import { forAllAsync, type NamedProperty } from "./property.ts";

/** What came of asking: the class of the error, what was said, and how much was read. */
interface Asked {
  error: string | null;
  written: number[];
  consumed: number;
}

/** Asks a proxy that answers these bytes, whatever it is asked. */
async function ask(
  answer: Uint8Array,
  sizes: Arrival,
  end: End,
  steps: (conn: MemoryConn) => Promise<void>,
): Promise<Asked & { message: string }> {
  const conn = new MemoryConn(answer, sizes, end);
  const came = await outcome(steps(conn));
  const [error, message] = "error" in came ? [came.error, came.message] : [null, ""];
  return { error, message, written: conn.written, consumed: conn.consumed };
}

/** Asks in pieces and byte by byte, too; the answer is the same. */
async function askAnyhow(
  answer: Uint8Array,
  arrivals: Iterable<Arrival>,
  end: End,
  steps: (conn: MemoryConn) => Promise<void>,
): Promise<Asked & { message: string }> {
  const whole = await ask(answer, WHOLE, end, steps);
  for (const arrival of arrivals) assertEquals(await ask(answer, arrival, end, steps), whole);
  return whole;
}

/** What the end of the bytes becomes. */
const ENDED = { end: "UnexpectedEof", reset: "ConnectionReset" } as const;

/** Says and reads, step by step, as the proxy's bytes allow. */
class Script {
  readonly written: number[] = [];
  consumed = 0;
  readonly #answer: Uint8Array;
  readonly #end: End;

  constructor(answer: Uint8Array, end: End) {
    this.#answer = answer;
    this.#end = end;
  }

  say(...bytes: number[]): void {
    this.written.push(...bytes);
  }

  take(length: number): number[] {
    const taken = this.#answer.subarray(this.consumed, this.consumed + length);
    this.consumed += taken.length;
    if (taken.length < length) throw new Fault(ENDED[this.#end]);
    return [...taken];
  }

  /** Takes a head, and not a byte more. */
  takeHead(limit: number): string {
    const behind = this.#answer.subarray(this.consumed, this.consumed + limit);
    const text = Array.from(behind, (byte) => String.fromCharCode(byte)).join("");
    const head = /^(?:[^]*?\n)??\r?\n/.exec(text)?.[0];
    this.consumed += head?.length ?? text.length;
    if (head !== undefined) return head;
    throw new Fault(text.length === limit ? "InvalidData" : ENDED[this.#end]);
  }

  play(steps: () => void): Asked {
    try {
      steps();
      return { error: null, written: this.written, consumed: this.consumed };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { error: error.message, written: this.written, consumed: this.consumed };
    }
  }
}

/** The class of the error that must come. */
class Fault extends Error {}

function portBytes(port: number): number[] {
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Fault("TypeError");
  return [port >> 8, port & 255];
}

function nameBytes(host: string): number[] {
  const name = bytesOf(host);
  if (name.length < 1 || name.length > 255) throw new Fault("TypeError");
  return name;
}

type Fields = { user: Uint8Array; password: Uint8Array } | undefined;

/** SOCKS5 as its RFCs and PROTOCOL.md say, once more. */
function referenceSocks5(script: Script, [host, port]: Address, fields: Fields): Asked {
  return script.play(() => {
    const ip = ipToBytes(host);
    const name = ip === null ? nameBytes(host) : [];
    const address = ip === null ? [3, name.length, ...name] : [ip.length === 4 ? 1 : 4, ...ip];
    const request = [5, 1, 0, ...address, ...portBytes(port)];
    for (const { length } of fields === undefined ? [] : [fields.user, fields.password]) {
      if (length < 1 || length > 255) throw new Fault("TypeError");
    }
    const method = fields === undefined ? 0 : 2;
    script.say(5, 1, method);
    const [version, chosen] = script.take(2);
    if (version !== 5) throw new Fault("InvalidData");
    if (chosen !== method) throw new Fault(chosen === 255 ? "PermissionDenied" : "InvalidData");
    if (fields !== undefined) {
      const { user, password } = fields;
      script.say(1, user.length, ...user, password.length, ...password);
      const [version, status] = script.take(2);
      if (version !== 1) throw new Fault("InvalidData");
      if (status !== 0) throw new Fault("PermissionDenied");
    }
    script.say(...request);
    const [again, code] = script.take(2);
    if (again !== 5) throw new Fault("InvalidData");
    if (code !== 0) throw new Fault("SocksReplyError");
    const [, type, first = 0] = script.take(3);
    const length = { 1: 3, 3: first, 4: 15 }[type ?? 0];
    if (length === undefined) throw new Fault("InvalidData");
    script.take(length + 2);
  });
}

/** SOCKS4 and SOCKS4a, once more. */
function referenceSocks4(script: Script, [host, port]: Address, user: Uint8Array): Asked {
  return script.play(() => {
    const ip = ipToBytes(host);
    const plain = ip?.length === 4 && !host.startsWith("0.0.0.");
    const name = plain ? [] : [...nameBytes(host), 0];
    if (user.includes(0) || name.slice(0, -1).includes(0)) throw new Fault("TypeError");
    script.say(4, 1, ...portBytes(port), ...plain ? ip : [0, 0, 0, 1], ...user, 0, ...name);
    const [version, code] = script.take(8);
    if (version !== 0) throw new Fault("InvalidData");
    if (code !== 90) throw new Fault("SocksReplyError");
  });
}

type Credentials = { user: string; password: string } | undefined;

/** CONNECT of RFC 9110, once more. */
function referenceHttp(script: Script, [host, port]: Address, credentials: Credentials): Asked {
  return script.play(() => {
    const length = ipToBytes(host)?.length;
    if (length === undefined && !/^[A-Za-z0-9_.~!$&'()*+,;=%-]+$/.test(host)) {
      throw new Fault("TypeError");
    }
    if (port === 0) throw new Fault("TypeError");
    portBytes(port);
    const to = `${length === 16 ? `[${host}]` : host}:${port}`;
    if (credentials?.user.includes(":")) throw new Fault("TypeError");
    script.say(...bytesOf(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n`));
    if (credentials !== undefined) {
      const basic = bytesOf(`${credentials.user}:${credentials.password}`);
      const base64 = btoa(String.fromCharCode(...basic));
      script.say(...bytesOf(`Proxy-Authorization: Basic ${base64}\r\n`));
    }
    script.say(13, 10);
    for (let announced = 0; announced <= 16; announced++) {
      const head = script.takeHead(16 * 1024);
      const status = Number(/^HTTP\/1\.[0-9] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n/.exec(head)?.[1]);
      if (Number.isNaN(status)) throw new Fault("InvalidData");
      if (status < 200 && status !== 101) continue;
      if (status < 200 || status > 299) throw new Fault("HttpConnectError");
      return;
    }
    throw new Fault("InvalidData");
  });
}

const payload = fc.array(fc.nat(255), { maxLength: 12 });

const socks5Answer = (method: number) =>
  editedBytes(
    fc.tuple(
      fc.constantFrom([1, 0], [1, 0], [1, 0], [1, 0], [1, 1], [5, 0], [0, 0]),
      fc.constantFrom(0, 0, 0, 0, 0, 1, 2, 5, 8, 9, 255),
      fc.oneof(
        fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }).map((ip) => [1, ...ip]),
        fc.array(fc.nat(255), { minLength: 16, maxLength: 16 }).map((ip) => [4, ...ip]),
        fc.array(fc.nat(255), { maxLength: 20 }).map((name) => [3, name.length, ...name]),
      ),
      payload,
    ).map(([status, code, bound, payload]) => [
      ...[5, method],
      ...method === 2 ? status : [],
      ...[5, code, 0, ...bound, 1, 2],
      ...payload,
    ]),
  );

const socks4Answer = editedBytes(
  fc.tuple(fc.constantFrom(90, 90, 90, 91, 92, 93, 0), payload)
    .map(([code, payload]) => [0, code, 1, 2, 3, 4, 5, 6, ...payload]),
);

/** Stands for the host that is asked for. */
const TARGET = "(target)";

/** An answer with the host in the place of those that stand for it. */
function naming(host: string, answer: Uint8Array): Uint8Array {
  const text = Array.from(answer, (byte) => String.fromCharCode(byte)).join("");
  const name = String.fromCharCode(...bytesOf(host));
  return Uint8Array.from(text.replaceAll(TARGET, name), (char) => char.charCodeAt(0));
}

/** Whether a message names a host. A short one stands there by chance. */
function betrays(message: string, host: string): boolean {
  const own = /The upstream proxy did not connect|The HTTP proxy replied/g;
  return host.length >= 8 && message.replace(own, "").toLowerCase().includes(host.toLowerCase());
}

const lineEnd = fc.constantFrom("\r\n", "\r\n", "\n");
const head = fc.tuple(
  fc.constantFrom("HTTP/1.1 ", "HTTP/1.0 ", "HTTP/1.1  ", "HTTP/2 ", "ICY "),
  fc.constantFrom(200, 204, 299, 100, 101, 103, 300, 407, 502, 504, 999, 20, 2000),
  fc.oneof(
    fc.constantFrom(" Connection established", "", ` No route to ${TARGET}`, ` ${TARGET}:1?`),
    text.map((text) => ` ${text}`),
  ),
  fc.array(
    fc.oneof(fc.constant("Via: x"), text.filter((text) => text !== "" && !/[\r\n]/.test(text))),
    { maxLength: 3 },
  ),
  lineEnd,
).map(([protocol, status, reason, fields, end]) =>
  [protocol + status + reason, ...fields, "", ""].join(end)
);
const httpAnswer = fc.tuple(
  fc.oneof(
    fc.array(fc.constantFrom("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 \n\n"), {
      maxLength: 3,
    }),
    fc.constantFrom(16, 17).map((count) => Array<string>(count).fill("HTTP/1.1 100\r\n\r\n")),
  ),
  head,
  payload,
  rarely(fc.constantFrom(16_000, 16_384, 17_000), 500),
).map(([before, head, payload, long]) => [
  ...bytesOf(before.join("")),
  ...bytesOf(long === null ? head : head.replace("\n", `\nX: ${"x".repeat(long)}\n`)),
  ...payload,
]);

const fields: fc.Arbitrary<Fields> = fc.option(
  fc.record({
    user: fc.uint8Array({ maxLength: 260, size: "+1" }),
    password: fc.uint8Array({ maxLength: 260 }),
  }),
  { nil: undefined },
);

const credentials: fc.Arbitrary<Credentials> = fc.option(
  fc.record({ user: text, password: text }),
  { nil: undefined },
);

const upstream: fc.Arbitrary<ProxyInfo> = fc.record({
  scheme: fc.constantFrom("http", "socks4a", "socks5"),
  host: fc.oneof(ip, fc.constant("proxy.example")),
  port,
  user: fc.oneof(fc.constant("user"), text),
  password: fc.oneof(fc.constant("password"), text),
}, { requiredKeys: ["scheme", "host", "port"] });

/** Answers of all protocols, and what is none of one. */
const anyAnswer = fc.oneof(
  socks5Answer(0),
  socks5Answer(2),
  socks4Answer,
  editedBytes(httpAnswer),
  fc.uint8Array({ maxLength: 60 }),
);

/** The properties of `net/proxy.ts` and of what `net/dial.ts` makes of it. */
export const proxyProperties: NamedProperty[] = [
  forAllAsync(
    "a SOCKS5 proxy is asked as its RFCs say, whatever it answers and however that arrives",
    fc.tuple(target, fields, arrival, end).chain(([target, fields, arrival, end]) =>
      fc.oneof(
        { arbitrary: socks5Answer(fields === undefined ? 0 : 2), weight: 4 },
        { arbitrary: anyAnswer, weight: 1 },
      ).map((answer) => ({ target, fields, arrival, end, answer }))
    ),
    async ({ target, fields, arrival, end, answer }) => {
      const steps = (conn: MemoryConn) => connectSocks5(conn, target, fields);
      const { message: _, ...asked } = await askAnyhow(answer, [arrival, DRIBBLE], end, steps);
      assertEquals(asked, referenceSocks5(new Script(answer, end), target, fields));
    },
  ),
  forAllAsync(
    "a SOCKS4 proxy is asked as its protocol says, whatever it answers and however that arrives",
    fc.tuple(
      target,
      fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ maxLength: 300 })),
      fc.oneof({ arbitrary: socks4Answer, weight: 4 }, anyAnswer),
      arrival,
      end,
    ),
    async ([target, user, answer, arrival, end]) => {
      const steps = (conn: MemoryConn) => connectSocks4(conn, target, user);
      const { message: _, ...asked } = await askAnyhow(answer, [arrival, DRIBBLE], end, steps);
      assertEquals(asked, referenceSocks4(new Script(answer, end), target, user));
    },
  ),
  forAllAsync(
    "an HTTP proxy is asked as RFC 9110 says, whatever it answers and however that arrives",
    fc.tuple(
      target,
      credentials,
      fc.oneof({ arbitrary: editedBytes(httpAnswer), weight: 4 }, anyAnswer),
      arrival,
      end,
    ),
    async ([target, credentials, anyAnswer, arrival, end]) => {
      const answer = naming(target[0], anyAnswer);
      const steps = (conn: MemoryConn) => connectHttp(conn, target, credentials);
      const { message, ...asked } = await askAnyhow(answer, [arrival, DRIBBLE], end, steps);
      assertEquals(asked, referenceHttp(new Script(answer, end), target, credentials));
      assert(message.length < 300 && /^[ -~]*$/.test(message), message);
      assert(!betrays(message, target[0]), message);
    },
  ),
  forAllAsync(
    "the answer of any proxy comes to the same for each place to split it at",
    fc.tuple(upstream, anyAnswer.filter(({ length }) => length < 100), end),
    async ([{ scheme }, answer, end]) => {
      const to: Address = ["192.0.2.7", 443];
      const ask = {
        http: (conn: MemoryConn) => connectHttp(conn, to),
        socks4a: (conn: MemoryConn) => connectSocks4(conn, to, Uint8Array.of(117)),
        socks5: (conn: MemoryConn) => connectSocks5(conn, to),
      };
      await askAnyhow(answer, everyArrival(answer.length), end, ask[scheme]);
    },
    20,
  ),
  forAllAsync(
    "dial() through any proxy connects, or throws and closes without a word of the target",
    fc.tuple(upstream, target, anyAnswer, arrival, end),
    async ([proxy, target, answer, arrival, end]) => {
      const conn = new MemoryConn(naming(target[0], answer), arrival, end);
      const asked: unknown[] = [];
      using _timers = withoutDeadlines();
      using _deno = replace(Deno, {
        connect: ({ hostname, port }: Deno.ConnectOptions) => {
          asked.push([hostname, port]);
          return Promise.resolve(conn);
        },
      });
      try {
        assertEquals(await dial(target, { proxy }) as unknown, conn);
        assertEquals(conn.closed, false);
      } catch (error) {
        const [host] = target;
        if (asked.length === 0) {
          // There is nothing to connect to: either host is none.
          const unnameable = ipToBytes(host) === null && !canBeName(host);
          assert(unnameable ? error instanceof DialError : error instanceof TypeError);
          return assert(unnameable || ipToBytes(proxy.host) === null);
        }
        assert(error instanceof DialError, String(error));
        assert(conn.closed);
        assert(!betrays(error.message, host), error.message);
        assert(/^[ -~]*$/.test(error.message), error.message);
        assert(replyFor(error) >= 1 && replyFor(error) <= 8);
      }
      assertEquals(asked, [[proxy.host, proxy.port]]);
    },
  ),
];

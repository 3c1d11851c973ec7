/** Servers are probed, and what each is known for is seen by the rule that is about it. */

import { assertEquals, assertMatch } from "@std/assert";
import { judgeProbes, type Probing } from "../../censor/mod.ts";
import { probeServer } from "../../censor/probe_server.ts";
import type { Address } from "../../address.ts";
import { closeQuietly, readFull, writeAll } from "../../net/conn.ts";
import { type ResettableConn, ResettableListener } from "../../testing/mod.ts";
import { permitted } from "../permitted.ts";
import { ascii, random } from "./flows.ts";

/** What a server does with a connection, how it lets one through or its bytes, and how it stops. */
type Script = (
  conn: ResettableConn,
  letThrough: (what?: "connection" | "bytes") => void,
  stop: () => void,
) => Promise<unknown>;

/** A server on loopback that does one thing with each connection. */
class ScriptedServer implements Disposable {
  /** How many connections it would have let through, and in how many of them bytes. */
  readonly #arrived = { connections: 0, speaking: 0 };
  readonly #listener: ResettableListener;
  readonly #ending = new AbortController();
  readonly #conns = new Set<ResettableConn>();

  private constructor(listener: ResettableListener, script: Script) {
    this.#listener = listener;
    this.#serve(script).catch(() => {}); // It is over.
  }

  static async start(script: Script): Promise<ScriptedServer> {
    return new ScriptedServer(await ResettableListener.listen(), script);
  }

  async #serve(script: Script): Promise<void> {
    for (;;) {
      const conn = await this.#listener.accept(this.#ending.signal);
      this.#conns.add(conn);
      // Its peer has gone, or what came is not enough.
      script(conn, (what) => this.#letThrough(what), () => this.#stop()).catch(() => {});
    }
  }

  #letThrough(what: "connection" | "bytes" = "bytes"): void {
    this.#arrived.connections++;
    if (what === "bytes") this.#arrived.speaking++;
  }

  async probe(flight: Uint8Array): Promise<Probing> {
    const address: Address = ["127.0.0.1", this.#listener.port];
    const arrived = () => ({ ...this.#arrived });
    const probing = await probeServer(address, [flight, flight], arrived, PATIENCE, undefined);
    return { ...probing, exit: null };
  }

  #stop(): void {
    this.#ending.abort();
    this.#listener[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (!this.#ending.signal.aborted) this.#stop();
    this.#conns.forEach(closeQuietly);
  }
}

const FLIGHT = random(300);
const NONE = { garbage: 0, replay: 0, changed: 0 };
/** Nobody gets through, and the server goes on. */
const NOBODY = { reached: NONE, heard: NONE, exit: null };
const PATIENCE = 5_000;

const BAD_REQUEST = ascii("HTTP/1.1 400 Bad Request\r\n\r\n");

async function isFlight(conn: ResettableConn, compared: number): Promise<boolean> {
  const bytes = await readFull(conn, new Uint8Array(FLIGHT.length));
  return bytes.subarray(0, compared).every((byte, index) => byte === FLIGHT[index]);
}

/** Reads until so many bytes have come, and perhaps more. */
async function readAtLeast(conn: ResettableConn, least: number): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let length = 0;
  while (length < least) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error("The prober has gone");
    length += count;
  }
  return length;
}

async function closeAtFifty(conn: ResettableConn): Promise<void> {
  if (await readAtLeast(conn, 50) > 50) conn.reset();
  else conn.close();
}

async function closeAt130(conn: ResettableConn): Promise<void> {
  await readAtLeast(conn, 130);
  conn.close();
}

/** Takes nothing but SOCKS 5, as the first byte shows. */
async function closeWithoutFive(conn: ResettableConn): Promise<void> {
  const first = new Uint8Array(1);
  await readFull(conn, first);
  if (first[0] !== 5) conn.close();
}

async function stopAtReset(conn: ResettableConn, _: unknown, stop: () => void): Promise<void> {
  try {
    await readAtLeast(conn, 65_536);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) stop();
  }
}

/** Whether it ends random bytes is up to them, and not to how many they are. */
async function closeAtLineEnd(conn: ResettableConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    if (buffer.subarray(0, count).includes(0x0a)) await conn.closeWrite();
  }
}

/** Gives up after so many milliseconds, drawn for each connection. */
function impatient(least: number, most: number): Script {
  return async (conn) => {
    const timer = setTimeout(() => conn.close(), least + Math.random() * (most - least));
    try {
      await readAtLeast(conn, 65_536);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** Lets those through that begin like the flight. */
function accepting(compared: number): Script {
  return async (conn, letThrough) => {
    if (await isFlight(conn, compared)) letThrough("connection");
  };
}

/** Does not look at the last byte, but takes nothing twice. */
async function acceptOther(conn: ResettableConn, letThrough: () => void): Promise<void> {
  const bytes = await readFull(conn, new Uint8Array(FLIGHT.length));
  const [begun, ended] = [bytes.subarray(0, -1), bytes.at(-1)];
  const isSame = begun.every((byte, index) => byte === FLIGHT[index]);
  if (isSame && ended !== FLIGHT.at(-1)) letThrough();
}

/** Connects to its service for whoever comes, and answers those that begin like the flight. */
async function connectFirst(
  conn: ResettableConn,
  letThrough: (what: "connection") => void,
): Promise<void> {
  letThrough("connection");
  if (await isFlight(conn, FLIGHT.length)) await writeAll(conn, random(100));
}

/** Takes replays until so much time has passed since the first of them. */
function acceptingFor(milliseconds: number): Script {
  let start: number | null = null;
  return async (conn, letThrough) => {
    start ??= performance.now();
    const isLate = performance.now() - start > milliseconds;
    if (await isFlight(conn, FLIGHT.length) && !isLate) letThrough();
  };
}

/** Closes what is too long for it after a while that is not the same each time, and not at once. */
function closeLate(): Script {
  let count = 0;
  return async (conn) => {
    await readAtLeast(conn, 33);
    setTimeout(() => closeQuietly(conn), count++ % 2 === 0 ? 1_900 : 2_600);
  };
}

const CASES: readonly [name: string, script: Script, seen: string, figure: RegExp][] = [
  ["one that says nothing", () => Promise.resolve(), "", /.*/],
  [
    "one that closes at 50 bytes, by RST where there were more",
    closeAtFifty,
    "probe-threshold,probe-reset",
    /from 50 bytes on no answer, fin, before no answer, open; from 51 bytes on no answer, rst/,
  ],
  [
    "one that closes at 130 bytes, all of which it has read",
    closeAt130,
    "probe-threshold",
    /from 130 bytes on no answer, fin, before no answer, open/,
  ],
  [
    "one that greets everybody",
    (conn) => writeAll(conn, ascii("MYPT/1 ready")),
    "probe-answer",
    /12 bytes to silence, which begin with MYPT\/1 ready/,
  ],
  [
    "a web server whose clients do not speak HTTP",
    async (conn) => {
      await readFull(conn, new Uint8Array(5));
      await writeAll(conn, BAD_REQUEST);
      conn.close();
    },
    "other-protocol",
    /it answers in HTTP; its clients begin in no such way/,
  ],
  [
    "one that lets everybody through",
    (_, letThrough) => Promise.resolve(letThrough()),
    "open-door",
    /101 of 101 probes/,
  ],
  ["one that accepts replays", accepting(300), "replay", /3 of 3 replays/],
  ["one that accepts replays for 3 seconds", acceptingFor(3_000), "replay", /3 of 3 replays/],
  [
    "one that does not look at the last byte",
    acceptOther,
    "changed-replay",
    /1 of 11 changed messages/,
  ],
  ["one that connects first, and accepts replays", connectFirst, "replay", /3 of 3 replays/],
  [
    "one that connects first",
    (_, letThrough) => Promise.resolve(letThrough("connection")),
    "",
    /.*/,
  ],
  [
    "one that closes what is too long after a while",
    closeLate(),
    "probe-threshold",
    /from 33 bytes on no answer, fin, before no answer, open/,
  ],
  [
    "one that takes a single byte for a version",
    closeWithoutFive,
    "probe-byte",
    /byte 0x00, .*: no answer, fin; byte 0x05: no answer, open/,
  ],
  [
    "one that gives up after 3 seconds",
    impatient(3_000, 3_000),
    "probe-timeout",
    /^shortened replay: 6 of 6 after 3\.\d.*; silence: 6 of 6 .*; 1 random byte: 6 of 6/,
  ],
  ["one that gives up after a time that it draws", impatient(2_200, 4_800), "", /.*/],
  ["one that ends a line that it does not like", closeAtLineEnd, "", /.*/],
  ["one that a reset stops", stopAtReset, "probe-refusal", /^\d+ of \d+ probes/],
];

permitted(["net"], "judgeProbes() sees what each server is known for", async (t) => {
  using stack = new DisposableStack();
  const started = await Promise.all(CASES.map(([, script]) => ScriptedServer.start(script)));
  const servers = started.map((server) => stack.use(server));
  const probings = await Promise.all(servers.map((server) => server.probe(FLIGHT)));
  for (const [index, [name, , seen, figure]] of CASES.entries()) {
    await t.step(`${name}: ${seen || "nothing"}`, () => {
      const found = judgeProbes(probings[index]!).filter(({ sight }) => sight === "seen");
      assertEquals(found.map(({ id }) => id).join(), seen);
      assertMatch(found.map(({ figure }) => figure).join(), figure);
    });
  }
});

Deno.test("judgeProbes() has nothing to say of a replay that was not made", () => {
  const findings = judgeProbes({ flight: new Uint8Array(), outcomes: [], ...NOBODY });
  const unclear = findings.filter(({ sight }) => sight === "unclear").map(({ id }) => id);
  assertEquals(unclear, ["replay", "changed-replay", "probe-byte", "probe-timeout"]);
});

Deno.test("judgeProbes() calls nothing clear that met a server which has ended", () => {
  const bytes = random(50);
  const gone = { bytes, answer: new Uint8Array(), ending: "refused", milliseconds: null } as const;
  const findings = judgeProbes({
    flight: bytes,
    outcomes: [
      { ...gone, kind: "replay", name: "replay" },
      { ...gone, kind: "changed", name: "shortened replay" },
      { ...gone, kind: "garbage", name: "50 random bytes", ending: "open" },
      { ...gone, kind: "garbage", name: "50 random bytes" },
    ],
    ...NOBODY,
    exit: "the server has ended with status 3",
  });
  const of = (wanted: string) => findings.find(({ id }) => id === wanted)!;
  assertEquals(findings.filter(({ sight }) => sight === "clear"), []);
  assertEquals(of("replay").figure, "1 of 1 probes met nobody");
  assertMatch(of("probe-reset").figure, /^1 of 2 probes met nobody; else 0 of 1 probes$/);
  assertEquals(of("probe-refusal").sight, "seen");
  assertMatch(of("probe-refusal").figure, /^3 of 4 probes; the server has ended with status 3$/);
});

Deno.test("judgeProbes() calls reactions that change from time to time unclear", () => {
  const bytes = random(50);
  const probe = { kind: "garbage", name: "50 random bytes", bytes, milliseconds: null } as const;
  const answer = new Uint8Array();
  const findings = judgeProbes({
    flight: bytes,
    outcomes: [{ ...probe, answer, ending: "open" }, { ...probe, answer, ending: "fin" }],
    ...NOBODY,
  });
  assertEquals(findings.find(({ id }) => id === "probe-threshold")?.sight, "unclear");
});

/** Connections that say nothing, given up after so many milliseconds each, or not at all. */
function givenUp(...times: readonly (number | null)[]): Probing {
  const nothing = new Uint8Array();
  const silence = { kind: "garbage", name: "silence, waiting", bytes: nothing, answer: nothing };
  return {
    flight: nothing,
    outcomes: times.map((milliseconds) => ({
      ...silence,
      kind: "garbage",
      patience: 25_000,
      milliseconds,
      ending: milliseconds === null ? "open" : "fin",
    })),
    ...NOBODY,
  };
}

const TIMES: readonly [name: string, times: (number | null)[], sight: string][] = [
  ["exact", [10_000, 10_010, 10_490], "seen"],
  ["exact, of a short time on a busy machine", [2_400, 2_500, 2_640], "seen"],
  ["not exact", [10_000, 10_010, 10_510], "clear"],
  ["exact and short", [1_000, 1_000, 1_010], "seen"],
  ["at once", [300, 300, 310], "clear"],
  ["none, within a short wait", [null, null, null], "unclear"],
  ["some, at the end of the wait", [null, 24_900, 24_950], "unclear"],
  ["one of them, at the end of the wait", [null, null, 24_950], "clear"],
];

for (const [name, times, sight] of TIMES) {
  Deno.test(`judgeProbes() of times that are ${name}: ${sight}`, () => {
    const findings = judgeProbes(givenUp(...times));
    assertEquals(findings.find(({ id }) => id === "probe-timeout")?.sight, sight);
  });
}

/** A probe that was answered so, of a server whose clients begin so. */
function answered(flight: Uint8Array, answer: Uint8Array): Probing {
  const probe = { kind: "garbage", name: "HTTP", bytes: ascii("GET /"), milliseconds: 10 } as const;
  return { flight, outcomes: [{ ...probe, answer, ending: "fin" }], ...NOBODY };
}

const HELLO = Uint8Array.of(22, 3, 1, 0, 200, 1, 0, 0, 196);
const ALERT = Uint8Array.of(21, 3, 3, 0, 2, 2, 10);
const SPOKEN: readonly [name: string, flight: Uint8Array, answer: Uint8Array, sight: string][] = [
  ["HTTP to clients of HTTP", ascii("GET /secret HTTP/1.1\r\n"), BAD_REQUEST, "clear"],
  ["HTTP to clients of TLS, as web servers tell whom they expect", HELLO, BAD_REQUEST, "clear"],
  ["an alert to clients of TLS", HELLO, ALERT, "clear"],
  ["an alert to clients of HTTP", ascii("GET /secret HTTP/1.1\r\n"), ALERT, "seen"],
  ["SSH to clients of SSH", ascii("SSH-2.0-x\r\n"), ascii("SSH-2.0-y\r\n"), "clear"],
  ["SSH to clients of nothing known", random(64), ascii("SSH-2.0-y\r\n"), "seen"],
  ["SSH to clients that are not known", new Uint8Array(), ascii("SSH-2.0-y\r\n"), "unclear"],
  ["words of its own", random(64), ascii("MYPT/1 ready"), "clear"],
  ["nothing", random(64), new Uint8Array(), "clear"],
];

for (const [name, flight, answer, sight] of SPOKEN) {
  Deno.test(`judgeProbes() of a server that answers ${name}: ${sight}`, () => {
    const findings = judgeProbes(answered(flight, answer));
    assertEquals(findings.find(({ id }) => id === "other-protocol")?.sight, sight);
  });
}

Deno.test("judgeProbes() bears with a server for answers in HTTP only where it always gives them", () => {
  const [flight, nothing] = [random(64), new Uint8Array()];
  const lengths = [1, 22, 49, 50, 51, 500].flatMap((length) => [length, length]);
  const judged = (later: Uint8Array) => {
    const { outcomes } = answered(flight, BAD_REQUEST);
    const random = lengths.map((length) => ({
      kind: "garbage" as const,
      name: `${length} random bytes`,
      bytes: new Uint8Array(length),
      answer: length < 50 ? nothing : later,
      ending: length < 50 ? "open" as const : "rst" as const,
      milliseconds: length < 50 ? null : 10,
    }));
    const findings = judgeProbes({ flight, outcomes: [...outcomes, ...random], ...NOBODY });
    return findings.filter(({ sight }) => sight === "seen").map(({ id }) => id).join();
  };
  assertEquals(judged(nothing), "other-protocol,probe-threshold,probe-reset");
  assertEquals(judged(BAD_REQUEST), "other-protocol");
});

const HANDSHAKE = [22, 3, 3, 0, 60, 2, 0, 0, 56, 3, 3];
const ANSWERS: readonly [name: string, answer: Uint8Array, seen: RegExp | null][] = [
  ["a ServerHello", Uint8Array.of(...HANDSHAKE, ...random(54)), null],
  ["an alert", ALERT, null],
  ["HTTP", BAD_REQUEST, null],
  ["SSH", ascii("SSH-2.0-y\r\n"), null],
  [
    "three bytes of TLS before random ones",
    Uint8Array.of(22, 3, 3, 9, ...random(40)),
    /\\x16\\x03\\x03\\x09/,
  ],
  [
    "an alert that is too long",
    Uint8Array.of(21, 3, 3, 0, 22, ...random(22)),
    /\\x15\\x03\\x03\\x00\\x16/,
  ],
  ["a word of HTTP", ascii("HTTP/1.1 hello"), /begin with HTTP\/1\.1 hello$/],
  ["SSH of no version", ascii("SSH-x\r\n"), /begin with SSH-x\\x0d\\x0a$/],
  ["what could harm a terminal", ascii("\x1b]0;x\x07"), /begin with \\x1b\]0;x\\x07$/],
];

for (const [name, answer, seen] of ANSWERS) {
  Deno.test(`judgeProbes() of an answer that is ${name}: ${seen ? "seen" : "clear"}`, () => {
    const { sight, figure } = judgeProbes(answered(random(64), answer))
      .find(({ id }) => id === "probe-answer")!;
    assertEquals(sight, seen === null ? "clear" : "seen");
    assertMatch(figure, seen ?? /as a server of/);
  });
}

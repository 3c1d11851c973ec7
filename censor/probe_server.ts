/**
 * Probing a server as censors do: with what no client sends, and with what one has sent before.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { reactionsByLength } from "./reactions.ts";
import { type Probe, type ProbeOutcome, sendProbe } from "./send_probe.ts";

/**
 * What came of all probes of a server.
 *
 * @example
 * ```ts
 * import type { Probing } from "@ptlib/ptlib/censor";
 *
 * const acceptsReplays = ({ reached }: Probing) => reached.replay > 0;
 * ```
 */
export interface Probing {
  /** What a client of it sent first, of which the replays are made; nothing where it is not known. */
  readonly flight: Uint8Array;
  /** Each probe, and what became of it. */
  readonly outcomes: readonly ProbeOutcome[];
  /** How many connections of each kind got through to the service behind the server. */
  readonly reached: Readonly<Record<Probe["kind"], number>>;
  /** In how many of these the service heard something. */
  readonly heard: Readonly<Record<Probe["kind"], number>>;
  /** How the server ended by itself meanwhile, in words; `null` where it did not. */
  readonly exit: string | null;
}

/** What the service behind a server has got so far. */
export interface Arrived {
  /** How many connections. */
  readonly connections: number;
  /** How many in which something was said. */
  readonly speaking: number;
}

/**
 * Lengths of random probes: those that were seen in China (GFW Report, IMC 2020), and others where
 * servers may begin to think differently.
 */
const LENGTHS = [
  1,
  2,
  5,
  8,
  12,
  16,
  22,
  33,
  41,
  49,
  50,
  51,
  64,
  100,
  221,
  500,
  1_000,
  2_000,
  9_000,
  16_385,
  32_768,
  65_536,
];
/** First bytes that protocols have: NUL, SOCKS, TLS, HTTP, SSH, SSL 2, and one that none has. */
const FIRST_BYTES = [0x00, 0x04, 0x05, 0x16, 0x47, 0x53, 0x80, 0xff];
/** How many random bytes come before a connection is torn down. */
const RESET_AFTER = [0, 1, 16, 100, 1_000];
/** How often the server is waited for with each content: chance does not agree so often. */
const WAITING = 6;
/** How many lengths are tried in one round between two that differ. */
const MOST_BETWEEN = 40;
const MOST_ROUNDS = 3;

const utf8 = new TextEncoder();

/** How connections of well-known protocols begin. */
const OPENINGS: readonly [name: string, bytes: Uint8Array][] = [
  ["HTTP", utf8.encode("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")],
  ["SSH", utf8.encode("SSH-2.0-OpenSSH_9.2p1\r\n")],
  ["SOCKS5", Uint8Array.of(5, 1, 0)],
  ["TLS", tlsHello()],
];

/** A small ClientHello of TLS 1.2 (RFC 5246 section 7.4.1.2). */
function tlsHello(): Uint8Array {
  const random = crypto.getRandomValues(new Uint8Array(32));
  const groups = [0, 10, 0, 4, 0, 2, 0, 23]; // Elliptic curves: secp256r1.
  const signatures = [0, 13, 0, 6, 0, 4, 4, 1, 4, 3];
  const extensions = [...groups, ...signatures];
  const rest = [0, 0, 4, 0xc0, 0x2f, 0xc0, 0x2b, 1, 0, 0, extensions.length, ...extensions];
  const body = [3, 3, ...random, ...rest];
  const hello = [1, 0, 0, body.length, ...body];
  return Uint8Array.of(22, 3, 1, 0, hello.length, ...hello);
}

function randomProbe(length: number): Probe {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return { kind: "garbage", name: `${length} random byte${length === 1 ? "" : "s"}`, bytes };
}

/** All that is sent twice: at first, and again when the server has seen the rest. */
function garbage(): Probe[] {
  const nothing = new Uint8Array();
  const openings = OPENINGS.map(([name, bytes]): Probe => ({ kind: "garbage", name, bytes }));
  return [
    { kind: "garbage", name: "silence", bytes: nothing },
    { kind: "garbage", name: "half-close", bytes: nothing, then: "half-close" },
    ...openings,
    ...FIRST_BYTES.map((byte): Probe => (
      { kind: "garbage", name: nameOfByte(byte), bytes: Uint8Array.of(byte) }
    )),
    ...LENGTHS.map(randomProbe),
  ];
}

function nameOfByte(byte: number): string {
  return `byte 0x${byte.toString(16).padStart(2, "0")}`;
}

/** Connections that are torn down early. */
function resets(): Probe[] {
  return RESET_AFTER.map((length) => ({
    ...randomProbe(length),
    name: `reset after ${length} bytes`,
    then: "reset",
  }));
}

/** Connections in which too little comes, to see when they are given up. */
function waiting(contents: readonly Probe[], patience: number): Probe[] {
  return contents.flatMap((probe) =>
    Array<Probe>(WAITING).fill({ ...probe, name: `${probe.name}, waiting`, patience })
  );
}

/** What is no client's, and less than anything that a server could answer. */
function beginnings(): Probe[] {
  const request = utf8.encode("GET / HTTP/1.1\r\nHo");
  return [
    { kind: "garbage", name: "silence", bytes: new Uint8Array() },
    randomProbe(1),
    randomProbe(8),
    { kind: "garbage", name: "half a request of HTTP", bytes: request },
  ];
}

function halfOf(flight: Uint8Array): Probe {
  return {
    kind: "changed",
    name: "shortened replay",
    bytes: flight.subarray(0, flight.length >> 1),
  };
}

/** What a client has sent, as it was and doubled. */
function replays(flight: Uint8Array): Probe[] {
  return [
    { kind: "replay", name: "replay", bytes: flight },
    { kind: "replay", name: "second replay", bytes: flight },
    { kind: "replay", name: "doubled replay", bytes: Uint8Array.of(...flight, ...flight) },
  ];
}

/** The same with one byte changed, and cut short. */
function changedReplays(flight: Uint8Array): Probe[] {
  const places = [...new Set([0, 16, flight.length >> 1, flight.length - 1])];
  const changed = places.filter((at) => at < flight.length).map((at): Probe => {
    const bytes = Uint8Array.from(flight);
    bytes[at]! ^= 0xff;
    return { kind: "changed", name: `replay with byte ${at} changed`, bytes };
  });
  return [...changed, halfOf(flight)];
}

/** Lengths between those at which the reaction changes, to find out where exactly. */
function lengthsBetween(outcomes: readonly ProbeOutcome[]): number[] {
  const reactions = reactionsByLength(outcomes);
  return reactions.flatMap(([length, reaction], index) => {
    const [before, earlier] = reactions[index - 1] ?? [length, reaction];
    if (reaction === earlier || reaction === null || earlier === null) return [];
    const gap = length - before - 1;
    const step = Math.max(1, gap / MOST_BETWEEN);
    const count = Math.min(gap, MOST_BETWEEN);
    return Array.from({ length: count }, (_, at) => before + 1 + Math.floor(at * step));
  });
}

/** Sends probes of one kind, and counts how many the service sees. */
class Prober {
  readonly outcomes: ProbeOutcome[] = [];
  readonly #waiting: Promise<ProbeOutcome[]>[] = [];
  readonly reached = { garbage: 0, replay: 0, changed: 0 };
  readonly heard = { garbage: 0, replay: 0, changed: 0 };
  readonly #address: Readonly<Address>;
  readonly #arrived: () => Arrived;
  readonly #signal: AbortSignal;

  constructor(
    address: Readonly<Address>,
    arrived: () => Arrived,
    signal: AbortSignal,
  ) {
    this.#address = address;
    this.#arrived = arrived;
    this.#signal = signal;
  }

  /** Sends probes, and others with them for whose end it is not waited here. */
  async send(
    kind: Probe["kind"],
    probes: readonly Probe[],
    waiting: readonly Probe[] = [],
  ): Promise<void> {
    const before = this.#arrived();
    const all = [waiting, probes].map((some) =>
      Promise.all(some.map((probe) => sendProbe(this.#address, probe, this.#signal)))
    );
    const [later, now] = all;
    later!.catch(() => {}); // It is told when it is waited for.
    this.#waiting.push(later!);
    this.outcomes.push(...await now!);
    const { connections, speaking } = this.#arrived();
    this.reached[kind] += connections - before.connections;
    this.heard[kind] += speaking - before.speaking;
  }

  /** Waits for the others. */
  async finish(): Promise<void> {
    for (const outcomes of await Promise.all(this.#waiting)) this.outcomes.push(...outcomes);
  }
}

/**
 * Probes a server. What a client has sent comes first, as long as it is fresh: a server may forget
 * what it has seen, and what is too old is no client's.
 *
 * @param address Where it listens.
 * @param flights What clients of it have just sent first, once: one to be sent again, and one to be
 * changed.
 * @param arrived What has arrived at the service behind it so far.
 * @param patience How long it is waited for the server to give up connections, in milliseconds.
 * @param signal Ends it.
 */
export async function probeServer(
  address: Readonly<Address>,
  flights: readonly [replayed: Uint8Array, changed: Uint8Array],
  arrived: () => Arrived,
  patience: number,
  signal: AbortSignal | undefined,
): Promise<Omit<Probing, "exit">> {
  const ending = new AbortController();
  const either = AbortSignal.any([ending.signal, ...signal === undefined ? [] : [signal]]);
  const prober = new Prober(address, arrived, either);
  const [replayed, changed] = flights;
  try {
    if (replayed.length > 0) {
      await prober.send("replay", replays(replayed));
      await prober.send("changed", changedReplays(changed), waiting([halfOf(changed)], patience));
    }
    await prober.send("garbage", [...garbage(), ...resets()], waiting(beginnings(), patience));
    await prober.send("garbage", garbage());
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const lengths = lengthsBetween(prober.outcomes);
      if (lengths.length === 0) break;
      await prober.send("garbage", lengths.flatMap((length) => [length, length]).map(randomProbe));
    }
    await prober.finish();
    const { outcomes, reached, heard } = prober;
    return { flight: replayed, outcomes, reached, heard };
  } finally {
    ending.abort(); // Some wait yet when it has failed.
  }
}

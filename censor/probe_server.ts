/**
 * Probing a server as censors do: with what no client sends, and with what one has sent before.
 *
 * @module
 */

import type { Address } from "../address.ts";
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
  /** Each probe, and what became of it. */
  readonly outcomes: readonly ProbeOutcome[];
  /** How many probes of each kind got through to the service behind the server. */
  readonly reached: Readonly<Record<Probe["kind"], number>>;
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
];
/** How often each of them is sent. */
const TIMES = 2;
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
  return { kind: "garbage", name: `${length} random bytes`, bytes };
}

function garbage(): Probe[] {
  const nothing = new Uint8Array();
  const openings = OPENINGS.map(([name, bytes]): Probe => ({ kind: "garbage", name, bytes }));
  return [
    { kind: "garbage", name: "silence", bytes: nothing },
    { kind: "garbage", name: "half-close", bytes: nothing, halfClose: true },
    ...openings,
    ...Array.from({ length: TIMES }, () => LENGTHS.map(randomProbe)).flat(),
  ];
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
  const cut = flight.subarray(0, flight.length >> 1);
  return [...changed, { kind: "changed", name: "shortened replay", bytes: cut }];
}

/** How a server took it: whether it answered, and how it ended. */
export function reactionOf({ answer, ending }: ProbeOutcome): string {
  return `${answer.length > 0 ? "an answer" : "no answer"}, ${ending}`;
}

/** The reaction to each length of random bytes; `null` where it was not the same each time. */
export function reactionsByLength(outcomes: readonly ProbeOutcome[]): [number, string | null][] {
  const random = outcomes.filter(({ name }) => name.endsWith(" random bytes"));
  const groups = Map.groupBy(random, ({ bytes }) => bytes.length);
  return [...groups].sort(([one], [other]) => one - other).map(([length, group]) => {
    const reactions = new Set(group.map(reactionOf));
    return [length, reactions.size === 1 ? [...reactions][0]! : null];
  });
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
  readonly reached = { garbage: 0, replay: 0, changed: 0 };
  readonly #address: Readonly<Address>;
  readonly #arrived: () => number;
  readonly #signal: AbortSignal | undefined;

  constructor(
    address: Readonly<Address>,
    arrived: () => number,
    signal: AbortSignal | undefined,
  ) {
    this.#address = address;
    this.#arrived = arrived;
    this.#signal = signal;
  }

  async send(kind: Probe["kind"], probes: readonly Probe[]): Promise<void> {
    const before = this.#arrived();
    const sent = probes.map((probe) => sendProbe(this.#address, probe, this.#signal));
    this.outcomes.push(...await Promise.all(sent));
    this.reached[kind] += this.#arrived() - before;
  }
}

/**
 * Probes a server.
 *
 * @param address Where it listens.
 * @param flight What a client of it sent first, once.
 * @param arrived How many connections have arrived at the service behind it so far.
 * @param signal Ends it.
 */
export async function probeServer(
  address: Readonly<Address>,
  flight: Uint8Array,
  arrived: () => number,
  signal: AbortSignal | undefined,
): Promise<Probing> {
  const prober = new Prober(address, arrived, signal);
  await prober.send("garbage", garbage());
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const lengths = lengthsBetween(prober.outcomes);
    if (lengths.length === 0) break;
    await prober.send("garbage", lengths.flatMap((length) => [length, length]).map(randomProbe));
  }
  if (flight.length > 0) {
    await prober.send("changed", changedReplays(flight));
    await prober.send("replay", replays(flight));
  }
  return { outcomes: prober.outcomes, reached: prober.reached };
}

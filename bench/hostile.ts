/** What strangers on both ports cost honest users, side by side. */

import type { Address } from "@ptlib/ptlib";
import { dialTransport } from "@ptlib/ptlib/parent";
import { connectResettable } from "../testing/mod.ts";
import { type Contestant, goptlib, launch, OURS, type Pair } from "./contestants.ts";
import { residentBytes } from "./proc.ts";
import type { Listed } from "./results.ts";
import { median } from "./statistics.ts";
import { type OpenHonestly, sendStrangers, serveOrport, timeToByte } from "./strangers.ts";
import type { Workplace } from "./workplace.ts";

const MIB = 1024 * 1024;
/** How many strangers come to each port. */
const STRANGERS = 10_000;
const AT_ONCE = 100;
/** How long they may take, in milliseconds: some programs take one handshake after another. */
const LONGEST = 60_000;
/** How many honest connections are timed before and after them. */
const HONEST = 200;
/** How many honest ones come first, as to a bridge in service: the heap of each program has grown. */
const WARM_UP = STRANGERS;
/** More would use up the descriptors of goptlib's example programs, which keep five of each. */
const WARM_UP_GOPTLIB = 1_000;
/** How long the programs may take until their memory is back, in milliseconds. */
const REST = 60_000;
/** Time between two resets, in milliseconds, and how many there are. */
const RESET_EVERY = 100;
const RESETS = 100;

/** What is measured of a pair. */
interface Figures {
  /** Milliseconds of each new connection: with nobody else, during resets, and after strangers. */
  calm: number[];
  reset: number[];
  after: number[];
  /** Bytes of client and server: when all is new, before and after strangers, and after a rest. */
  memory: [fresh: number[], before: number[], atEnd: number[], rested: number[]];
  /** How many strangers came to each port. */
  strangers: number[];
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  signal?.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(signal.reason);
  }, { once: true });
  return promise;
}

function throughSocks({ way: { socks, bridge } }: Pair): OpenHonestly {
  return (signal) => dialTransport({ socksVersion: 5, address: socks }, bridge, [], { signal });
}

async function honest(open: OpenHonestly, count: number, atOnce = 1): Promise<number[]> {
  const times: number[] = [];
  let left = count;
  const use = async () => {
    while (left-- > 0) times.push(await timeToByte(open));
  };
  await Promise.all(Array.from({ length: atOnce }, use));
  return times;
}

/** New connections while others connect to the bridge and reset at once. */
async function duringResets(open: OpenHonestly, bridge: Address): Promise<number[]> {
  let over = false;
  const resets = async () => {
    for (let i = 0; i < RESETS; i++) {
      using conn = await connectResettable(bridge[1]);
      conn.reset();
      await pause(RESET_EVERY);
    }
    over = true;
  };
  const done = resets();
  const times: number[] = [];
  while (!over) {
    times.push(await timeToByte(open));
    await pause(RESET_EVERY / 4);
  }
  await done;
  return times;
}

async function measure(contestant: Contestant, workplace: Workplace): Promise<Figures> {
  using orport = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  serveOrport(orport);
  const { hostname, port } = orport.addr;
  await using pair = await launch(contestant, { orport: [hostname, port] }, workplace);
  const { pids, way } = pair;
  const open = throughSocks(pair);
  const memory = () => pids.map(residentBytes);

  await honest(open, HONEST); // So that what is loaded late is loaded.
  const fresh = memory();
  await honest(open, contestant === OURS ? WARM_UP : WARM_UP_GOPTLIB, AT_ONCE);
  const calm = await honest(open, HONEST);
  const reset = await duringResets(open, way.bridge);
  const before = memory();
  const strangers: number[] = [];
  for (
    const { port, name } of [
      { port: way.socks[1], name: "the client" },
      { port: way.bridge[1], name: "the bridge" },
    ]
  ) {
    console.error(`${STRANGERS} strangers come to ${name} of ${contestant.name}`);
    // To a bridge they talk as one who knows its transport, which this one needs no secret for.
    const openThere = port === way.socks[1]
      ? open
      : () => Deno.connect({ hostname: "127.0.0.1", port });
    const signal = AbortSignal.any([workplace.signal, AbortSignal.timeout(LONGEST)]);
    const options = { count: STRANGERS, atOnce: AT_ONCE, signal };
    strangers.push(await sendStrangers(port, openThere, options));
  }
  const atEnd = memory();
  const after = await honest(open, HONEST);
  console.error(`${contestant.name} rests for a minute`);
  await pause(REST, workplace.signal);
  return { calm, reset, after, memory: [fresh, before, atEnd, memory()], strangers };
}

function milliseconds(values: readonly number[]): string {
  return median(values).toFixed(1);
}

function mebibytes(values: readonly number[]): string {
  return values.map((value) => (value / MIB).toFixed(0)).join(" + ");
}

/** Measures, and makes the table of the report. */
export async function reportHostile(workplace: Workplace): Promise<Listed> {
  const go = await goptlib();
  const contestants = [OURS, ...go === null ? [] : [go]];
  const all: Figures[] = [];
  for (const contestant of contestants) all.push(await measure(contestant, workplace));
  const row = (title: string, figure: (figures: Figures) => string) => [title, ...all.map(figure)];
  const memoryRow = (title: string, at: 0 | 1 | 2 | 3) =>
    row(title, ({ memory }) => mebibytes(memory[at]));
  const growth = ({ memory: [, before, , rested] }: Figures) =>
    before.map((bytes, i) => (rested[i]! / bytes).toFixed(2)).join(" and ");
  const head = ["", ...contestants.map(({ name }) => name)];
  const rows = [
    row("a new connection with nobody else, median ms", ({ calm }) => milliseconds(calm)),
    row("beside ten resets a second, median ms", ({ reset }) => milliseconds(reset)),
    row("the slowest of these, ms", ({ reset }) => Math.max(...reset).toFixed(1)),
    row(
      `strangers on client and bridge within ${LONGEST / 1000} s each`,
      ({ strangers }) => strangers.join(" and "),
    ),
    row("a new connection right after them, ms", ({ after }) => after[0]!.toFixed(1)),
    row("the next ones, median ms", ({ after }) => milliseconds(after)),
    row("the slowest of these, ms", ({ after }) => Math.max(...after).toFixed(1)),
    memoryRow("memory of client + server when all is new, MiB", 0),
    memoryRow(
      `after ${WARM_UP} (goptlib: ${WARM_UP_GOPTLIB}) honest connections, ${AT_ONCE} at once, MiB`,
      1,
    ),
    memoryRow("right after the strangers, MiB", 2),
    memoryRow("a minute later, MiB", 3),
    row("a minute later, as a part of before the strangers", growth),
  ];
  return { head, rows };
}

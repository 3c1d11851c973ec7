/** Throughput, connection rate and memory of client and server together, side by side. */

import { type Contestant, goptlib, launch, OURS, type Pair, WRITTEN_OUT } from "./contestants.ts";
import { LoadProcess } from "./load_process.ts";
import { cpuSeconds, residentBytes } from "./proc.ts";
import { median, medianRatio, table } from "./statistics.ts";

const MIB = 1024 * 1024;
/** How often all pairs are started anew: each start can be lucky. */
const ROUNDS = 4;
/** How often they take turns in each round. */
const TURNS = 5;
const TRANSFER = 256 * MIB;
/** goptlib's programs keep some 5 file descriptors of each for ever: neither half sees the end. */
const CONNECTIONS = 400;
const AT_ONCE = 8;
const IDLE = 200;

/** What is measured of a pair, each over and over. */
interface Figures {
  /** MiB a second. */
  throughput: number[];
  /** Processor seconds of client and server for a GiB. */
  transferCpu: number[];
  /** Processor time of the load generator as a part of the time that passed. */
  loadShare: number[];
  /** Connections a second. */
  rate: number[];
  /** Processor milliseconds of client and server for a connection. */
  connectCpu: number[];
  /** KiB of client and server for an idle connection. */
  idle: number[];
  /** MiB that client and server grow by when nobody reads what is sent. */
  stalled: number[];
}

function noFigures(): Figures {
  return {
    throughput: [],
    transferCpu: [],
    loadShare: [],
    rate: [],
    connectCpu: [],
    idle: [],
    stalled: [],
  };
}

function sum(pids: readonly number[], figure: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + figure(pid), 0);
}

async function transfer(load: LoadProcess, { way, pids }: Pair, figures: Figures) {
  const [cpu, loadCpu] = [sum(pids, cpuSeconds), cpuSeconds(load.pid)];
  const seconds = await load.order({ kind: "transfer", way, bytes: TRANSFER });
  figures.throughput.push(TRANSFER / MIB / seconds);
  figures.transferCpu.push((sum(pids, cpuSeconds) - cpu) * 1024 * MIB / TRANSFER);
  figures.loadShare.push((cpuSeconds(load.pid) - loadCpu) / seconds);
}

async function connect(load: LoadProcess, { way, pids }: Pair, figures: Figures) {
  const cpu = sum(pids, cpuSeconds);
  const order = { kind: "connect", way, connections: CONNECTIONS, atOnce: AT_ONCE } as const;
  const seconds = await load.order(order);
  figures.rate.push(CONNECTIONS / seconds);
  figures.connectCpu.push((sum(pids, cpuSeconds) - cpu) * 1000 / CONNECTIONS);
}

async function memory(load: LoadProcess, { way, pids }: Pair, figures: Figures) {
  await load.order({ kind: "hold", way, connections: 5 });
  const before = sum(pids, residentBytes);
  await load.order({ kind: "hold", way, connections: IDLE });
  figures.idle.push((sum(pids, residentBytes) - before) / 1024 / IDLE);
  const idle = sum(pids, residentBytes);
  await load.order({ kind: "stall", way });
  figures.stalled.push((sum(pids, residentBytes) - idle) / MIB);
  await load.order({ kind: "release" });
}

/** One round: all start anew, so that memory is measured first, and take turns then. */
async function round(
  contestants: readonly Contestant[],
  all: readonly Figures[],
  directory: string,
): Promise<void> {
  const { load, orport } = await LoadProcess.start();
  await using _load = load;
  await using stack = new AsyncDisposableStack();
  const pairs: Pair[] = [];
  for (const contestant of contestants) {
    pairs.push(stack.use(await launch(contestant, orport, directory)));
  }
  const each = async (measure: typeof transfer, into: readonly Figures[], turn: number) => {
    for (let index = 0; index < pairs.length; index++) {
      // Whoever comes first in one turn comes last in the next.
      const at = turn % 2 === 0 ? index : pairs.length - 1 - index;
      await measure(load, pairs[at]!, into[at]!);
    }
  };
  await each(memory, all, 0);
  const warmUp = contestants.map(noFigures);
  for (const measure of [transfer, connect]) {
    await each(measure, warmUp, 0);
    for (let turn = 0; turn < TURNS; turn++) await each(measure, all, turn);
  }
}

/** Measures, and writes the tables of the report. */
export async function reportRelay(directory: string): Promise<string> {
  const go = await goptlib();
  const contestants = [OURS, WRITTEN_OUT, ...go === null ? [] : [go]];
  const all = contestants.map(noFigures);
  for (let count = 1; count <= ROUNDS; count++) {
    console.error(`Round ${count} of ${ROUNDS}`);
    await round(contestants, all, directory);
  }
  const [ours, writtenOut, theirs] = all;
  if (ours === undefined || writtenOut === undefined) throw new TypeError("Nothing was measured");

  const row = (title: string, key: keyof Figures, digits: number) => [
    title,
    ...all.map((figures) => median(figures[key]).toFixed(digits)),
    medianRatio(ours[key], writtenOut[key]).toFixed(3),
    ...theirs === undefined ? [] : [medianRatio(ours[key], theirs[key]).toFixed(2)],
  ];
  const head = [
    "median",
    ...contestants.map(({ name }) => name),
    "run() / written out",
    ...theirs === undefined ? [] : ["run() / goptlib"],
  ];
  return table(head, [
    row("one connection, MiB/s", "throughput", 0),
    row("its processor time, s/GiB", "transferCpu", 2),
    row("meanwhile the load generator's share of a processor", "loadShare", 2),
    row("connections a second", "rate", 0),
    row("processor time of a connection, ms", "connectCpu", 2),
    row("an idle connection, KiB", "idle", 0),
    row("growth when nobody reads, MiB", "stalled", 1),
  ]);
}

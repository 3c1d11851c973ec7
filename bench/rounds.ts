/** Pairs of programs that take turns, and what is measured of each. */

import { type Contestant, launch, type Pair } from "./contestants.ts";
import { LoadProcess } from "./load_process.ts";
import { cpuSeconds } from "./proc.ts";
import { median, medianRatio, table } from "./statistics.ts";

/** Figures by their titles. */
export type Figures = Record<string, number>;

/** One thing that is measured. */
export interface Measurement {
  /** How often all pairs are started anew: each start can be lucky. */
  rounds: number;
  /**
   * How often they take turns in each round, after one turn that does not count. At 0 that turn is
   * all, and counts: the programs have just started.
   */
  turns: number;
  /** Whether all programs share one processor. */
  pinned: boolean;
  /** Measures one pair. */
  measure(load: LoadProcess, pair: Pair): Promise<Figures>;
}

/** The programs that it takes, built or found beforehand. */
export interface Ground {
  /** Where their state is, and files for a while. */
  directory: string;
  /** The load generator. */
  program: string;
  contestants: readonly Contestant[];
}

/** What came of each contestant, in the order of the contestants: all values of each figure. */
type Values = Record<string, number[]>[];

/** The processor time that a pair has used, in seconds. */
export function processorTime({ pids }: Pair): number {
  return pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
}

function onOneProcessor(command: readonly string[]): string[] {
  return ["taskset", "-c", "0", ...command];
}

function pinned(contestant: Contestant): Contestant {
  const { client, server } = contestant;
  return { ...contestant, client: onOneProcessor(client), server: onOneProcessor(server) };
}

function add(values: Values, index: number, figures: Figures): void {
  for (const [title, value] of Object.entries(figures)) (values[index]![title] ??= []).push(value);
}

/** One round: all start anew, and take turns. */
async function round(ground: Ground, measurement: Measurement, values: Values): Promise<void> {
  const { directory, program, contestants } = ground;
  const command = measurement.pinned ? onOneProcessor([program]) : [program];
  const { load, orport } = await LoadProcess.start(command, `${directory}/cookie`);
  await using _load = load;
  await using stack = new AsyncDisposableStack();
  const pairs: Pair[] = [];
  for (const contestant of contestants) {
    const started = measurement.pinned ? pinned(contestant) : contestant;
    pairs.push(stack.use(await launch(started, orport, directory)));
  }
  for (let turn = 0; turn <= measurement.turns; turn++) {
    for (let place = 0; place < pairs.length; place++) {
      // Whoever comes first in one turn comes last in the next.
      const index = turn % 2 === 0 ? place : pairs.length - 1 - place;
      const figures = await measurement.measure(load, pairs[index]!);
      if (turn > 0 || measurement.turns === 0) add(values, index, figures);
    }
  }
}

function written(values: readonly number[]): string {
  const digits = median(values) < 10 ? 2 : median(values) < 100 ? 1 : 0;
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)];
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

/** Measures, and writes a table: each median with minimum and maximum, and the first's ratios. */
export async function reportMeasurement(ground: Ground, measurement: Measurement): Promise<string> {
  const { contestants } = ground;
  const values: Values = contestants.map(() => ({}));
  for (let count = 1; count <= measurement.rounds; count++) {
    console.error(`Round ${count} of ${measurement.rounds}`);
    await round(ground, measurement, values);
  }
  const [first, ...others] = values;
  const head = [
    "",
    ...contestants.map(({ name }) => name),
    ...contestants.slice(1).map(({ name }) => `/ ${name}`),
  ];
  const rows = Object.entries(first!).map(([title, ours]) => [
    title,
    ...values.map((all) => written(all[title]!)),
    ...others.map((all) => medianRatio(ours, all[title]!).toFixed(2)),
  ]);
  return table(head, rows);
}

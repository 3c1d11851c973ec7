/** Pairs of programs that take turns, and what is measured of each. */

import { type Contestant, launch, type Pair } from "./contestants.ts";
import { LoadProcess } from "./load_process.ts";
import { cpuSeconds } from "./proc.ts";
import type { Measured, Values } from "./results.ts";
import type { Workplace } from "./workplace.ts";

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
  /** Whether servers go to tor's Extended ORPort. */
  extended: boolean;
  /** Measures one pair. */
  measure(load: LoadProcess, pair: Pair): Promise<Figures>;
}

/** The programs that it takes, built or found beforehand. */
export interface Ground extends Workplace {
  /** The load generator. */
  program: string;
  contestants: readonly Contestant[];
}

/** The processor time that a pair has used, in seconds. */
export function processorTime({ pids }: Pair): number {
  return pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
}

function onOneProcessor(command: readonly string[]): string[] {
  return ["taskset", "-c", "0", ...command];
}

function pinned(contestant: Contestant): Contestant {
  const { client, server } = contestant;
  if (client.length === 0) return contestant;
  return { ...contestant, client: onOneProcessor(client), server: onOneProcessor(server) };
}

function add(values: Values, figures: Figures): void {
  for (const [title, value] of Object.entries(figures)) (values[title] ??= []).push(value);
}

/** One round: all start anew, and take turns. */
async function round(ground: Ground, measurement: Measurement, values: Values[]): Promise<void> {
  const { directory, signal, program, contestants } = ground;
  const command = measurement.pinned ? onOneProcessor([program]) : [program];
  const { load, orport, extOrPort } = await LoadProcess.start(
    command,
    `${directory}/cookie`,
    signal,
  );
  const tor = measurement.extended ? { extOrPort } : { orport };
  await using _load = load;
  await using stack = new AsyncDisposableStack();
  const pairs: Pair[] = [];
  for (const contestant of contestants) {
    const started = measurement.pinned ? pinned(contestant) : contestant;
    pairs.push(stack.use(await launch(started, tor, ground)));
  }
  for (let turn = 0; turn <= measurement.turns; turn++) {
    for (let place = 0; place < pairs.length; place++) {
      // Whoever comes first in one turn comes last in the next.
      const index = turn % 2 === 0 ? place : pairs.length - 1 - place;
      const figures = await measurement.measure(load, pairs[index]!);
      if (turn > 0 || measurement.turns === 0) add(values[index]!, figures);
    }
  }
}

/** Measures all contestants. */
export async function measureInTurns(ground: Ground, measurement: Measurement): Promise<Measured> {
  const { contestants } = ground;
  const values: Values[] = contestants.map(() => ({}));
  for (let count = 1; count <= measurement.rounds; count++) {
    console.error(`Round ${count} of ${measurement.rounds}`);
    await round(ground, measurement, values);
  }
  return { contestants: contestants.map(({ name }) => name), values };
}

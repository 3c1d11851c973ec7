/** The whole of it: everything is started, held, churned, watched and ended. */

import type { Way } from "../../bench/load_process.ts";
import { residentBytes } from "../../bench/proc.ts";
import { pause } from "../waiting.ts";
import { DoomedUsers } from "./doomed.ts";
import { LoadProgram } from "./load_program.ts";
import type { Observation } from "./observation.ts";
import { launchObserved, type Observed } from "./observed.ts";
import { doomedOf, type Options, strangersOf } from "./options.ts";
import { DESTINATION_PERMISSIONS, USERS_PERMISSIONS } from "./permissions.ts";
import { Probe } from "./probe.ts";
import {
  descriptorsOf,
  type ProcessFigures,
  type Programs,
  type Sample,
  takeSample,
} from "./samples.ts";
import type { Tally } from "./tally.ts";

/** Where the ids of each kind of connection begin. */
const IDS = { probe: 1, held: 2 ** 20, churning: 2 ** 24, doomed: 2 ** 28 };
/** How many connections come first, so that what is loaded or compiled late is there. */
const WARM_UP = 500;
const AT_ONCE = 20;
const EVERY = 1_000;
const TELL_EVERY = 10_000;
const MIB = 1024 * 1024;
/** How long the last connections may take until they are gone on both ends, in milliseconds. */
const LONGEST_END = 60_000;

/** What client or server have left when nothing is under way. */
export interface Rest extends Observation {
  descriptors: number;
  resident: number;
}

/** Client and server at a moment of rest. */
export interface Rests {
  client: Rest;
  server: Rest;
}

/** The moments of rest: at the start, with those held, after all churning, and at the end. */
export type Moment = "start" | "held" | "churned" | "end";

/** What has come of it. */
export interface Soaked {
  samples: readonly Sample[];
  /** When churning began and ended, in seconds since the start. */
  churn: readonly [from: number, to: number];
  rests: { [moment in Moment]: Rests };
  users: Tally;
  destination: Tally;
  /** How many processes of users were stopped and killed. */
  killed: number;
  /** What was lost, swapped or hung, in words. */
  faults: readonly string[];
  faultCount: number;
  /** How long it took to open those that are held, in seconds. */
  opening: number;
}

/** How many faults are kept; all are counted. */
const MOST_FAULTS = 20;

class Faults {
  readonly kept: string[] = [];
  count = 0;

  readonly add = (text: string): void => {
    this.count++;
    if (this.kept.length >= MOST_FAULTS) return;
    this.kept.push(text);
    console.error(`FAULT: ${text}`);
  };
}

/** Takes samples every second until it is stopped. */
class Watch {
  readonly samples: Sample[] = [];
  readonly #programs: Programs;
  readonly #probe: Probe;
  readonly #start = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(programs: Programs, probe: Probe) {
    this.#programs = programs;
    this.#probe = probe;
    this.#timer = setInterval(() => this.#look(), EVERY);
  }

  /** Seconds since the start. */
  get now(): number {
    return (performance.now() - this.#start) / 1000;
  }

  #look(): void {
    try {
      this.samples.push(takeSample(this.#programs, this.now, this.#probe.latency));
    } catch (error) {
      this.stop(); // A program has ended, which is said elsewhere.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Waits until the destination has so many connections and nobody has too many descriptors. */
async function untilRest(programs: Programs, open: number, most: Rests | null): Promise<void> {
  const end = performance.now() + LONGEST_END;
  const tooMany = (half: "client" | "server") =>
    most !== null && descriptorsOf(programs[half].pid) > most[half].descriptors;
  const busy = () =>
    programs.destination.tally.open !== open || tooMany("client") || tooMany("server");
  while (busy() && performance.now() < end) await pause(EVERY);
  await pause(2 * EVERY); // What the programs of the load say is up to a second old.
}

async function restOf(program: Observed): Promise<Rest> {
  const observation = await program.collect();
  const { pid } = program;
  return { ...observation, descriptors: descriptorsOf(pid), resident: residentBytes(pid) };
}

async function restsOf({ client, server }: Programs): Promise<Rests> {
  return { client: await restOf(client), server: await restOf(server) };
}

/** What one side has seen as whole, the other one must have, too. */
function compareWholes(users: Tally, probe: Probe, destination: Tally, faults: Faults): void {
  const [whole, ids] = [users.whole + probe.whole, users.wholeIds + probe.wholeIds];
  if (whole === destination.whole && ids === destination.wholeIds) return;
  faults.add(
    `${whole} connections were whole for their users, ${destination.whole} for the other end`,
  );
}

/** Starts all programs. */
async function start(
  stack: AsyncDisposableStack,
  faults: Faults,
): Promise<Programs & { way: Way }> {
  const stateDirectory = await Deno.makeTempDir({ prefix: "ptlib-soak-" });
  stack.defer(() => Deno.remove(stateDirectory, { recursive: true }));
  const program = (name: string, permissions: readonly string[]) =>
    stack.use(new LoadProgram(name, permissions, faults.add));
  const destination = program("destination", DESTINATION_PERMISSIONS);
  const { orport: [host, port], cookieFile } = await destination.ready;
  const pair = await launchObserved({ orport: [host, port], cookieFile, stateDirectory });
  const users = program("users", USERS_PERMISSIONS);
  stack.use(pair); // It ends first, because what ends before it would be missed.
  await users.order({ order: "use", way: pair.way });
  return { way: pair.way, client: pair.client, server: pair.server, users, destination };
}

function inWords({ samples }: Watch, programs: Programs): string {
  const [before, last] = [samples.at(-11) ?? samples[0], samples.at(-1)];
  if (before === undefined || last === undefined) return "everything starts";
  const rate = (last.bytes - before.bytes) / MIB / (last.seconds - before.seconds || 1);
  const half = ({ resident, descriptors }: ProcessFigures) =>
    `${(resident / MIB).toFixed(0)} MiB and ${descriptors} descriptors`;
  return `${programs.users.tally.open} connections, ${rate.toFixed(1)} MiB/s, new one ` +
    `${last.latency.toFixed(0)} ms, client ${half(last.client)}, server ${half(last.server)}`;
}

/**
 * Does it all.
 *
 * @param stack Owns what is started.
 * @param tell Is called with how far it is.
 */
export async function soak(
  { held, churning, minutes, seed }: Options,
  stack: AsyncDisposableStack,
  tell: (text: string) => void,
): Promise<Soaked> {
  const faults = new Faults();
  const programs = await start(stack, faults);
  const { way, users, destination } = programs;
  const probe = new Probe(way, IDS.probe, faults.add);
  const watch = new Watch(programs, probe);
  stack.defer(() => watch.stop());
  await probe.warmUp(WARM_UP, AT_ONCE);
  await untilRest(programs, 0, null);
  const atStart = await restsOf(programs);

  const progress = setInterval(() => tell(inWords(watch, programs)), TELL_EVERY);
  stack.defer(() => clearInterval(progress));
  tell(`opening ${held} connections`);
  const before = watch.now;
  await users.order({ order: "hold", count: held, firstId: IDS.held });
  const opening = watch.now - before;
  await untilRest(programs, held, null);
  const whileHeld = await restsOf(programs);

  tell(`${held} are open after ${opening.toFixed(1)} s; ${churning} churn for ${minutes} min`);
  probe.start();
  const [strangers, doomed] = [strangersOf(churning), doomedOf(churning)];
  const through = churning - strangers - doomed;
  const from = watch.now;
  const churn = { seed, firstId: IDS.churning, through, strangers, doomed: false };
  await users.order({ order: "churn", churn });
  const doomedUsers = stack.use(
    new DoomedUsers({ way, seed, firstId: IDS.doomed, through: doomed, onFault: faults.add }),
  );
  await pause(minutes * 60_000);
  const to = watch.now;

  tell("the churning ends");
  await doomedUsers[Symbol.asyncDispose]();
  await probe.stop();
  await users.order({ order: "stop" });
  await untilRest(programs, held, whileHeld);
  const churned = await restsOf(programs);
  compareWholes(users.tally, probe, destination.tally, faults);

  tell("those that were held end");
  await users.order({ order: "release" });
  await untilRest(programs, 0, atStart);
  const atEnd = await restsOf(programs);
  return {
    samples: watch.samples,
    churn: [from, to],
    rests: { start: atStart, held: whileHeld, churned, end: atEnd },
    users: users.tally,
    destination: destination.tally,
    killed: doomedUsers.killed,
    faults: faults.kept,
    faultCount: faults.count,
    opening,
  };
}

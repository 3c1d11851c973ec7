/**
 * The thread that tries the properties. It is not the main one, so that the main one can tell how
 * far it is, and end it where an input takes for ever.
 */

/// <reference lib="deno.worker" />

import fc from "npm:fast-check@4.10.2";
import { allProperties } from "./all_properties.ts";
import { Progress, replayCommand } from "./progress.ts";
import { countInputs, type NamedProperty } from "./property.ts";

/** What is to be done. */
export interface Task {
  /** The memory of a {@linkcode Progress}. */
  memory: SharedArrayBuffer;
  minutes: number;
  /** The seed of the only round; null for rounds with seeds of their own. */
  seed: number | null;
  /** The path to the only input; null for all of a round. */
  path: string | null;
  /** The names of the properties. */
  names: readonly string[];
}

/** In a round each property gets this many times the inputs that it has in a test. */
const FACTOR = 10;
/** And this many times more where there are so few properties that rounds would be short. */
const MOST_FOR_FEW = 20;

/** Tries one property; whether it holds. */
async function holds(
  { name, property, runs }: NamedProperty,
  seed: number,
  { path, names }: Task,
): Promise<boolean> {
  const few = Math.min(MOST_FOR_FEW, Math.ceil(allProperties.length / names.length));
  const details = await fc.check(property, {
    seed,
    // A path leads to one input, which is not made smaller any more.
    ...path === null ? { numRuns: FACTOR * few * runs } : { path, numRuns: 1, endOnFailure: true },
  });
  if (!details.failed) return true;
  console.log(`FAILS: ${name}
the input: ${fc.stringify(details.counterexample)}
${String(details.errorInstance)}
${replayCommand(name, seed, details.counterexamplePath ?? "0")}`);
  return false;
}

/** Tries them all until the time is over; whether they hold. */
async function fuzz(task: Task): Promise<boolean> {
  const progress = new Progress(task.memory);
  countInputs(() => progress.count());
  const properties = allProperties.filter(({ name }) => task.names.includes(name));
  const end = performance.now() + 60_000 * task.minutes;
  const endless = task.seed === null;
  do {
    const seed = task.seed ?? crypto.getRandomValues(new Int32Array(1))[0] ?? 0;
    console.log(`seed ${seed}`);
    progress.set("seed", seed);
    for (const [index, property] of properties.entries()) {
      progress.set("property", index);
      progress.set("inputsOfProperty", 0);
      if (!await holds(property, seed, task)) return false;
      if (endless && performance.now() >= end) return true;
    }
  } while (endless);
  return true;
}

self.onmessage = async ({ data }: MessageEvent<Task>) => self.postMessage(await fuzz(data));

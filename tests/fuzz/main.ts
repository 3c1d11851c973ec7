/**
 * Tries all properties round after round with fresh random seeds: `deno task fuzz`.
 *
 * @module
 */

import fc from "npm:fast-check@4.10.2";
import { allProperties } from "./all_properties.ts";
import { Progress, replayCommand } from "./progress.ts";
import { countInputs, type NamedProperty } from "./property.ts";
import type { Watched } from "./watch.ts";

const HELP = `Tries every property of tests/fuzz round after round, each round with another seed.

deno task fuzz [--minutes N] [--seed S] [--path P] [--only PATTERN]

  --minutes N     for how long; default: 1
  --seed S        one round only, with this seed
  --path P        with --seed and --only: the one input at this place, as a failure names it
  --only PATTERN  only the properties whose names contain this text
  --help          this text

It prints how far it is every 10 s. It ends with status 1 and the command that tries the same input
again when a property does not hold, or when an input takes more than a minute.`;

/** In a round each property gets this many times the inputs that it has in a test. */
const FACTOR = 10;

/** What the command line asks for. */
interface Options {
  minutes: number;
  seed: number | null;
  path: string | null;
  properties: NamedProperty[];
}

/** Something on the command line is wrong. */
class UsageError extends Error {}

function number(text: string, option: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new UsageError(`${option} is no number`);
  return value;
}

/** Reads the command line; null where it asks for help. */
function parseOptions(args: readonly string[]): Options | null {
  const options: Options = { minutes: 1, seed: null, path: null, properties: [...allProperties] };
  const words = args.flatMap((arg) => {
    const [, option, value] = /^(--[a-z]+)=(.*)$/s.exec(arg) ?? [];
    return option === undefined || value === undefined ? [arg] : [option, value];
  });
  while (words.length > 0) {
    const option = words.shift() ?? "";
    if (option === "--help") return null;
    const value = words.shift();
    if (value === undefined) throw new UsageError(`${option} wants a value`);
    if (option === "--minutes") options.minutes = number(value, option);
    else if (option === "--seed") options.seed = number(value, option) | 0;
    else if (option === "--path") options.path = value;
    else if (option !== "--only") throw new UsageError(`there is no ${option}`);
    else options.properties = allProperties.filter(({ name }) => name.includes(value));
  }
  if (options.properties.length === 0) throw new UsageError("no property has such a name");
  if (options.path !== null && (options.seed === null || options.properties.length !== 1)) {
    throw new UsageError("--path wants a --seed, and an --only that names one property");
  }
  return options;
}

/** Tries one property; whether it holds. */
async function holds(
  { name, property, runs }: NamedProperty,
  seed: number,
  path: string | null,
): Promise<boolean> {
  const details = await fc.check(property, {
    seed,
    // A path leads to one input, which is not made smaller any more.
    ...path === null ? { numRuns: FACTOR * runs } : { path, numRuns: 1, endOnFailure: true },
  });
  if (!details.failed) return true;
  console.log(`FAILS: ${name}
the input: ${fc.stringify(details.counterexample)}
${String(details.errorInstance)}
${replayCommand(name, seed, details.counterexamplePath ?? "0")}`);
  return false;
}

/** Tries them all until the time is over; whether they hold. */
async function fuzz(options: Options, progress: Progress): Promise<boolean> {
  const end = performance.now() + 60_000 * options.minutes;
  const only = options.seed !== null;
  do {
    const seed = options.seed ?? (crypto.getRandomValues(new Int32Array(1))[0] ?? 0);
    console.log(`seed ${seed}`);
    progress.set("seed", seed);
    for (const [index, property] of options.properties.entries()) {
      progress.set("property", index);
      progress.set("inputsOfProperty", 0);
      if (!await holds(property, seed, options.path)) return false;
      if (!only && performance.now() >= end) return true;
    }
  } while (!only);
  return true;
}

async function main(): Promise<number> {
  let options: Options | null;
  try {
    options = parseOptions(Deno.args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}: see deno task fuzz --help`);
    return 2;
  }
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  const progress = new Progress();
  countInputs(() => progress.count());
  const watcher = new Worker(new URL("./watch.ts", import.meta.url), {
    type: "module",
  });
  const names = options.properties.map(({ name }) => name);
  watcher.postMessage({ memory: progress.memory, names } satisfies Watched);
  const start = performance.now();
  const right = await fuzz(options, progress);
  watcher.terminate();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${progress.get("inputs")} inputs, ${right ? 0 : 1} failures, ${seconds} s`);
  return right ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());

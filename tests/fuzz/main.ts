/**
 * Tries all properties round after round with fresh random seeds: `deno task fuzz`.
 *
 * @module
 */

import { allProperties } from "./all_properties.ts";
import { Progress, replayCommand } from "./progress.ts";
import type { Task } from "./rounds.ts";

const HELP = `Tries every property of tests/fuzz round after round, each round with another seed.

deno task fuzz [--minutes N] [--seed S] [--path P] [--only PATTERN]

  --minutes N     for how long; default: 1
  --seed S        one round only, with this seed
  --path P        with --seed and --only: the one input at this place, as a failure names it
  --only PATTERN  only the properties whose names contain this text
  --help          this text

It prints how far it is every 10 s. It ends with status 1 and the command that tries the same input
again when a property does not hold, or when an input takes more than a minute.`;

/** How often it tells how far it is, and how long an input may take, in milliseconds. */
const INTERVAL = 10_000;
const LONGEST = 60_000;

/** Something on the command line is wrong. */
class UsageError extends Error {}

function number(text: string, option: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new UsageError(`${option} is no number`);
  return value;
}

/** Reads the command line; null where it asks for help. */
function parseOptions(args: readonly string[]): Omit<Task, "memory"> | null {
  const all = allProperties.map(({ name }) => name);
  const task: Omit<Task, "memory"> = { minutes: 1, seed: null, path: null, names: all };
  const words = args.flatMap((arg) => {
    const [, option, value] = /^(--[a-z]+)=(.*)$/s.exec(arg) ?? [];
    return option === undefined || value === undefined ? [arg] : [option, value];
  });
  while (words.length > 0) {
    const option = words.shift() ?? "";
    if (option === "--help") return null;
    const value = words.shift();
    if (value === undefined) throw new UsageError(`${option} wants a value`);
    if (option === "--minutes") task.minutes = number(value, option);
    else if (option === "--seed") task.seed = number(value, option) | 0;
    else if (option === "--path") task.path = value;
    else if (option !== "--only") throw new UsageError(`there is no ${option}`);
    else task.names = all.filter((name) => name.includes(value));
  }
  if (task.names.length === 0) throw new UsageError("no property has such a name");
  if (task.path !== null && (task.seed === null || task.names.length !== 1)) {
    throw new UsageError("--path wants a --seed, and an --only that names one property");
  }
  return task;
}

/** Tells how far it is; resolves to false when an input takes too long, and never otherwise. */
function watch(progress: Progress, names: readonly string[]): Promise<false> {
  const { promise, resolve } = Promise.withResolvers<false>();
  let before = 0;
  let still = 0;
  setInterval(() => {
    const inputs = progress.get("inputs");
    console.log(`${inputs} inputs, ${Math.round((inputs - before) / (INTERVAL / 1000))} inputs/s`);
    still = inputs === before ? still + INTERVAL : 0;
    before = inputs;
    if (still < LONGEST) return;
    const name = names[progress.get("property")] ?? "";
    const path = String(progress.get("inputsOfProperty") - 1);
    console.log(`HANGS: ${name}\n${replayCommand(name, progress.get("seed"), path)}`);
    resolve(false);
  }, INTERVAL);
  return promise;
}

/** Has another thread do it; whether all properties hold. */
async function run(task: Task): Promise<boolean> {
  const worker = new Worker(new URL("./rounds.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  worker.onmessage = ({ data }: MessageEvent<boolean>) => resolve(data);
  worker.onerror = (event) => reject(event.error ?? new Error(event.message));
  worker.postMessage(task);
  return await Promise.race([promise, watch(new Progress(task.memory), task.names)]);
}

async function main(): Promise<number> {
  let options: Omit<Task, "memory"> | null;
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
  const start = performance.now();
  const right = await run({ ...options, memory: progress.memory });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${progress.get("inputs")} inputs, ${right ? 0 : 1} failures, ${seconds} s`);
  return right ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());

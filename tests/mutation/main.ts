/**
 * `deno task mutation`: puts one small fault after another into the library, and sees whether the
 * tests find it.
 *
 * @module
 */

import { inTemporaryDirectory } from "../deno_process.ts";
import type { Mutant } from "./mutants.ts";
import { HELP, type Options, parseOptions, UsageError } from "./options.ts";
import { recordTests, type Test } from "./reach.ts";
import { found, report, type Result, survivorLine } from "./report.ts";
import { reasonFor } from "./survivors.ts";
import { mutantsOfProject, Tree } from "./tree.ts";
import { tryMutant } from "./trial.ts";

/** What part of the mutants the tests have to find. */
const BOUND = 0.9;
/** How often it tells how far it is, in milliseconds. */
const INTERVAL = 10_000;

/** The mutants that are asked for. */
function choose(mutants: readonly Mutant[], { files, every, only }: Options): Mutant[] {
  return mutants
    .filter(({ file }) => files.length === 0 || files.some((start) => file.startsWith(start)))
    .filter(({ id }) => only.length === 0 || only.includes(id))
    .filter((_, index) => index % every === 0);
}

function tellProgress(results: readonly Result[], total: number, start: number): void {
  const done = results.length;
  const killed = results.filter(found).length;
  const left = done === 0 ? "?" : Math.round((Date.now() - start) / done * (total - done) / 1000);
  console.error(`${done}/${total}: ${killed} found, ${done - killed} not, ${left} s left`);
}

/** Tries the mutants in all of the trees at a time, until the time is over. */
async function tryAll(
  mutants: readonly Mutant[],
  tests: readonly Test[],
  trees: readonly Tree[],
  minutes: number,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = [...mutants];
  const start = Date.now();
  const timer = setInterval(() => tellProgress(results, mutants.length, start), INTERVAL);
  try {
    await Promise.all(trees.map(async (tree) => {
      while (Date.now() - start < minutes * 60_000) {
        const mutant = queue.shift();
        if (mutant === undefined) return;
        const reaching = tests.filter(({ mutants }) => mutants.has(mutant.id));
        const result = { mutant, outcome: await tryMutant(tree, mutant, reaching) };
        results.push(result);
        if (!found(result)) console.error(survivorLine(result));
      }
    }));
  } finally {
    clearInterval(timer);
  }
  return results.sort((a, b) => Number(a.mutant.id) - Number(b.mutant.id));
}

/** Whether the tests found enough, and a reason is given for all others. */
function good(results: readonly Result[]): boolean {
  const missed = results.filter((result) => !found(result));
  return results.length - missed.length >= BOUND * results.length &&
    missed.every(({ mutant }) => reasonFor(mutant) !== null);
}

async function run(options: Options, directory: string): Promise<boolean> {
  const { mutants, files } = await mutantsOfProject();
  const chosen = choose(mutants, options);
  if (chosen.length === 0) throw new UsageError("there are no mutants in such files");
  const trees = await Promise.all(
    Array.from({ length: options.jobs }, (_, i) => Tree.create(`${directory}/tree-${i}`, files)),
  );
  const [first] = trees;
  if (first === undefined) return false;
  const tests = await recordTests(first, `${directory}/recorded`, options.tests);
  const results = await tryAll(chosen, tests, trees, options.minutes);
  console.log(report(results));
  if (results.length < chosen.length) console.log(`\n${chosen.length - results.length} not tried`);
  if (options.json !== null) await Deno.writeTextFile(options.json, JSON.stringify(results));
  return good(results);
}

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  const good = await inTemporaryDirectory(
    "ptlib-mutation-",
    async (directory) => await run(options, await Deno.realPath(directory)),
  );
  return good ? 0 : 1;
}

try {
  Deno.exit(await main());
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}: see deno task mutation --help`);
  Deno.exit(2);
}

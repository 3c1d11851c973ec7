/** Tries one mutant: runs the tests that reach it, the quickest first, until one fails. */

import { runDeno } from "../deno_process.ts";
import type { Mutant } from "./mutants.ts";
import type { Test } from "./reach.ts";
import type { Tree } from "./tree.ts";

/** What becomes of a mutant. */
export type Outcome = "killed" | "hangs" | "survives" | "is not reached";

/** What starting `deno test` costs, in milliseconds. */
const START = 120;
/** Files of tests that are quicker than this are run together, up to it. */
const BATCH = 600;
/** How long tests may take: this many milliseconds, and so many times what they take without it. */
const PATIENCE = 2500;
const FACTOR = 5;

/** How long tests of one mutant may take in all, in milliseconds. Behind that it counts as missed. */
const LONGEST = 30_000;

/** Tests that are run in one process. */
interface Batch {
  files: string[];
  names: string[];
  cost: number;
}

/** Which tests have found how many mutants of which file. Those are asked first. */
class Experience {
  readonly #found = new Map<string, number>();

  /** How much sooner these tests are asked than their cost alone would have it. */
  weight(file: string, tests: string): number {
    return 1 + (this.#found.get(`${file} ${tests}`) ?? 0);
  }

  add(file: string, tests: string): void {
    this.#found.set(`${file} ${tests}`, this.weight(file, tests));
  }
}

const experience = new Experience();

/** The tests of each file by themselves, the most promising first. */
function byPromise(tests: readonly Test[], mutated: string): Batch[] {
  const promise = ({ files: [tests = ""], cost }: Batch) =>
    experience.weight(mutated, tests) / cost;
  return [...Map.groupBy(tests, ({ file }) => file)].map(([file, tests]): Batch => ({
    files: [file],
    names: tests.map(({ name }) => name),
    cost: tests.reduce((sum, { milliseconds }) => sum + milliseconds, START),
  })).sort((a, b) => promise(b) - promise(a));
}

/** The same with quick files together, but for the first one, which finds most. */
function batchesOf(tests: readonly Test[], mutated: string): Batch[] {
  const [first, ...others] = byPromise(tests, mutated);
  const batches: Batch[] = [];
  for (const batch of others) {
    const last = batches.at(-1);
    if (last === undefined || last.cost + batch.cost > BATCH) batches.push(batch);
    else {
      last.files.push(...batch.files);
      last.names.push(...batch.names);
      last.cost += batch.cost;
    }
  }
  return first === undefined ? [] : [first, ...batches];
}

/** A filter of `deno test` for exactly these names. */
function filterFor(names: readonly string[]): string {
  return `/^(?:${names.map(RegExp.escape).join("|")})$/`;
}

/** The file whose test failed: the last one that was begun. */
function failedFile(stdout: string): string {
  return [...stdout.matchAll(/^running \d+ tests? from \.\/(\S+)$/gm)].at(-1)?.[1] ?? "";
}

/** What becomes of a mutant under these tests, which all reach it. */
export async function tryMutant(
  tree: Tree,
  { id, file }: Mutant,
  tests: readonly Test[],
): Promise<Outcome> {
  if (tests.length === 0) return "is not reached";
  await tree.activate(id);
  const start = performance.now();
  for (const { files, names, cost } of batchesOf(tests, file)) {
    if (performance.now() - start > LONGEST) break;
    const filter = `--filter=${filterFor(names)}`;
    const args = ["test", "--no-prompt", "--allow-all", "--no-check", "--fail-fast"];
    const limit = PATIENCE + FACTOR * cost;
    const ended = await runDeno([...args, filter, ...files], { cwd: tree.root, limit });
    await tree.killPrograms();
    if (ended.success) continue;
    experience.add(file, failedFile(ended.stdout));
    return ended.late ? "hangs" : "killed";
  }
  return "survives";
}

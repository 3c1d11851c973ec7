/** Tries one mutant: runs the tests that reach it, the quickest first, until one fails. */

import { runDeno } from "./deno_process.ts";
import type { Test } from "./reach.ts";
import type { Tree } from "./tree.ts";

/** What becomes of a mutant. */
export type Outcome = "killed" | "hangs" | "survives" | "is not reached";

/** What starting `deno test` costs, in milliseconds. */
const START = 120;
/** Files of tests that are quicker than this are run together, up to it. */
const BATCH = 600;
/** How long tests may take: this many milliseconds, and so many times what they take without it. */
const PATIENCE = 4000;
const FACTOR = 5;

/** Tests that are run in one process. */
interface Batch {
  files: string[];
  names: string[];
  cost: number;
}

function batchesOf(tests: readonly Test[]): Batch[] {
  const byFile = Map.groupBy(tests, ({ file }) => file);
  const single = [...byFile].map(([file, tests]): Batch => ({
    files: [file],
    names: tests.map(({ name }) => name),
    cost: tests.reduce((sum, { milliseconds }) => sum + milliseconds, START / 2),
  })).sort((a, b) => a.cost - b.cost);
  const batches: Batch[] = [];
  for (const batch of single) {
    const last = batches.at(-1);
    // The first one is alone: it is what finds most.
    if (last === undefined || batches.length === 1 || last.cost + batch.cost > BATCH) {
      batches.push(batch);
      continue;
    }
    last.files.push(...batch.files);
    last.names.push(...batch.names);
    last.cost += batch.cost;
  }
  return batches;
}

/** A filter of `deno test` for exactly these names. */
function filterFor(names: readonly string[]): string {
  return `/^(?:${names.map(RegExp.escape).join("|")})$/`;
}

/** What becomes of a mutant under these tests, which all reach it. */
export async function tryMutant(tree: Tree, id: string, tests: readonly Test[]): Promise<Outcome> {
  if (tests.length === 0) return "is not reached";
  await tree.activate(id);
  for (const { files, names, cost } of batchesOf(tests)) {
    const filter = `--filter=${filterFor(names)}`;
    const args = ["test", "--no-prompt", "--allow-all", "--no-check", "--fail-fast", "--quiet"];
    const limit = PATIENCE + FACTOR * cost;
    const ended = await runDeno([...args, filter, ...files], { cwd: tree.root, limit });
    if (ended.late) return "hangs";
    if (!ended.success) return "killed";
  }
  return "survives";
}

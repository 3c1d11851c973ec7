/** Finds out which mutants each test reaches, by running all tests once. */

import { runDeno } from "../deno_process.ts";
import type { Recorded } from "./recording.ts";
import { mutantsOf, REACHED, type Tree } from "./tree.ts";

/** A test that passes when no mutant is on. */
export interface Test {
  file: string;
  name: string;
  milliseconds: number;
  mutants: ReadonlySet<string>;
}

/** What takes longer than this is left out, too, in milliseconds: a mutant that hangs takes much more. */
const SLOW = 8_000;
/** How long a file of tests may take, in milliseconds. */
const LIMIT = 300_000;

/** Tests of other rooms, of the project itself and of all rooms together: slow, and find little. */
const LEFT_OUT =
  /^tests\/(?:(?:cli|cli_check|consumer|demo|examples|faults|offline|readme|time_limit)_test|(?:check|interop|parent|runtimes|soak|std|tor|trace|mutation)\/)/;

/** The files of tests, by paths from the root. */
export async function testFiles(root: string, directory = "tests"): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${root}/${directory}`)) {
    const path = `${directory}/${name}`;
    if (isDirectory) files.push(...await testFiles(root, path));
    else if (path.endsWith("_test.ts")) files.push(path);
  }
  return files.filter((file) => !LEFT_OUT.test(file)).sort();
}

/** What V8 writes of a process. */
interface Coverage {
  url: string;
  functions: { functionName: string; ranges: { count: number }[] }[];
}

/** The numbers of the mutants that programs have reached, by what V8 has written of them. */
async function reachedByPrograms(tree: Tree, directory: string): Promise<string[]> {
  const { href } = new URL(`file://${tree.root}/${REACHED}`);
  const mutants: string[] = [];
  const entries = Array.fromAsync(Deno.readDir(directory));
  for (const { name } of await unlessMissing(entries) ?? []) {
    const coverage: Coverage = JSON.parse(await Deno.readTextFile(`${directory}/${name}`));
    if (coverage.url !== href) continue;
    for (const { functionName, ranges } of coverage.functions) {
      if (ranges.some(({ count }) => count > 0)) mutants.push(...mutantsOf(functionName));
    }
  }
  return mutants;
}

async function unlessMissing<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The tests of one file; those that fail without a mutant are named on stderr and left out. */
async function recordFile(tree: Tree, file: string, directory: string): Promise<Test[]> {
  await Deno.mkdir(directory);
  const preload = `--preload=${tree.root}/tests/mutation/recording.ts`;
  const args = ["test", "--no-prompt", "--allow-all", "--no-check", preload, file];
  const env = { PTLIB_RECORDING: directory };
  await runDeno(args, { cwd: tree.root, env, limit: LIMIT });
  const tests: Test[] = [];
  for (let id = 1;; id++) {
    const text = await unlessMissing(Deno.readTextFile(`${directory}/test-${id}.json`));
    if (text === null) break;
    const recorded: Recorded = JSON.parse(text);
    const { name, passed, milliseconds } = recorded;
    const programs = await reachedByPrograms(tree, `${directory}/programs-${id}`);
    if (!passed) console.error(`Fails without a mutant, and is left out: ${name} (${file})`);
    const mutants = new Set([...recorded.mutants, ...recorded.loaded, ...programs]);
    if (passed && milliseconds < SLOW) tests.push({ file, name, milliseconds, mutants });
  }
  await Deno.remove(directory, { recursive: true });
  return tests;
}

/** All tests, or those of files whose paths begin so, with the mutants that they reach. */
export async function recordTests(
  tree: Tree,
  directory: string,
  beginnings: readonly string[],
): Promise<Test[]> {
  await Deno.mkdir(directory);
  const tests: Test[] = [];
  const files = (await testFiles(tree.root))
    .filter((file) => beginnings.length === 0 || beginnings.some((text) => file.startsWith(text)));
  for (const [index, file] of files.entries()) {
    console.error(`Which mutants does it reach? ${index + 1}/${files.length} ${file}`);
    tests.push(...await recordFile(tree, file, `${directory}/${index}`));
  }
  return tests;
}

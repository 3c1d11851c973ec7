/**
 * Records which mutants each test reaches. Loaded by `deno test --preload` in the copy of the
 * project. Programs that a test starts leave V8's coverage in a directory for that test.
 *
 * It writes one {@linkcode Recorded} for each test into the directory PTLIB_RECORDING.
 */

import { coverPrograms } from "../coverage/covered_programs.ts";
import { testDefinition } from "../test_definition.ts";

/** What a test did. */
export interface Recorded {
  name: string;
  passed: boolean;
  milliseconds: number;
  /** The mutants that it reached itself, by number. */
  mutants: string[];
  /** The mutants that loading the file of tests reached. */
  loaded: string[];
}

interface Namespace {
  currentTestId?: string | undefined;
  mutantCoverage?: {
    static: Record<string, number>;
    perTest: Record<string, Record<string, number>>;
  };
}

const directory = Deno.env.get("PTLIB_RECORDING") ?? "";
const scope: { __stryker__?: Namespace } = globalThis as never;
const namespace: Namespace = scope.__stryker__ ??= {};

/** What one test has done, with its number. */
interface Run extends Omit<Recorded, "mutants" | "loaded"> {
  id: number;
}

const runs: Run[] = [];
let current = 0;
const now = performance.now.bind(performance);

function recorded(name: string, fn: Deno.TestDefinition["fn"]): Deno.TestDefinition["fn"] {
  return async (t) => {
    const run: Run = { id: ++current, name, passed: false, milliseconds: 0 };
    runs.push(run);
    namespace.currentTestId = String(run.id);
    const start = now();
    try {
      await fn(t);
      run.passed = true;
    } finally {
      namespace.currentTestId = undefined;
      run.milliseconds = now() - start;
    }
  };
}

/** Only the end of all tests has the permission to write: a test may have none. */
function writeRuns(): void {
  const { perTest = {}, static: atLoading = {} } = namespace.mutantCoverage ?? {};
  const loaded = Object.keys(atLoading);
  for (const { id, ...run } of runs) {
    const recorded: Recorded = { ...run, mutants: Object.keys(perTest[String(id)] ?? {}), loaded };
    Deno.writeTextFileSync(`${directory}/test-${id}.json`, JSON.stringify(recorded));
  }
}

const register = Deno.test;

function test(...args: unknown[]): void {
  const { name, fn, ...rest } = testDefinition(args);
  register({ ...rest, name, fn: recorded(name, fn) });
}

Object.defineProperty(Deno, "test", { value: Object.assign(test, register) });
coverPrograms(() => `${directory}/programs-${current}`);
addEventListener("unload", writeRuns);

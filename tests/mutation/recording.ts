/**
 * Records which mutants each test reaches. Loaded by `deno test --preload` in the copy of the
 * project. Programs that a test starts leave V8's coverage in a directory for that test.
 *
 * It writes one {@linkcode Recorded} for each test into the directory PTLIB_RECORDING.
 */

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

let tests = 0;
let current = 0;
const clock = performance.now.bind(performance);

/** The programs that the current test starts write their coverage where it is found by the test. */
class RecordedCommand extends Deno.Command {
  constructor(command: string | URL, options: Deno.CommandOptions = {}) {
    const env = { ...options.env, DENO_COVERAGE_DIR: `${directory}/programs-${current}` };
    super(command, { ...options, env });
  }
}

const write = Deno.writeTextFileSync;

function record(id: number, test: Omit<Recorded, "mutants" | "loaded">): void {
  const { perTest = {}, static: loaded = {} } = namespace.mutantCoverage ?? {};
  const mutants = Object.keys(perTest[String(id)] ?? {});
  const recorded: Recorded = { ...test, mutants, loaded: Object.keys(loaded) };
  write(`${directory}/test-${id}.json`, JSON.stringify(recorded));
}

function recorded(name: string, fn: Deno.TestDefinition["fn"]): Deno.TestDefinition["fn"] {
  return async (t) => {
    const id = ++tests;
    current = id;
    namespace.currentTestId = String(id);
    const start = clock();
    let passed = false;
    try {
      await fn(t);
      passed = true;
    } finally {
      namespace.currentTestId = undefined;
      record(id, { name, passed, milliseconds: clock() - start });
    }
  };
}

const register = Deno.test;

function test(...args: unknown[]): void {
  const { name, fn, ...rest } = testDefinition(args);
  register({ ...rest, name, fn: recorded(name, fn) });
}

Object.defineProperty(Deno, "test", { value: Object.assign(test, register) });
Object.defineProperty(Deno, "Command", { value: RecordedCommand });

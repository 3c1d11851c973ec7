/**
 * Gives every test a time limit, so that one that hangs fails by itself, with its name. Loaded by
 * `deno test --preload`. It runs in the isolate of each test file before that file does.
 *
 * The variable PTLIB_TEST_LIMIT_MS sets another limit.
 *
 * @module
 */

import { testDefinition } from "./test_definition.ts";

/** How long a test may take, and its file may take to load, in milliseconds. */
const LIMIT = 120_000;
/** The same for the files whose tests start programs by the dozen. */
const SLOW_LIMIT = 300_000;
const SLOW =
  /\/tests\/(check\/check|interop\/check|parent\/leak|tor\/tor|tor\/tor_command|tor\/balanced|cli\/new_command|demo|docs\/shell)_test\.ts:/;

/** Deno reads the place of a test from this property of its function. */
const LOCATION = Symbol.for("Deno.test.location");

const register = Deno.test;

/** Where `Deno.test()` was called: the file of tests, and this file's caller where there is none. */
function callSite(): string | undefined {
  const frames = (new Error().stack ?? "").split("\n").slice(1)
    .map((frame) => /(?:\(|at (?:async )?)([a-z]+:[^()]+:\d+:\d+)\)?$/.exec(frame)?.[1])
    .filter((place) => place !== undefined && !place.startsWith(import.meta.url));
  return frames.find((place) => /_test\.ts:\d+:\d+$/.test(place ?? "")) ?? frames[0];
}

function limitAt(location: string | undefined): number {
  const other = Number(Deno.env.get("PTLIB_TEST_LIMIT_MS") ?? 0);
  return other || (SLOW.test(location ?? "") ? SLOW_LIMIT : LIMIT);
}

/** Ends the file of tests when it takes too long to load. */
function limitLoading(): void {
  const timer = setTimeout(() => {
    console.error(`LOADING TOOK TOO LONG: ${Deno.mainModule}`);
    Deno.exit(1);
  }, limitAt(Deno.mainModule + ":"));
  Deno.unrefTimer(timer);
  register.beforeAll(() => clearTimeout(timer));
}

function test(...args: unknown[]): void {
  const { fn, ...rest } = testDefinition(args);
  const location = callSite();
  const body: typeof fn = (t) => fn(t);
  Object.assign(body, { [LOCATION]: location });
  register({ timeout: limitAt(location), ...rest, fn: body });
}

limitLoading();
Object.defineProperty(Deno, "test", { value: Object.assign(test, register) });

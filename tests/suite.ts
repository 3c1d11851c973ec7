/**
 * The whole suite: `deno task test`. It says what it is about to do and how long that takes, leaves
 * out the tests that are ignored, and tells in the end what was not run and what held.
 *
 * Arguments are files of tests, or other arguments of `deno test`; without any it runs everything.
 *
 * @module
 */

import { stripAnsiCode } from "@std/fmt/colors";
import { LineReader } from "../parent/line_reader.ts";

/** The tests that mostly wait for other programs. The others are run beside them. */
const WAITING = ["tests/tor", "tests/interop", "tests/check", "tests/docs"];

/** What the lines of `deno test` have told. */
class Tally {
  passed = 0;
  /** How many tests were ignored, by the reason in the end of their names. */
  readonly ignored = new Map<string, number>();

  /** Adds what another one has counted. */
  add({ passed, ignored }: Tally): void {
    this.passed += passed;
    for (const [reason, count] of ignored) {
      this.ignored.set(reason, count + (this.ignored.get(reason) ?? 0));
    }
  }

  /** Takes a line, and tells whether a person needs it. */
  take(line: string): boolean {
    const ignored = /(?:\[([^\]]*)\] )?\.\.\. ignored \(\S+\)$/.exec(line);
    if (ignored !== null) {
      const reason = ignored[1] ?? "no reason given";
      this.ignored.set(reason, 1 + (this.ignored.get(reason) ?? 0));
      return false;
    }
    this.passed += Number(/^ok \| (\d+) passed/.exec(line)?.[1] ?? 0);
    return true;
  }
}

/** Runs a task, shows its lines, and adds them up; null where not all of it held. */
async function runTask(
  task: string,
  args: readonly string[],
  show: (line: string) => void = console.log,
): Promise<Tally | null> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", task, ...args],
    env: Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {},
    stdout: "piped",
  }).spawn();
  const tally = new Tally();
  const reader = new LineReader();
  for await (const chunk of child.stdout) {
    for (const line of reader.push(chunk)) {
      if (line !== null && tally.take(stripAnsiCode(line))) show(line);
    }
  }
  return (await child.status).success ? tally : null;
}

/** Runs everything, in two processes side by side; the lines of one come behind those of the other. */
async function runAll(): Promise<(Tally | null)[]> {
  const late: string[] = [];
  let show = (line: string): void => {
    late.push(line);
  };
  const first = runTask("test:all", WAITING).finally(() => {
    late.forEach((line) => console.log(line));
    show = console.log;
  });
  const second = runTask("test:all", [`--ignore=${WAITING}`], (line) => show(line));
  return await Promise.all([first, second]);
}

function begin(part: number, about: string): void {
  console.log(`\nPart ${part} of 2: ${about}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const start = performance.now();
  begin(1, "what needs no permission but the environment (a minute)");
  let tallies = [await runTask("test:env", args)];
  if (!tallies.includes(null)) {
    begin(2, "everything, with programs, networks and tor (15 minutes)");
    // It runs again what the first part did.
    tallies = args.length > 0 ? [await runTask("test:all", args)] : await runAll();
  }
  if (tallies.includes(null)) {
    console.log("Not everything held: the tests that failed are named above.");
    return 1;
  }
  const sum = new Tally();
  for (const tally of tallies) sum.add(tally!);
  for (const [reason, count] of sum.ignored) console.log(`Not run: ${count} [${reason}]`);
  const seconds = Math.round((performance.now() - start) / 1000);
  const time = seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`;
  console.log(`Everything held: ${sum.passed} tests and examples, in ${time}`);
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

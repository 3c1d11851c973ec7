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

interface Part {
  task: string;
  about: string;
}

const PARTS: readonly Part[] = [
  { task: "test:env", about: "what needs no permission but the environment (a minute)" },
  { task: "test:all", about: "everything, with programs, networks and tor (20 minutes)" },
];

/** What the lines of `deno test` have told. */
class Tally {
  passed = 0;
  /** How many tests were ignored, by the reason in the end of their names. */
  readonly ignored = new Map<string, number>();

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

/** Runs a part, shows its lines, and adds them up; null where not all of it held. */
async function runPart({ task }: Part, args: readonly string[]): Promise<Tally | null> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", task, ...args],
    env: Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {},
    stdout: "piped",
  }).spawn();
  const tally = new Tally();
  const reader = new LineReader();
  for await (const chunk of child.stdout) {
    for (const line of reader.push(chunk)) {
      if (line !== null && tally.take(stripAnsiCode(line))) console.log(line);
    }
  }
  return (await child.status).success ? tally : null;
}

async function main(args: readonly string[]): Promise<number> {
  const start = performance.now();
  let tally: Tally | null = null;
  for (const [index, part] of PARTS.entries()) {
    console.log(`\nPart ${index + 1} of ${PARTS.length}: ${part.about}\n`);
    tally = await runPart(part, args);
    if (tally === null) {
      console.log("Not everything held: the tests that failed are named above.");
      return 1;
    }
  }
  // The last part has run what the others did, and more.
  const { passed = 0, ignored = new Map() } = tally ?? {};
  for (const [reason, count] of ignored) console.log(`Not run: ${count} [${reason}]`);
  const seconds = Math.round((performance.now() - start) / 1000);
  const time = seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`;
  console.log(`Everything held: ${passed} tests and examples, in ${time}`);
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

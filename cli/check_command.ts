/**
 * `ptlib check`: tells how good a pluggable transport a program is.
 *
 * @module
 */

import { CannotCheckError } from "../check/cannot_check_error.ts";
import { check, type CheckOptions, type CheckResult } from "../check/check.ts";
import { showByHand } from "./check_by_hand.ts";
import { JsonReport } from "./check_json.ts";
import {
  byHandCommand,
  OPTIONS,
  readByHand,
  readChoice,
  readOptions,
  text,
} from "./check_options.ts";
import { Progress } from "./check_progress.ts";
import {
  countOf,
  description,
  failuresByLevel,
  NOT_CHECKED,
  recap,
  report,
  reportAgain,
  statusOf,
  toldBy,
  whyNothingCarried,
} from "./check_report.ts";
import { type Command, type OptionValues, splitArguments, UsageError } from "./command.ts";
import { explain } from "./explain.ts";
import { foldLines } from "./fold.ts";
import { OutputError, writeOutput } from "./output_file.ts";
import { transportsOf } from "./program_transports.ts";
import { junit } from "./junit.ts";
import { Interrupt } from "./supervise.ts";
import { complain, flush, harmless, note, painter, print } from "./terminal.ts";

const HELP = `Usage: ptlib check [OPTION]... -- PROGRAM...

Starts a program the way tor does, again and again, and tells which rules of the
specifications it keeps, one line each. It asks the program for connections to
loopback only; a transport that connects elsewhere on its own is not held back.
Two checks are about other addresses. They are made in a network namespace that
has no way out, on Linux with unshare and ip.

  --transport NAME  the transport, such as obfs4; without it, the program is
                    asked by its option --capabilities, which every program
                    built on ptlib's run() has
  --client          check it as a client only
  --server          check it as a server only; without either, it is checked as
                    both, as far as it is both
  --beside NAME     another transport of the program, which is started together with
                    the first one
  --peer 'COMMAND'  the program that is the other half, for a transport that
                    changes the bytes and comes as two programs; its words are
                    separated by spaces
  --option K=V      an option of the server half, of the program's and the peer's;
                    may come several times
  --args 'K=V;K=V'  arguments of every connection, beside those that the server
                    half publishes
  --env NAME        passes a variable on to the programs, which get few; may come
                    several times
  --patience S      how many seconds anything may take, 10 without it
  --only PATTERN    only checks that match a regular expression, such as
                    'client/socks' or 'ext-.*cookie'
  --by-hand CHECK   makes one check, such as client/proxy-http, and keeps its other
                    side running until Ctrl-C: proxies, the Extended ORPort,
                    targets, the other half. It prints the command that starts the
                    program the same way in another terminal, and what arrives
  --list            lists the checks, and makes none
  --failures        prints no line for a check that passes or is skipped
  --json            one JSON object for machines, a line a check as it is made
  --junit FILE      writes the results as JUnit XML, too, for services that build; until
                    the end the file says that there are none
  --program 'COMMAND'  the program in one word, in place of -- PROGRAM, so that
                    options may come behind it, as behind deno task check
  -- PROGRAM...     the program that has the transport, and its arguments

A failure counts as MUST (the specification demands it, or tor breaks), SHOULD
(the specification recommends it), robustness (real life does) or extra (no tor
does it). What fails for one cause is told once; the rest of it says "as" which.

Status 0: no MUST failed. Status 1: one did. Status 2: the command line is wrong.
Status 3: not enough could be checked, or the checker failed.

Example: ptlib check --transport obfs4 -- obfs4proxy`;

/** Prints the checks that there are. */
function list(values: OptionValues): number {
  for (const check of readChoice(values).chosen) print(description(check));
  return 0;
}

/** Who is told of each result as it comes, and of what they come to. */
interface Reporter {
  tell(result: CheckResult, before: readonly CheckResult[]): void;
  /** `problem` is what ended the checks before the last. */
  end(results: readonly CheckResult[], problem: string | null): void | Promise<void>;
}

/** Lines for people. */
function forPeople(
  values: OptionValues,
  transport: string,
  program: readonly string[],
): Reporter {
  const paint = painter(Deno.stdout);
  const brief = values["failures"] === true;
  const byHand = (result: CheckResult) =>
    result.outcome === "failed" && !result.attended
      ? result.byHand
      : byHandCommand(result, values, transport, program);
  return {
    tell(result, before) {
      if (brief && ["ok", "skipped"].includes(result.outcome)) return;
      const known = toldBy(result, before);
      print(
        known === undefined ? report(result, paint, byHand) : reportAgain(result, known, paint),
      );
    },
    end(results, problem) {
      if (problem !== null) return;
      for (const line of recap(results)) print(line);
      const { passed, failed } = countOf(results);
      print(`${passed} passed, ${failed} failed${failuresByLevel(results)}`);
    },
  };
}

/** An object for machines. It starts with the first result: there is none of what is no transport. */
function forMachines(transport: string, program: readonly string[]): Reporter {
  let json: JsonReport | null = null;
  return {
    tell(result) {
      (json ??= new JsonReport(program, transport)).add(result);
    },
    end(results, problem) {
      if (problem === null || json !== null) {
        (json ??= new JsonReport(program, transport)).end(results, problem);
      }
    },
  };
}

/**
 * JUnit XML, once they are made. Until then the file says that they are not, which a crash leaves; and
 * nobody waits for results that cannot be written.
 */
async function intoFile(file: string, transport: string): Promise<Reporter> {
  const write = (results: readonly CheckResult[], problem: string | null) =>
    writeOutput(file, junit(transport, results, problem));
  try {
    await write([], "the checks have not come to their end");
  } catch (cause) {
    if (!(cause instanceof OutputError)) throw cause;
    throw new UsageError(`--junit names no file that can be written: ${cause.message}`, { cause });
  }
  return { tell() {}, end: write };
}

/** All who are told. */
async function reportersOf(
  values: OptionValues,
  transport: string,
  program: readonly string[],
): Promise<Reporter[]> {
  const file = text(values, "junit");
  return [
    ...file === undefined ? [] : [await intoFile(file, transport)],
    values["json"] === true
      ? forMachines(transport, program)
      : forPeople(values, transport, program),
  ];
}

/** Makes the checks and tells of each as it comes. */
async function makeChecks(
  program: readonly string[],
  options: CheckOptions,
  progress: Progress,
  reporters: readonly Reporter[],
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  try {
    for await (const result of check(program, options)) {
      progress.clear();
      for (const reporter of reporters) reporter.tell(result, results);
      results.push(result);
      progress.after(result);
    }
  } catch (error) {
    progress.clear();
    const problem = error instanceof Error ? error.message : String(error);
    for (const reporter of reporters) await reporter.end(results, problem);
    throw error;
  }
  progress.clear();
  return results;
}

/** Why nothing could be checked, and which names the program has where it can tell; null for a bug. */
async function whyUnfit(error: unknown, program: readonly string[]): Promise<string | null> {
  if (!(error instanceof CannotCheckError)) {
    return error instanceof Deno.errors.NotFound ? explain(error) : null;
  }
  // What is no transport cannot tell, and would be waited for.
  const names = error.spoke ? await transportsOf(program) : [];
  const has = names.length === 0 ? "" : `; the transports that it has: ${names.join(", ")}`;
  return `${harmless(error.message)}${has}`;
}

/** Does something that an interrupt ends, and that a program may not be fit for. */
async function withProgram(
  program: readonly string[],
  use: (interrupt: Interrupt) => Promise<number>,
): Promise<number> {
  const interrupt = new Interrupt();
  try {
    return await use(interrupt);
  } catch (error) {
    if (interrupt.signal.aborted) return 1;
    const why = await whyUnfit(error, program);
    if (why === null) throw error;
    complain(foldLines(`ptlib check: ${why}`));
    return NOT_CHECKED;
  } finally {
    interrupt[Symbol.dispose]();
  }
}

async function checkAll(
  program: readonly string[],
  options: CheckOptions,
  values: OptionValues,
): Promise<number> {
  const { transport } = options;
  const reporters = await reportersOf(values, transport, program);
  const started = Date.now();
  note(`checking the transport ${transport} of ${harmless(program.join(" "))} ...`);
  return await withProgram(program, async ({ signal }) => {
    const progress = new Progress(readChoice(values).chosen);
    const results = await makeChecks(program, { ...options, signal }, progress, reporters)
      .finally(() => progress[Symbol.dispose]());
    const count = countOf(results);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    const errors = count.errors === 0 ? "" : `, ${count.errors} errors of the checker`;
    note(`that took ${seconds} s; ${count.skipped} skipped${errors}`);
    for (const line of whyNothingCarried(results)) note(line);
    await flush(); // The last line of all is the verdict, on a terminal too.
    for (const reporter of reporters) await reporter.end(results, null);
    return statusOf(results);
  });
}

async function run(args: readonly string[]): Promise<number> {
  const { values, program } = splitArguments(args, OPTIONS);
  if (values["list"] === true) return list(values);
  const shown = readByHand(values);
  const options = await readOptions(values, program);
  if (shown === null) return await checkAll(program, options, values);
  return await withProgram(program, (interrupt) => showByHand(program, options, shown, interrupt));
}

/** The command `ptlib check`. */
export const checkCommand: Command = {
  summary: "tells how good a pluggable transport a program is",
  help: HELP,
  run,
};

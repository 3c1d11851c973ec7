/**
 * `ptlib check`: tells how good a pluggable transport a program is.
 *
 * @module
 */

import { check, type CheckOptions, type CheckResult, checks } from "../check/check.ts";
import { type Command, type OptionValues, splitArguments, UsageError } from "./command.ts";
import { chooseTransport } from "./program_transports.ts";
import { Interrupt } from "./supervise.ts";
import { harmless, note, painter, print } from "./terminal.ts";

const OPTIONS = {
  client: { type: "boolean" },
  server: { type: "boolean" },
  transport: { type: "string" },
  peer: { type: "string" },
  only: { type: "string" },
  json: { type: "boolean" },
} as const;

const HELP = `Usage: ptlib check [OPTION]... -- PROGRAM...

Starts a program the way tor does, again and again, and tells which rules of the
specifications it keeps, one line each. It asks the program for connections to
loopback only; a transport that connects elsewhere on its own is not held back.

  --transport NAME  the transport, such as obfs4; without it, the program is
                    asked by its option --capabilities, which every program
                    built on ptlib's run() has
  --client          check it as a client only
  --server          check it as a server only; without either, it is checked as
                    both, as far as it is both
  --peer 'COMMAND'  the program that is the other half, for a transport that
                    changes the bytes and comes as two programs; its words are
                    separated by spaces
  --only PATTERN    only checks that match a regular expression, such as
                    'client/socks' or 'ext-.*cookie'
  --json            one JSON object for machines
  -- PROGRAM...     the program that has the transport, and its arguments

A failure counts as MUST (the specification demands it), SHOULD (it recommends
it) or robustness (real life does). Status 0: no MUST failed. Status 1: one did.

Example: ptlib check --transport obfs4 -- obfs4proxy`;

const MARKS = { ok: "ok  ", failed: "FAIL", skipped: "skip" } as const;
const STYLES = { ok: "green", failed: "red", skipped: "yellow" } as const;
const [ID_WIDTH, LEVEL_WIDTH, SECTION_WIDTH] = [32, 10, 21];

/** The number of results of each kind. */
interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

function readPattern(text: string | undefined): RegExp | undefined {
  if (text === undefined) return undefined;
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new UsageError(`--only is no regular expression: ${text}`, { cause });
  }
}

function text(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

async function readOptions(
  values: OptionValues,
  program: readonly string[],
): Promise<CheckOptions> {
  if (program.length === 0) throw new UsageError("there is no program after --");
  if (values["client"] === true && values["server"] === true) {
    throw new UsageError("--client and --server exclude each other; without either, both count");
  }
  const role = values["client"] === true
    ? "client"
    : values["server"] === true
    ? "server"
    : undefined;
  const only = readPattern(text(values, "only"));
  const matches = checks.some((check) =>
    (role ?? check.role) === check.role && only?.test(`${check.role}/${check.id}`) !== false
  );
  if (!matches) throw new UsageError("no check matches --only");
  return {
    transport: await chooseTransport(text(values, "transport"), program),
    role,
    peer: text(values, "peer")?.split(" ").filter((word) => word !== ""),
    only,
  };
}

/** One line for a check, and for one that failed what to know about it. */
function report(result: CheckResult, paint: ReturnType<typeof painter>): string {
  const columns = [
    paint(STYLES[result.outcome], MARKS[result.outcome]),
    `${result.role}/${result.id}`.padEnd(ID_WIDTH),
    result.level.padEnd(LEVEL_WIDTH),
    result.section.padEnd(SECTION_WIDTH),
    result.title,
  ];
  const line = columns.join(" ");
  if (result.outcome === "ok") return line;
  if (result.outcome === "skipped") {
    return `${line} ${paint("dim", `(${harmless(result.reason)})`)}`;
  }
  return [
    line,
    `       expected: ${harmless(result.expected)}`,
    `       got:      ${harmless(result.got)}`,
    `       by hand:  ${harmless(result.byHand)}`,
  ].join("\n");
}

function countOf(results: readonly CheckResult[]): Count {
  const number = (outcome: CheckResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).length;
  return { passed: number("ok"), failed: number("failed"), skipped: number("skipped") };
}

/** Makes the checks and tells of each as it comes. */
async function makeChecks(
  program: readonly string[],
  options: CheckOptions,
  tell: (result: CheckResult) => void,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for await (const result of check(program, options)) {
    results.push(result);
    tell(result);
  }
  return results;
}

async function run(args: readonly string[]): Promise<number> {
  const { values, program } = splitArguments(args, OPTIONS);
  const options = await readOptions(values, program);
  const json = values["json"] === true;
  const paint = painter(Deno.stdout);
  const [started, { transport }] = [Date.now(), options];
  const interrupt = new Interrupt();
  note(`checking the transport ${transport} of ${program.join(" ")} ...`);
  let results: CheckResult[];
  try {
    results = await makeChecks(
      program,
      { ...options, signal: interrupt.signal },
      (result) => json || print(report(result, paint)),
    );
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    return 1;
  } finally {
    interrupt[Symbol.dispose]();
  }
  const count = countOf(results);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  note(`that took ${seconds} s; ${count.skipped} skipped`);
  const document = { command: program, transport, ...count, checks: results };
  print(
    json ? JSON.stringify(document, null, 2) : `${count.passed} passed, ${count.failed} failed`,
  );
  return results.some(({ outcome, level }) => outcome === "failed" && level === "MUST") ? 1 : 0;
}

/** The command `ptlib check`. */
export const checkCommand: Command = {
  summary: "tells how good a pluggable transport a program is",
  help: HELP,
  run,
};

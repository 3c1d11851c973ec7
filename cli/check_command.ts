/**
 * `ptlib check`: tells how good a pluggable transport a program is.
 *
 * @module
 */

import { parseSocksArgs } from "../args.ts";
import { CannotCheckError } from "../check/cannot_check_error.ts";
import {
  check,
  type CheckInfo,
  type CheckOptions,
  type CheckResult,
  checks,
} from "../check/check.ts";
import {
  carriedNothing,
  columns,
  countOf,
  failuresByLevel,
  NOT_CHECKED,
  report,
  statusOf,
} from "./check_report.ts";
import {
  type Command,
  type OptionValues,
  parseTransportName,
  splitArguments,
  UsageError,
} from "./command.ts";
import { transportsOf } from "./program_transports.ts";
import { junit } from "./junit.ts";
import { Interrupt } from "./supervise.ts";
import { complain, harmless, note, painter, print } from "./terminal.ts";

const OPTIONS = {
  client: { type: "boolean" },
  server: { type: "boolean" },
  transport: { type: "string" },
  peer: { type: "string" },
  option: { type: "string", multiple: true },
  args: { type: "string" },
  env: { type: "string", multiple: true },
  patience: { type: "string" },
  only: { type: "string" },
  list: { type: "boolean" },
  failures: { type: "boolean" },
  json: { type: "boolean" },
  junit: { type: "string" },
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
  --option K=V      an option of the server half, of the program's and the peer's;
                    may come several times
  --args 'K=V;K=V'  arguments of every connection, beside those that the server
                    half publishes
  --env NAME        passes a variable on to the programs, which get few; may come
                    several times
  --patience S      how many seconds anything may take, 10 without it
  --only PATTERN    only checks that match a regular expression, such as
                    'client/socks' or 'ext-.*cookie'
  --list            lists the checks, and makes none
  --failures        prints no line for a check that passes or is skipped
  --json            one JSON object for machines
  --junit FILE      writes the results as JUnit XML, too, for services that build
  -- PROGRAM...     the program that has the transport, and its arguments

A failure counts as MUST (the specification demands it, or tor breaks), SHOULD
(the specification recommends it), robustness (real life does) or extra (no tor
does it).

Status 0: no MUST failed. Status 1: one did. Status 2: the command line is wrong.
Status 3: not enough could be checked, or the checker failed.

Example: ptlib check --transport obfs4 -- obfs4proxy`;

/** The longest patience, in seconds. */
const LONGEST_PATIENCE = 600;

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

function texts(values: OptionValues, name: string): string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((text) => typeof text === "string") : [];
}

function readOption(text: string): [string, string] {
  const end = text.indexOf("=");
  if (end < 1) throw new UsageError(`--option is not K=V: ${text}`);
  return [text.slice(0, end), text.slice(end + 1)];
}

function readArguments(text: string): Iterable<[string, string]> {
  if (text === "") return [];
  try {
    return parseSocksArgs(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UsageError(`--args is malformed: ${cause.message}`, { cause });
  }
}

function readVariable(name: string): string {
  const value = Deno.env.get(name);
  if (value === undefined) throw new UsageError(`--env names a variable that is not set: ${name}`);
  return value;
}

/** Seconds, as milliseconds. */
function readPatience(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (seconds > 0 && seconds <= LONGEST_PATIENCE) return seconds * 1000;
  throw new UsageError(`--patience is no number of seconds up to ${LONGEST_PATIENCE}: ${text}`);
}

/** The transport to check: the one that is named, or the only one that the program has. */
async function readTransport(name: string | undefined, program: readonly string[]) {
  if (name === undefined) {
    const [only, ...more] = await transportsOf(program);
    if (only !== undefined && more.length === 0) return only;
    const choice = only === undefined ? "such as obfs4" : `one of ${[only, ...more].join(", ")}`;
    throw new UsageError(`--transport NAME is missing: the transport to check, ${choice}`);
  }
  try {
    return parseTransportName(name);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UsageError(`--transport is malformed: ${cause.message}`, { cause });
  }
}

/** Which checks are wanted. */
interface Choice {
  role: "client" | "server" | undefined;
  only: RegExp | undefined;
  chosen: CheckInfo[];
}

function readChoice(values: OptionValues): Choice {
  const [client, server] = [values["client"] === true, values["server"] === true];
  if (client && server) {
    throw new UsageError("--client and --server exclude each other; without either, both count");
  }
  const role = client ? "client" : server ? "server" : undefined;
  const only = readPattern(text(values, "only"));
  const chosen = checks.filter((check) =>
    (role ?? check.role) === check.role && only?.test(`${check.role}/${check.id}`) !== false
  );
  if (chosen.length === 0) throw new UsageError("no check matches --only");
  return { role, only, chosen };
}

/** Prints the checks that there are. */
function list(values: OptionValues): number {
  for (const check of readChoice(values).chosen) print(columns("", check));
  return 0;
}

async function readOptions(
  values: OptionValues,
  program: readonly string[],
): Promise<CheckOptions> {
  if (program.length === 0) throw new UsageError("there is no program after --");
  const { role, only } = readChoice(values);
  return {
    transport: await readTransport(text(values, "transport"), program),
    role,
    peer: text(values, "peer")?.split(" ").filter((word) => word !== ""),
    serverOptions: texts(values, "option").map(readOption),
    args: readArguments(text(values, "args") ?? ""),
    env: Object.fromEntries(texts(values, "env").map((name) => [name, readVariable(name)])),
    timeout: readPatience(text(values, "patience")),
    only,
  };
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

/** Why nothing could be checked, and which names the program has where it can tell. */
async function explain({ message }: Error, program: readonly string[]): Promise<string> {
  const names = await transportsOf(program);
  const has = names.length === 0 ? "" : `; the transports that it has: ${names.join(", ")}`;
  return `ptlib check: ${harmless(message)}${has}`;
}

async function run(args: readonly string[]): Promise<number> {
  const { values, program } = splitArguments(args, OPTIONS);
  if (values["list"] === true) return list(values);
  const options = await readOptions(values, program);
  const json = values["json"] === true;
  const brief = values["failures"] === true;
  const paint = painter(Deno.stdout);
  const [started, { transport }] = [Date.now(), options];
  const interrupt = new Interrupt();
  note(`checking the transport ${transport} of ${program.join(" ")} ...`);
  let results: CheckResult[];
  try {
    results = await makeChecks(
      program,
      { ...options, signal: interrupt.signal },
      (result) => {
        if (json || (brief && ["ok", "skipped"].includes(result.outcome))) return;
        print(report(result, paint));
      },
    );
  } catch (error) {
    if (interrupt.signal.aborted) return 1;
    if (!(error instanceof CannotCheckError)) throw error;
    complain(await explain(error, program));
    return NOT_CHECKED;
  } finally {
    interrupt[Symbol.dispose]();
  }
  const count = countOf(results);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const errors = count.errors === 0 ? "" : `, ${count.errors} errors of the checker`;
  note(`that took ${seconds} s; ${count.skipped} skipped${errors}`);
  if (carriedNothing(results)) {
    note("no connection through the program could be judged: see why relay-bytes was skipped");
  }
  const file = text(values, "junit");
  if (file !== undefined) await Deno.writeTextFile(file, junit(transport, results));
  const document = { command: program, transport, ...count, checks: results };
  print(
    json
      ? JSON.stringify(document, null, 2)
      : `${count.passed} passed, ${count.failed} failed${failuresByLevel(results)}`,
  );
  return statusOf(results, count);
}

/** The command `ptlib check`. */
export const checkCommand: Command = {
  summary: "tells how good a pluggable transport a program is",
  help: HELP,
  run,
};

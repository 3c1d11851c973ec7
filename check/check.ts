/**
 * Checks whether a program is a good pluggable transport: every rule of pt-spec, ext-orport-spec
 * and SOCKS5 that a parent or a peer can see from outside, one check each.
 *
 * @module
 */

import { formatServerOptions, formatSocksArgs } from "../args.ts";
import { CannotCheckError } from "./cannot_check_error.ts";
import { type PlainStart, SharedPrograms, type Subject } from "./fixture.ts";
import { catalogue, nameOf, type Task } from "./catalogue.ts";
import { judgeElsewhere } from "./elsewhere.ts";
import { findRole, firstWordWithin, hurried } from "./find_role.ts";
import { runCheck } from "./run_check.ts";
import { type Level, ofRole, type Role, type Verdict } from "./verdict.ts";

export type { Level, Verdict } from "./verdict.ts";

/**
 * A check: a statement that holds for a good program.
 *
 * @example
 * ```ts
 * import { checks, type CheckInfo } from "@ptlib/ptlib/check";
 *
 * const demands = (check: CheckInfo) => check.level === "MUST";
 * if (!checks.some(demands)) throw new Error();
 * ```
 */
export interface CheckInfo {
  /** A short name; with `role` it is unique. */
  readonly id: string;
  /** The half that is checked. */
  readonly role: "client" | "server";
  /** The statement. */
  readonly title: string;
  /** Where it is written, such as `pt-spec 3.3.1`. */
  readonly section: string;
  /** How much a failure matters. */
  readonly level: Level;
}

/**
 * A check and what came of it.
 *
 * @example
 * ```ts
 * import type { CheckResult } from "@ptlib/ptlib/check";
 *
 * const breaksTheSpec = (result: CheckResult) =>
 *   result.outcome === "failed" && result.level === "MUST";
 * ```
 */
export type CheckResult = CheckInfo & Verdict;

/**
 * What to check, and how.
 *
 * @example
 * ```ts
 * import type { CheckOptions } from "@ptlib/ptlib/check";
 *
 * const socksOnly: CheckOptions = { transport: "obfs4", role: "client", only: /socks/ };
 * ```
 */
export interface CheckOptions {
  /** The transport's name. */
  transport: string;
  /** The name of another transport of the program, to be started together with the first. */
  beside?: string | undefined;
  /** The half to check; default: both, if the program supports both. */
  role?: "client" | "server" | undefined;
  /**
   * The command of the other half, for a transport that changes the bytes and whose program is
   * only one half.
   */
  peer?: readonly string[] | undefined;
  /** Options of the server half, such as a key. */
  serverOptions?: Iterable<readonly [string, string]> | undefined;
  /** Arguments of every connection to the client half, beside those that the server publishes. */
  args?: Iterable<readonly [string, string]> | undefined;
  /** Variables that the programs need, beside those of pt-spec. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Only checks whose `role/id` this matches. */
  only?: RegExp | undefined;
  /** The longest wait for anything, in milliseconds, 10,000 where it is left out. */
  timeout?: number | undefined;
  /** Ends it: programs that run are killed, and the iteration throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

const TIMEOUT = 10_000;
const SIDE_BY_SIDE = 4;

function infoOf({ check, role }: Task): CheckInfo {
  return {
    id: check.id,
    role,
    title: check.title,
    section: ofRole(check.section, role),
    level: ofRole(check.level, role),
  };
}

/**
 * Every check there is.
 *
 * @example
 * ```ts
 * import { checks } from "@ptlib/ptlib/check";
 *
 * const about = checks.filter(({ role, section }) => role === "client" && section === "RFC 1929 2");
 * if (about.length === 0) throw new Error();
 * ```
 */
export const checks: readonly CheckInfo[] = catalogue.map(infoOf);

/** Which halves are checked, with which commands, and why a half is not. */
export interface Plan {
  readonly subject: Subject;
  readonly roles: readonly Role[];
  readonly skipped: readonly CheckResult[];
}

function other(role: Role): Role {
  return role === "client" ? "server" : "client";
}

/** Stops where a program cannot be checked as any of some halves. */
function checkUsable(starts: readonly PlainStart[], timeout: number): void {
  const [first] = starts;
  if (first !== undefined && starts.every(({ spoke }) => !spoke)) {
    const how = starts.every(({ ended }) => ended)
      ? `ends without a word of the protocol: ${first.output}`
      : `says nothing of the protocol within ${firstWordWithin(timeout) / 1000} s: ` +
        `${first.output}. If it starts slowly, give it longer by --patience`;
    throw new CannotCheckError(`The program ${how}`, false);
  }
  const refusals = starts.map(({ refusal }) => refusal).filter((refusal) => refusal !== null);
  if (refusals.length === starts.length) {
    throw new CannotCheckError(capital(refusals.join("; ")), true);
  }
}

function capital(sentence: string): string {
  return sentence.slice(0, 1).toUpperCase() + sentence.slice(1);
}

/** Finds out which halves of a program can be checked, and how. */
export async function plan(
  command: readonly string[],
  options: CheckOptions,
  directory: string,
  signal: AbortSignal,
): Promise<Plan> {
  const { transport, role, peer, timeout = TIMEOUT, serverOptions = [], args = [] } = options;
  const alone: Subject = {
    transport,
    beside: options.beside ?? null,
    commands: { client: command, server: command },
    plain: {},
    options: formatServerOptions({ [transport]: serverOptions }),
    args: formatSocksArgs(args),
    variables: options.env ?? {},
    directory,
    timeout,
    signal,
  };
  const finding = [findRole(alone, "client"), findRole(alone, "server")] as const;
  await Promise.allSettled(finding);
  const [client, server] = [await finding[0], await finding[1]];
  const found = { client, server };
  const both = ["client", "server"] as const;
  const possible = both.filter((half) => found[half].refusal === null);
  const roles = role !== undefined ? [role] : possible;
  checkUsable(role === undefined ? [client, server] : [found[role]], timeout);
  const commands: Partial<Record<Role, readonly string[]>> = {};
  for (const half of roles) commands[half] = command;
  for (const half of roles.map(other)) {
    const counterpart = commands[half] ?? peer ?? (found[half].started ? command : undefined);
    if (counterpart !== undefined) commands[half] = counterpart;
  }
  const left = role !== undefined ? [] : both.filter((half) => !roles.includes(half));
  const skipped = left.map((half): CheckResult => ({
    id: "half",
    role: half,
    title: `is a ${half} too`,
    section: "pt-spec 2",
    level: "robustness",
    outcome: "skipped",
    reason: found[half].refusal ?? "",
    said: [],
    otherSaid: [],
  }));
  return { subject: { ...alone, commands, plain: found }, roles, skipped };
}

/** The subject for the checks of one half, none of which waits for a start that has no end. */
function subjectFor(role: Role, subject: Subject): Subject {
  const hangs = (half: Role) => subject.plain[half]?.done === false;
  const { client, server } = subject.commands;
  const own = hangs(role) ? hurried(subject) : subject;
  const without = hangs(other(role)) && client === server;
  return without ? { ...own, commands: { [role]: subject.commands[role] } } : own;
}

/** Makes some checks side by side; the results come in their order. */
async function* runAll(
  subject: Subject,
  tasks: readonly Task[],
  stop: AbortController,
): AsyncGenerator<CheckResult> {
  stop.signal.throwIfAborted();
  const shared = new SharedPrograms();
  const elsewhere = tasks.filter(({ check }) => check.ownNetwork);
  let madeElsewhere: ReturnType<typeof judgeElsewhere> | undefined;
  const subjects = { client: subjectFor("client", subject), server: subjectFor("server", subject) };
  const verdictOf = async (task: Task): Promise<Verdict> => {
    if (!task.check.ownNetwork) return await runCheck(subjects[task.role], shared, task);
    const verdicts = await (madeElsewhere ??= judgeElsewhere(subject, elsewhere));
    return verdicts.get(nameOf(task)) ?? { outcome: "error", problem: "There is no verdict" };
  };
  const results = tasks.map(() => Promise.withResolvers<CheckResult>());
  let next = 0;
  const work = async () => {
    while (!stop.signal.aborted) {
      const [task, result] = [tasks[next], results[next]];
      next++;
      if (task === undefined || result === undefined) return;
      result.resolve({ ...infoOf(task), ...await verdictOf(task) });
    }
  };
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {}); // Nobody may be waiting.
  stop.signal.addEventListener("abort", () => aborted.reject(stop.signal.reason));
  const workers = Array.from({ length: SIDE_BY_SIDE }, work);
  try {
    for (const { promise } of results) yield await Promise.race([promise, aborted.promise]);
  } finally {
    stop.abort();
    await Promise.all(workers);
    await shared[Symbol.asyncDispose]();
  }
}

/**
 * Checks a program. It is started many times; when the iteration is over, all these processes have
 * ended. It is asked to connect to loopback only, but a transport that connects elsewhere by itself
 * is not prevented from it. Checks that take more than loopback are made in a network namespace,
 * which has no way out; where Linux does not give one, or `--allow-run` has no `unshare`, they are
 * skipped.
 *
 * A transport that carries bytes as they are is checked alone. Any other is checked against its
 * other half: the same program where it is both, or `peer`.
 *
 * @param command The program and its arguments.
 * @param options The transport's name, and what to check.
 * @returns The results, in the order of {@linkcode checks}, each as soon as possible.
 * @throws {Deno.errors.NotFound} When there is no such program.
 * @throws {CannotCheckError} When it is no transport, or has none of that name, or does not start.
 *
 * @example
 * ```ts
 * import { check } from "@ptlib/ptlib/check";
 *
 * async function breaksTheSpec(command: string[], transport: string): Promise<boolean> {
 *   for await (const result of check(command, { transport })) {
 *     if (result.outcome === "failed" && result.level === "MUST") return true;
 *   }
 *   return false;
 * }
 * ```
 */
export async function* check(
  command: readonly string[],
  options: CheckOptions,
): AsyncGenerator<CheckResult, void> {
  const { only, signal } = options;
  signal?.throwIfAborted();
  const directory = await Deno.makeTempDir({ prefix: "check-" });
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    const { subject, roles, skipped } = await plan(command, options, directory, stop.signal)
      .finally(() => signal?.throwIfAborted());
    yield* skipped;
    // Unlike `test()`, `search()` does not go on where it last was, whatever the flags.
    const tasks = catalogue.filter(({ check, role }) =>
      roles.includes(role) && (only === undefined || nameOf({ check, role }).search(only) !== -1)
    );
    yield* runAll(subject, tasks, stop);
  } finally {
    signal?.removeEventListener("abort", abort);
    stop.abort();
    // It may be gone: the programs of others may do what they want with it.
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
}

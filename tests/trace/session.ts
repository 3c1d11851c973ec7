/** Takes one program with one proxy through all failures, and reads what it has done meanwhile. */

import type { Address } from "../../address.ts";
import { closeQuietly, writeAll } from "../../net/conn.ts";
import { bytes } from "../net/scripted_peer.ts";
import { type Failure, failuresOf, type Outcome, REFUSES } from "./failures.ts";
import { judge, listenersOf, type Rules, type Seen, splitByUser } from "./judge.ts";
import type { Program } from "./programs.ts";
import { proxyInfo, type ProxyKind } from "./proxy_kinds.ts";
import { ScriptedProxy } from "./scripted_proxy.ts";
import type { Service } from "./services.ts";
import { start, type Started } from "./start.ts";
import { parseTrace, place } from "./system_calls.ts";
import { ALL_TARGETS, LABEL, type Target, TARGETS } from "./targets.ts";

/** What was seen while one thing happened. */
export interface Row {
  program: string;
  failure: string;
  /** Null for the start, before anybody has asked for a target. */
  target: Target | null;
  /** What the user got, and what the proxy was asked for, where that is wrong. */
  wrong: string[];
  seen: Seen;
}

/** What a session is made of. */
export interface Plan {
  program: Program;
  proxy: ProxyKind;
  /** Which of all failures are played; behind them the proxy refuses. */
  wanted(failure: Failure): boolean;
  /** The source address of the program, which is one of this machine's; null for none. */
  source: string | null;
}

/** Longer than the way to a target may take, for programs that are broken. */
const LONGEST_ATTEMPT = 100_000;

const PAYLOAD = bytes("there and back");

/** One user's attempt. */
interface Attempt {
  failure: Failure | null;
  target: Target;
  wrong: string[];
}

/** Sends something there and receives it back, and then the end. */
async function use(
  conn: Deno.TcpConn,
  carried: () => void,
  signal: AbortSignal,
): Promise<Outcome> {
  const close = () => closeQuietly(conn);
  signal.addEventListener("abort", close);
  const into = new Uint8Array(64);
  let count = 0;
  try {
    await writeAll(conn, PAYLOAD);
    while (count < PAYLOAD.length) {
      const length = await conn.read(into);
      if (length === null) return count === 0 ? "refused" : "cut";
      count += length;
    }
    carried();
    await conn.closeWrite();
    return await conn.read(into) === null ? "carried" : "cut";
  } catch {
    return count === 0 ? "refused" : "cut";
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

class Session {
  readonly #started: Started;
  readonly #service: Service;
  readonly #proxy: ScriptedProxy;
  readonly #signal: AbortSignal;
  readonly attempts: Attempt[] = [];

  constructor(started: Started, service: Service, proxy: ScriptedProxy, signal: AbortSignal) {
    this.#started = started;
    this.#service = service;
    this.#proxy = proxy;
    this.#signal = signal;
  }

  /** Has a user ask for a target while the proxy does something; `begun` when it has been asked. */
  attempt(failure: Failure | null, target: Target): { begun: Promise<void>; done: Promise<void> } {
    this.#signal.throwIfAborted();
    const attempt: Attempt = { failure, target, wrong: [] };
    this.attempts.push(attempt);
    const silent = Promise.withResolvers<void>();
    const done = this.#attempt(attempt, silent.resolve);
    return { begun: Promise.race([silent.promise, done]), done };
  }

  async #attempt({ failure, target, wrong }: Attempt, silent: () => void): Promise<void> {
    const carried = Promise.withResolvers<void>();
    const gaveUp = new AbortController();
    const over = new AbortController();
    const played = failure === null ? null : this.#proxy.play((conn) =>
      failure.play(conn, {
        serve: (conn) => this.#service.serve(conn),
        asked: (address) => {
          const [asked, wanted] = [place(address), place(TARGETS[target])];
          if (asked !== wanted) wrong.push(`the proxy was asked for ${asked}`);
        },
        silent: () => {
          silent();
          if (failure.outcome === null) gaveUp.abort();
        },
        carried: carried.promise,
      }), over.signal);
    const expected = failure === null ? "refused" : failure.outcome;
    const late = AbortSignal.timeout(LONGEST_ATTEMPT);
    const signal = AbortSignal.any([gaveUp.signal, late, this.#signal]);
    const outcome = await this.#outcome(target, signal, carried.resolve, expected);
    // Whoever has been answered will not come to the proxy any more.
    over.abort();
    const ended = await Promise.allSettled([played]);
    const faults = ended.flatMap((end) => end.status === "rejected" ? [end.reason] : []);
    if (expected === "carried") {
      wrong.push(...faults.map((error) => `the proxy has failed: ${error}`));
    }
    // What came before an early end may be all there was.
    const wanted = expected === "cut" && outcome === "carried" ? outcome : expected;
    if (wanted !== null && outcome !== wanted) wrong.push(`the user got: ${outcome}`);
    if (late.aborted) wrong.push("the user was kept waiting");
  }

  async #outcome(
    target: Target,
    signal: AbortSignal,
    carried: () => void,
    expected: Outcome | null,
  ): Promise<Outcome> {
    const conn = await this.#started.open([...TARGETS[target]], signal).catch(() => null);
    if (conn === null) return "refused";
    if (expected === null) {
      closeQuietly(conn);
      return "refused";
    }
    return await use(conn, carried, signal);
  }
}

/** What happens in a session, one after the other or, where each takes a minute, side by side. */
async function playAll(session: Session, failures: readonly Failure[], targets: readonly Target[]) {
  const waiting: Promise<void>[] = [];
  for (const failure of failures) {
    for (const target of targets) {
      const { begun, done } = session.attempt(failure, target);
      await begun;
      if (failure.slow) waiting.push(done);
      else await done;
    }
  }
  await Promise.all(waiting);
}

function playable(failure: Failure, { program, wanted }: Plan): boolean {
  if (!program.noticesLeaving && failure.outcome === null) return false;
  return wanted(failure);
}

/** What a parent sets for a source address. */
function sourceEnvironment(source: string | null): Record<string, string> {
  if (source === null) return {};
  return { [`TOR_PT_OUTBOUND_BIND_ADDRESS_${source.includes(":") ? "V6" : "V4"}`]: source };
}

async function runOnce(
  plan: Plan,
  targets: readonly Target[],
  directory: string,
  signal: AbortSignal,
): Promise<Row[]> {
  const { program, proxy: kind, source } = plan;
  const trace = `${directory}/trace`;
  const { service } = program;
  using proxy = await ScriptedProxy.listen(kind.host);
  let users: Address;
  let attempts: readonly Attempt[];
  {
    const info = proxyInfo(kind, proxy.address[1]);
    await using started = await start(program, [...TARGETS[targets[0]!]], {
      proxy: info,
      argsFor: service.argsFor,
      directory,
      trace,
      env: sourceEnvironment(source),
    });
    users = started.address;
    const session = new Session(started, service, proxy, signal);
    const failures = failuresOf(info).filter((failure) => playable(failure, plan));
    const played = playAll(session, failures, targets).then(async () => {
      proxy[Symbol.dispose]();
      for (const target of targets) await session.attempt(null, target).done;
    });
    const aborted = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => aborted.reject(signal.reason));
    await Promise.race([played, aborted.promise]);
    attempts = session.attempts;
  }
  const rules: Rules = { proxy: place(proxy.address), users: place(users), secret: LABEL, source };
  return readRows(plan, rules, attempts, await Deno.readTextFile(trace));
}

/** The recording, cut into what happened for each user. */
function readRows(
  { program }: Plan,
  rules: Rules,
  attempts: readonly Attempt[],
  trace: string,
): Row[] {
  const calls = parseTrace(trace);
  const own = listenersOf(calls);
  const parts = splitByUser(calls, rules.users);
  if (parts.length !== attempts.length + 1) {
    throw new Error(`${attempts.length} users have come, and ${parts.length - 1} were recorded`);
  }
  return parts.map((part, index): Row => {
    const attempt = attempts[index - 1];
    return {
      program: program.name,
      failure: attempt === undefined ? "starts" : attempt.failure?.name ?? REFUSES,
      target: attempt?.target ?? null,
      wrong: attempt?.wrong ?? [],
      seen: judge(part, rules, own),
    };
  });
}

/** Runs a session. Somebody at a shell starts the program once for each target. */
export async function runSession(plan: Plan, signal: AbortSignal): Promise<Row[]> {
  const rounds: Target[][] = plan.program.startedBy === "shell"
    ? ALL_TARGETS.map((target) => [target])
    : [ALL_TARGETS];
  const rows: Row[] = [];
  for (const targets of rounds) {
    const directory = await Deno.makeTempDir({ prefix: "ptlib-trace-" });
    try {
      rows.push(...await runOnce(plan, targets, directory, signal));
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
  return rows;
}

/** What is wrong with a row; nothing where it is right. */
export function faultsOf({ seen, wrong, target }: Row): string[] {
  const expected = target === null ? 0 : 1;
  return [
    ...seen.elsewhere,
    ...seen.resolved.map((file) => `uses ${file}`),
    ...wrong,
    ...seen.toProxy === expected ? [] : [`${seen.toProxy} connections to the proxy`],
  ];
}

/** The same in lines that say when it was. */
export function describeFaults(row: Row): string[] {
  const when = row.target === null ? row.failure : `${row.failure}, target: ${row.target}`;
  return faultsOf(row).map((fault) => `${when}: ${fault}`);
}

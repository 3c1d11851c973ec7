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
  foreign: boolean;
  proxy: ProxyKind;
  failure: string;
  /** Null for the start, before anybody has asked for a target. */
  target: Target | null;
  /** What the user got, and what the proxy was asked for, where that is wrong. */
  wrong: string[];
  seen: Seen;
  /** What was seen of transports of others that the program had launched. */
  others: Seen;
}

/** Which part of all failures. */
export interface Plan {
  program: Program;
  proxy: ProxyKind;
  /** Those that take a minute, or all others. */
  slow: boolean;
  /** More variables for the program. */
  env?: Readonly<Record<string, string>>;
  /** The source addresses among them. */
  sources?: readonly string[];
}

const PAYLOAD = bytes("there and back");

/** One user's attempt. */
interface Attempt {
  failure: Failure | null;
  target: Target;
  wrong: string[];
}

/** Sends something there and receives it back, and then the end. */
async function use(conn: Deno.TcpConn, carried: () => void, wholly: boolean): Promise<Outcome> {
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
    if (!wholly) return "carried";
    await conn.closeWrite();
    return await conn.read(into) === null ? "carried" : "cut";
  } catch {
    return count === 0 ? "refused" : "cut";
  } finally {
    closeQuietly(conn);
  }
}

class Session {
  readonly #program: Program;
  readonly #started: Started;
  readonly #service: Service;
  readonly #proxy: ScriptedProxy;
  readonly attempts: Attempt[] = [];

  constructor(program: Program, started: Started, service: Service, proxy: ScriptedProxy) {
    this.#program = program;
    this.#started = started;
    this.#service = service;
    this.#proxy = proxy;
  }

  /** Has a user ask for a target while the proxy does something; `begun` when it has been asked. */
  attempt(failure: Failure | null, target: Target): { begun: Promise<void>; done: Promise<void> } {
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
    const outcome = await this.#outcome(target, gaveUp.signal, carried.resolve, expected);
    // Whoever has been answered will not come to the proxy any more.
    over.abort();
    const ended = await Promise.allSettled([played]);
    const faults = ended.flatMap((end) => end.status === "rejected" ? [end.reason] : []);
    const mayFail = expected !== "carried" || this.#program.foreign;
    if (!mayFail) wrong.push(...faults.map((error) => `the proxy has failed: ${error}`));
    // What came before an early end may be all there was.
    const wanted = expected === "cut" && outcome === "carried" ? outcome : expected;
    if (wanted !== null && outcome !== wanted) wrong.push(`the user got: ${outcome}`);
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
    const wholly = !this.#program.foreign || expected === "cut";
    return await use(conn, carried, wholly);
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

function matches(failure: Failure, { program, slow }: Plan): boolean {
  // A tunnel goes on when its user leaves, because what comes may be for the next one.
  if (program.startedBy === "shell" && failure.outcome === null) return false;
  return (failure.slow ?? false) === slow;
}

async function runOnce(plan: Plan, targets: readonly Target[], directory: string): Promise<Row[]> {
  const { program, proxy: kind, slow, env = {}, sources = [] } = plan;
  const trace = `${directory}/trace`;
  await using service = await program.service(directory);
  const proxy = await ScriptedProxy.listen(kind.host);
  let users: Address;
  let attempts: readonly Attempt[];
  try {
    const info = proxyInfo(kind, proxy.address[1]);
    await using started = await start(program, [...TARGETS[targets[0]!]], {
      proxy: info,
      args: service.args,
      directory,
      trace,
      env,
    });
    users = started.address;
    const session = new Session(program, started, service, proxy);
    await playAll(session, failuresOf(info).filter((failure) => matches(failure, plan)), targets);
    proxy[Symbol.dispose]();
    if (!slow) {
      for (const target of targets) await session.attempt(null, target).done;
    }
    attempts = session.attempts;
  } finally {
    proxy[Symbol.dispose]();
  }
  const rules: Rules = { proxy: place(proxy.address), users: place(users), secret: LABEL, sources };
  return readRows(plan, rules, attempts, await Deno.readTextFile(trace));
}

/** The recording, cut into what happened for each user. */
function readRows(
  { program, proxy }: Plan,
  rules: Rules,
  attempts: readonly Attempt[],
  trace: string,
): Row[] {
  const calls = parseTrace(trace);
  const own = listenersOf(calls);
  const first = calls[0]?.process;
  const parts = splitByUser(calls, rules.users);
  if (parts.length !== attempts.length + 1) {
    throw new Error(`${attempts.length} users have come, and ${parts.length - 1} were recorded`);
  }
  return parts.map((part, index): Row => {
    const attempt = attempts[index - 1];
    // What the program has launched is judged like itself, unless it is somebody else's.
    const [ours, others] = program.foreign
      ? [
        part.filter(({ process }) => process === first),
        part.filter(({ process }) => process !== first),
      ]
      : [part, []];
    return {
      program: program.name,
      foreign: program.foreign,
      proxy,
      failure: attempt === undefined ? "starts" : attempt.failure?.name ?? REFUSES,
      target: attempt?.target ?? null,
      wrong: attempt?.wrong ?? [],
      seen: judge(ours, rules, own),
      others: judge(others, rules, own),
    };
  });
}

/** Runs a session. Somebody at a shell starts the program once for each target, which has no name. */
export async function runSession(plan: Plan): Promise<Row[]> {
  const rounds: Target[][] = plan.program.startedBy === "shell"
    ? [["IPv4"], ["IPv6"]]
    : [ALL_TARGETS];
  const rows: Row[] = [];
  for (const targets of rounds) {
    const directory = await Deno.makeTempDir({ prefix: "ptlib-trace-" });
    try {
      rows.push(...await runOnce(plan, targets, directory));
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
  return rows;
}

/** What is wrong with a row; nothing where it is right. */
export function faultsOf({ seen, others, wrong, target }: Row): string[] {
  const connects = seen.toProxy + others.toProxy;
  const expected = target === null ? 0 : 1;
  return [
    ...seen.elsewhere,
    ...seen.resolved.map((file) => `uses ${file}`),
    ...wrong,
    ...connects === expected ? [] : [`${connects} connections to the proxy`],
  ];
}

/**
 * Proves with strace that nothing goes around a proxy: `deno task trace`.
 *
 * @module
 */

import { sideBySide } from "../side_by_side.ts";
import { allPlans, trap } from "./plans.ts";
import { type Offender, OFFENDERS } from "./programs.ts";
import { describe } from "./proxy_kinds.ts";
import { describeFaults, faultsOf, type Plan, type Row, runSession } from "./session.ts";
import { straceMissing } from "./strace.ts";
import { traceTable, writeTraceTable } from "./trace_table.ts";

const HELP = `Usage: deno task trace [--write]

Starts our programs under strace with every kind of upstream proxy, has users ask for IPv4 and IPv6
addresses and for names while the proxy does everything that can go wrong, and judges each system
call: only the proxy, and listeners of the program's own, may be connected and sent to, and no name
may be looked up. Programs that go around the proxy must be found. Takes about five minutes, with
as much as possible side by side. Linux only; needs strace.

  --write  puts the table into RELIABILITY.md, too, if it is whole
  --help   this text

It ends with status 1 when something goes around the proxy, or a user does not get what is expected.`;

const OPTIONS = ["--write", "--help"];

/** How many sessions run at once: of those that keep the processor busy, and of those that wait. */
const AT_ONCE = { busy: navigator.hardwareConcurrency, waiting: 24 } as const;

/** How much is said of a session that has failed: what goes wrong mostly does so again and again. */
const MOST_TOLD = 10;

/** What has been seen so far. */
class Progress {
  readonly rows: Row[] = [];
  failed = 0;
  #done = 0;
  readonly #of: number;

  constructor(of: number) {
    this.#of = of;
  }

  /** Says how a session has ended. */
  tell({ program, proxy, source }: Plan, faults: readonly string[]): void {
    const from = source === null ? "" : ", from a source address";
    const result = faults.length === 0 ? "ok" : "FAILED";
    const session = `${program.name}, ${describe(proxy)}${from}`;
    console.error(`${++this.#done}/${this.#of} ${result} ${session}`);
    for (const fault of faults.slice(0, MOST_TOLD)) console.error(`  ${fault}`);
    if (faults.length > MOST_TOLD) console.error(`  and ${faults.length - MOST_TOLD} more`);
    if (faults.length > 0) this.failed++;
  }
}

/** What a session has seen, or why it could not be held. */
async function rowsOf(plan: Plan, signal: AbortSignal): Promise<Row[] | string> {
  try {
    return await runSession(plan, signal);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function judgeOurs(plan: Plan, progress: Progress, signal: AbortSignal): Promise<void> {
  const rows = await rowsOf(plan, signal);
  if (signal.aborted) return;
  if (typeof rows === "string") return progress.tell(plan, [rows]);
  progress.rows.push(...rows);
  progress.tell(plan, rows.flatMap(describeFaults));
}

async function judgeTrap(offender: Offender, progress: Progress, signal: AbortSignal) {
  const plan = trap(offender);
  const rows = await rowsOf(plan, signal);
  if (signal.aborted) return;
  const found = typeof rows !== "string" &&
    rows.flatMap(faultsOf).some((fault) => offender.sign.test(fault));
  progress.tell(plan, found ? [] : ["it goes around the proxy, and that was not seen"]);
}

async function runAll(write: boolean, signal: AbortSignal): Promise<number> {
  const { quick, slow, lacks } = allPlans();
  const progress = new Progress(quick.length + slow.length + OFFENDERS.length);
  await sideBySide(OFFENDERS, AT_ONCE.busy, (one) => judgeTrap(one, progress, signal), signal);
  const use = (plan: Plan) => judgeOurs(plan, progress, signal);
  await Promise.all([
    sideBySide(slow, AT_ONCE.waiting, use, signal),
    sideBySide(quick, AT_ONCE.busy, use, signal),
  ]);
  if (signal.aborted) return 130;
  // In the order of the programs, whoever came first.
  const order = [...quick, ...slow].map(({ program }) => program.name);
  const rows = progress.rows.toSorted((a, b) =>
    order.indexOf(a.program) - order.indexOf(b.program)
  );
  const table = traceTable(rows);
  console.log(table);
  for (const lack of lacks) console.error(`Not whole: this machine has not got ${lack}.`);
  const whole = lacks.length === 0 && progress.failed === 0;
  if (write && whole) await writeTraceTable(table);
  else if (write) console.error("RELIABILITY.md stays as it is.");
  if (progress.failed > 0) console.error(`${progress.failed} sessions FAILED.`);
  return progress.failed === 0 ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  const wrong = args.find((arg) => !OPTIONS.includes(arg));
  if (wrong !== undefined) {
    console.error(`There is no ${wrong}: see deno task trace --help`);
    return 2;
  }
  if (args.includes("--help")) {
    console.log(HELP);
    return 0;
  }
  const missing = straceMissing();
  if (missing !== null) {
    console.error(`Nothing can be traced here: ${missing}`);
    return 1;
  }
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // What runs is ended, and its files go with it.
    Deno.addSignalListener(signal, () => stop.abort());
  }
  return await runAll(args.includes("--write"), stop.signal);
}

if (import.meta.main) Deno.exit(await main(Deno.args));

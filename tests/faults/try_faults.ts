/** Tries faults side by side. */

import { type Fault, type FaultGroup, Findings, nameOf, type Outcome } from "./fault.ts";
import { inClosedWorld } from "./namespace_world.ts";
import { missing } from "./needs.ts";
import { sideBySide } from "../side_by_side.ts";
import { within } from "../waiting.ts";

/** How long a fault may take until it counts as a failure, in milliseconds. */
const LONGEST = 240_000;
/** How many faults are tried at once: of those that keep the processor busy, and of those that wait. */
const AT_ONCE = { busy: 4, waiting: 24 } as const;

/** A fault with its name. */
export interface NamedFault {
  readonly name: string;
  readonly fault: Fault;
}

/** The faults whose names contain one of these words; all where there is none. */
export function faultsNamed(
  groups: readonly FaultGroup[],
  words: readonly string[],
): NamedFault[] {
  const all = groups.flatMap((group) =>
    group.faults.map((fault) => ({ name: nameOf(group, fault), fault }))
  );
  return all.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
}

/** How faults are tried. */
export interface TryOptions {
  /** Where each gets a directory of its own. */
  directory: string;
  /** Whether this process is in the network namespace that some of them need. */
  isInNamespace: boolean;
  /** Ends the process that tries some of them elsewhere. */
  signal: AbortSignal;
  /** Is called with each outcome, as they come. */
  tell(outcome: Outcome): void;
}

async function tryOne({ name, fault }: NamedFault, directory: string): Promise<Outcome> {
  const findings = new Findings();
  const place = await Deno.makeTempDir({ dir: directory });
  try {
    await within(LONGEST, "This fault", fault.try(findings, await Deno.realPath(place)));
  } catch (error) {
    findings.see(error instanceof Error ? error.message : String(error), false);
  }
  return { name, result: findings.failed ? "failed" : "ok", happened: String(findings) };
}

/** Lines as they come. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Has a process in a network namespace try faults, which says each outcome in a line of JSON. */
async function tryInNamespace(
  faults: readonly NamedFault[],
  { tell, signal }: TryOptions,
): Promise<void> {
  const main = new URL("./main.ts", import.meta.url).pathname;
  const deno = [Deno.execPath(), "run", "--no-prompt", "--allow-all", main, "--json", "--here"];
  const [program = "", ...args] = inClosedWorld([...deno, ...faults.map(({ name }) => name)]);
  const options = { args, signal, stdin: "null", stdout: "piped", stderr: "inherit" } as const;
  await using child = new Deno.Command(program, options).spawn();
  const waited = new Set(faults.map(({ name }) => name));
  for await (const line of linesOf(child.stdout)) {
    const outcome: Outcome = JSON.parse(line);
    if (waited.delete(outcome.name)) tell(outcome);
  }
  for (const name of waited) tell({ name, result: "failed", happened: "**it has no outcome**" });
}

/** Tries faults, and tells what became of each. Those for which something is missing come first. */
export async function tryFaults(
  faults: readonly NamedFault[],
  options: TryOptions,
): Promise<void> {
  const possible = faults.filter(({ name, fault }) => {
    const lack = missing(fault.needs ?? []);
    if (lack !== null) options.tell({ name, result: "missing", happened: lack });
    return lack === null;
  });
  const isElsewhere = ({ fault: { needs = [] } }: NamedFault) =>
    !options.isInNamespace && needs.some((need) => need === "namespace" || need === "iptables");
  const elsewhere = possible.filter(isElsewhere);
  const here = possible.filter((fault) => !isElsewhere(fault));
  const waitOf = ({ fault: { waits = 0 } }: NamedFault) => waits;
  const waiting = here.filter((fault) => waitOf(fault) > 0);
  const use = async (fault: NamedFault) => options.tell(await tryOne(fault, options.directory));
  await Promise.all([
    elsewhere.length === 0 ? null : tryInNamespace(elsewhere, options),
    // Those that wait longest begin.
    sideBySide(waiting.toSorted((a, b) => waitOf(b) - waitOf(a)), AT_ONCE.waiting, use),
    sideBySide(here.filter((fault) => waitOf(fault) === 0), AT_ONCE.busy, use),
  ]);
}

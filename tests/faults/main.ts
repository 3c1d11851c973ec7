/**
 * Does one fault after the other to the running examples: `deno task faults`.
 *
 * @module
 */

import { allFaults } from "./all_faults.ts";
import type { Outcome } from "./fault.ts";
import { faultTable, writeFaultTable } from "./fault_table.ts";
import { faultsNamed, tryFaults } from "./try_faults.ts";

const HELP = `Usage: deno task faults [--write] [--json] [NAME...]

Starts the example programs with the permissions of their head comments, does a fault to each, and
prints a row about it: what must happen, and what happened. Takes about two minutes, with as much as
possible side by side. Linux only; some rows need the right to make namespaces, or libfaketime, and
say so where they are not tried.

  NAME     only the faults whose names contain this text, such as "peers", "rot13" or "SIGTERM"
  --write  puts the table into docs/faults.md, too, if it is whole
  --json   prints each outcome at once, as JSON in a line, in place of the table
  --here   takes this machine for the network namespace that some faults need
  --list   prints the names, and tries nothing
  --help   this text

It ends with status 1 when a row fails.`;

const OPTIONS = ["--write", "--json", "--here", "--list", "--help"];

async function main(args: readonly string[]): Promise<number> {
  const wrong = args.find((arg) => arg.startsWith("-") && !OPTIONS.includes(arg));
  if (wrong !== undefined) {
    console.error(`There is no ${wrong}: see deno task faults --help`);
    return 2;
  }
  const [write, json, here, list, help] = OPTIONS.map((option) => args.includes(option));
  if (help) {
    console.log(HELP);
    return 0;
  }
  const words = args.filter((arg) => !arg.startsWith("-"));
  const faults = faultsNamed(allFaults, words);
  if (faults.length === 0) {
    console.error("No fault has such a name: see deno task faults --list");
    return 2;
  }
  if (list) {
    console.log(faults.map(({ name }) => name).join("\n"));
    return 0;
  }
  if (Deno.build.os !== "linux") {
    console.error("The faults look into /proc, and need Linux.");
    return 1;
  }
  const outcomes = await outcomesOf(faults, { json: json === true, here: here === true });
  if (!json) console.log(faultTable(allFaults, outcomes));
  const failed = [...outcomes.values()].filter(({ result }) => result === "failed");
  for (const { name, happened } of failed) console.error(`FAILED ${name}: ${happened}`);
  if (write) await writeWhole(outcomes);
  return failed.length === 0 ? 0 : 1;
}

/** Tries faults in a directory that goes with them. */
async function outcomesOf(
  faults: ReturnType<typeof faultsNamed>,
  { json, here }: { json: boolean; here: boolean },
): Promise<Map<string, Outcome>> {
  const directory = await Deno.makeTempDir({ prefix: "ptlib-faults-" });
  const stop = new AbortController();
  // The examples end by themselves when this process has.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => {
      stop.abort();
      Deno.removeSync(directory, { recursive: true });
      Deno.exit(1);
    });
  }
  const outcomes = new Map<string, Outcome>();
  try {
    await tryFaults(faults, {
      directory,
      isInNamespace: here,
      signal: stop.signal,
      tell(outcome) {
        outcomes.set(outcome.name, outcome);
        if (json) console.log(JSON.stringify(outcome));
        else console.error(`${outcomes.size}/${faults.length} ${outcome.result} ${outcome.name}`);
      },
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return outcomes;
}

async function writeWhole(outcomes: ReadonlyMap<string, Outcome>): Promise<void> {
  const whole = faultsNamed(allFaults, []).every(({ name }) => {
    const outcome = outcomes.get(name);
    return outcome !== undefined && outcome.result !== "missing";
  });
  if (whole) await writeFaultTable(faultTable(allFaults, outcomes));
  else console.error("docs/faults.md stays as it is: its table has every row.");
}

Deno.exit(await main(Deno.args));

/**
 * `deno task soak`: thousands of connections through a client and a server for a long time, each
 * byte of which is compared. Linux only.
 *
 * @module
 */

import { hardLimit, type Options, parseOptions, UsageError } from "./options.ts";
import { soak, type Soaked } from "./soak.ts";
import { summarize } from "./summary.ts";
import { findFaults, judgeAll } from "./verdict.ts";

const HELP =
  `Usage: deno task soak [--minutes N] [--held N] [--churning N] [--seed S] [--report FILE]

Holds connections through the client and the server of the transport dummy, keeps others churning
beside them (half-closes, resets, aborts, silence, slow readers, processes that freeze, handshakes
that are left), compares every byte, and watches memory, descriptors, timers and listeners.

  --minutes N     how long they churn; default: 2. To open and end all takes a minute more
  --held N        how many are held; default: 9000
  --churning N    how many churn at a time; default: 1000
  --seed S        what they do is drawn from this; default: another one each time
  --report FILE   also writes a page with plots (.html) or a small plot (.svg); may be given twice
  --help          this text

It prints a summary in Markdown, and ends with status 1 when a byte was lost, repeated or swapped,
when something grew, or when something was left over at rest. What memory does while connections
churn is judged from 15 minutes on, when its garbage was collected often enough. Linux only; needs
the right to have some 20,000 descriptors in a process (ulimit -Hn), or holds fewer.`;

/** Rejects when somebody wants this program to end. */
function stopped(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => reject(new Error(`Stopped by ${name}`)));
  }
  return promise;
}

async function writeReports(options: Options, summary: string, soaked: Soaked): Promise<void> {
  if (options.reports.length === 0) return;
  const { page, plot } = await import("./page.ts");
  for (const file of options.reports) {
    await Deno.writeTextFile(file, file.endsWith(".svg") ? plot(soaked) : page(summary, soaked));
    console.error(`Written: ${file}`);
  }
}

async function run(options: Options): Promise<boolean> {
  const start = performance.now();
  const tell = (text: string) => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.error(`${seconds.padStart(5)} s  ${text}`);
  };
  await using stack = new AsyncDisposableStack();
  const soaked = await Promise.race([soak(options, stack, tell), stopped()]);
  const judged = judgeAll(soaked);
  const summary = summarize(options, soaked, judged);
  console.log(summary);
  await writeReports(options, summary, soaked);
  return findFaults(soaked, judged).length === 0;
}

function readOptions(): Options {
  try {
    if (Deno.build.os !== "linux") throw new UsageError("this needs Linux, for its /proc");
    const options = parseOptions(Deno.args, hardLimit());
    if (options !== null) return options;
    console.log(HELP);
    Deno.exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}: see deno task soak --help`);
    Deno.exit(2);
  }
}

if (import.meta.main) {
  const options = readOptions();
  if (options.fewer !== null) console.error(options.fewer);
  try {
    Deno.exit(await run(options) ? 0 : 1);
  } catch (error) {
    console.error(`Failed: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}

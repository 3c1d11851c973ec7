/**
 * `deno task bench`: what the library costs, beside an empty program, beside the same calls written
 * out, beside the least that Deno can do, and beside goptlib's example programs. Prints a report in
 * Markdown. Linux only.
 */

import { connections } from "./connections.ts";
import { goptlib, MINIMAL, OURS, WRITTEN_OUT } from "./contestants.ts";
import { fairness } from "./fairness.ts";
import { reportHostile } from "./hostile.ts";
import { latency } from "./latency.ts";
import { LoadProcess } from "./load_process.ts";
import { idleMemory, stalledMemory } from "./memory.ts";
import { type Measurement, reportMeasurement } from "./rounds.ts";
import { reportStartUp } from "./startup.ts";
import { throughput } from "./throughput.ts";

const HELP = `Usage: deno task bench [PART...]

Measures the parts, or everything, and prints a report in Markdown. Takes half an hour, in which the
machine should do nothing else. Linux only. The load generator needs Go, and goptlib its source too:
apt-get install golang-go golang-goptlib-dev

Parts:
  startup      from the start of a program to its DONE line
  throughput   bytes on 1, 8 and 64 connections, and their processor time
  connections  how many come and go, and the processor time of each
  latency      of a quiet connection
  fairness     what bulk does to an interactive connection, and to new ones
  memory       of 1,000 and 9,000 idle connections, and of 400 that nobody reads
  hostile      what strangers on both ports do to honest users`;

type Report = (directory: string) => Promise<string>;

/** The tables of some measurements, one below the other. */
function measured(...measurements: readonly Measurement[]): Report {
  return async (directory) => {
    const program = await LoadProcess.build(directory);
    const go = await goptlib();
    const contestants = [OURS, WRITTEN_OUT, MINIMAL, ...go === null ? [] : [go]];
    const tables: string[] = [];
    for (const measurement of measurements) {
      tables.push(await reportMeasurement({ directory, program, contestants }, measurement));
    }
    return tables.join("\n\n");
  };
}

const PARTS: { readonly [name: string]: { title: string; report: Report } } = {
  startup: { title: "Start-up", report: reportStartUp },
  throughput: {
    title: "Bytes through client and server",
    report: measured(throughput(1), throughput(8), throughput(64)),
  },
  connections: { title: "Connections that come and go", report: measured(connections) },
  latency: { title: "A quiet connection", report: measured(latency(true), latency(false)) },
  fairness: { title: "Beside four flows of bulk", report: measured(fairness) },
  memory: {
    title: "Memory of client and server together",
    report: measured(idleMemory(1_000), idleMemory(9_000), stalledMemory),
  },
  hostile: { title: "Strangers on both ports", report: reportHostile },
};

function readParts(args: readonly string[]): string[] {
  const wrong = args.filter((arg) => !Object.hasOwn(PARTS, arg));
  if (wrong.length > 0) {
    const help = wrong.includes("--help");
    console.error(help ? HELP : `There is no part ${wrong.join(" ")}: see deno task bench --help`);
    Deno.exit(help ? 0 : 2);
  }
  return Object.keys(PARTS).filter((part) => args.length === 0 || args.includes(part));
}

const parts = readParts(Deno.args);
const directory = await Deno.makeTempDir({ prefix: "ptlib-bench-" });
try {
  console.log(`Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} processors`);
  for (const part of parts) {
    const { title, report } = PARTS[part]!;
    console.log(`\n## ${title}\n\n${await report(directory)}`);
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}

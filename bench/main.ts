/**
 * `deno task bench`: what the library costs, beside an empty program, beside the same calls written
 * out, beside the least that Deno can do, and beside goptlib's example programs. Prints a report in
 * Markdown. Linux only.
 */

import { peerVersion } from "../tests/interop/peers.ts";
import { connections } from "./connections.ts";
import {
  type Contestant,
  goptlib,
  goptlibRot13,
  MINIMAL,
  OUR_ROT13,
  OURS,
  WRITTEN_OUT,
} from "./contestants.ts";
import { fairness } from "./fairness.ts";
import { reportHostile } from "./hostile.ts";
import { latency } from "./latency.ts";
import { LoadProcess } from "./load_process.ts";
import { idleMemory, stalledMemory } from "./memory.ts";
import { type Measurement, reportMeasurement } from "./rounds.ts";
import { reportStartUp } from "./startup.ts";
import { throughput } from "./throughput.ts";

const HELP = `Usage: deno task bench [--write] [PART...]

Measures the parts, or everything, and prints a report in Markdown. Takes half an hour, in which the
machine should do nothing else. --write puts the report into bench/RESULTS.md, too. Linux only.

The load generator needs Go, and goptlib its source: apt-get install golang-go golang-goptlib-dev

Parts:
  startup      from the start of a program to its DONE line
  throughput   bytes on 1, 8 and 64 connections, and their processor time
  rot13        the same where each byte is changed, on 1 and 8 connections
  connections  how many come and go, and the processor time of each
  latency      of a quiet connection
  fairness     what bulk does to an interactive connection, and to new ones
  memory       of 1,000 and 9,000 idle connections, and of 400 that nobody reads
  hostile      what strangers on both ports do to honest users`;

type Report = (directory: string) => Promise<string>;

type Contestants = () => Promise<(Contestant | null)[]>;

/** Programs whose transport does nothing. */
const DUMMIES: Contestants = async () => [OURS, WRITTEN_OUT, MINIMAL, await goptlib()];

/** Programs whose transport changes every byte. */
const ROT13S: Contestants = async () => [OUR_ROT13, await goptlibRot13()];

/** The tables of some measurements, one below the other. */
function measured(all: Contestants, ...measurements: readonly Measurement[]): Report {
  return async (directory) => {
    const program = await LoadProcess.build(directory);
    const contestants = (await all()).filter((contestant) => contestant !== null);
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
    report: measured(DUMMIES, throughput(1), throughput(8), throughput(64)),
  },
  rot13: {
    title: "Bytes through the transport to copy",
    report: measured(ROT13S, throughput(1), throughput(8)),
  },
  connections: { title: "Connections that come and go", report: measured(DUMMIES, connections) },
  latency: {
    title: "A quiet connection",
    report: measured(DUMMIES, latency(true), latency(false)),
  },
  fairness: { title: "Beside four flows of bulk", report: measured(DUMMIES, fairness) },
  memory: {
    title: "Memory of client and server together",
    report: measured(DUMMIES, idleMemory(1_000), idleMemory(9_000), stalledMemory),
  },
  hostile: { title: "Strangers on both ports", report: reportHostile },
};

/** What was asked for on the command line. */
function readArguments(args: readonly string[]): { parts: string[]; write: boolean } {
  const words = args.filter((arg) => arg !== "--write");
  const wrong = words.filter((arg) => !Object.hasOwn(PARTS, arg));
  if (wrong.length > 0) {
    const help = wrong.includes("--help");
    console.error(help ? HELP : `There is no part ${wrong.join(" ")}: see deno task bench --help`);
    Deno.exit(help ? 0 : 2);
  }
  const parts = Object.keys(PARTS).filter((part) => words.length === 0 || words.includes(part));
  return { parts, write: words.length < args.length };
}

/** The machine, the versions and the day. */
async function describeRun(): Promise<string> {
  const [, model = "unknown"] = /^model name\s*:\s*(.*)$/m
    .exec(await Deno.readTextFile("/proc/cpuinfo")) ?? [];
  const go = await peerVersion("goptlib-dummy-client") ?? "not there";
  return [
    `- ${new Date().toISOString().slice(0, 10)}`,
    `- ${navigator.hardwareConcurrency} processors (${model}), Linux ${Deno.osRelease()}`,
    `- Deno ${Deno.version.deno}, V8 ${Deno.version.v8}, goptlib ${go}`,
  ].join("\n");
}

async function writeResults(text: string): Promise<void> {
  const { pathname } = new URL("RESULTS.md", import.meta.url);
  await Deno.writeTextFile(pathname, text);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", pathname] }).output();
}

const { parts, write } = readArguments(Deno.args);
const directory = await Deno.makeTempDir({ prefix: "ptlib-bench-" });
let text = "";
const print = (more: string) => {
  console.log(more);
  text += `${more}\n`;
};
try {
  print(`# What it costs\n\nMeasured by \`deno task bench --write\`.\n\n${await describeRun()}`);
  for (const part of parts) {
    const { title, report } = PARTS[part]!;
    print(`\n## ${title}\n\n${await report(directory)}`);
  }
  if (write) await writeResults(text);
} finally {
  await Deno.remove(directory, { recursive: true });
}

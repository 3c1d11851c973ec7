/**
 * `deno task bench`: what the library costs, beside an empty program, beside the same calls written
 * out, beside the least that Deno can do, beside goptlib's example programs, and beside no program at
 * all. Prints a report in Markdown. Linux only.
 */

import { peerVersion } from "../tests/interop/peers.ts";
import { connections, connectionsAmongMany } from "./connections.ts";
import {
  type Contestant,
  DIRECT,
  goptlib,
  goptlibRot13,
  MINIMAL,
  OUR_ROT13,
  OURS,
  STREAMS_ROT13,
  WRITTEN_OUT,
  WRITTEN_OUT_ROT13,
} from "./contestants.ts";
import { fairness } from "./fairness.ts";
import { reportHostile } from "./hostile.ts";
import { latency } from "./latency.ts";
import { LoadProcess } from "./load_process.ts";
import { idleMemory, stalledMemory } from "./memory.ts";
import { writePages } from "./pages.ts";
import { keepResults, merge, type Part, readResults, writePart } from "./results.ts";
import { measureInTurns, type Measurement } from "./rounds.ts";
import { allowDescriptors } from "./proc.ts";
import { reportStartUp } from "./startup.ts";
import { throughput } from "./throughput.ts";
import { webtunnels } from "./webtunnel.ts";
import { inWorkplace, type Workplace } from "./workplace.ts";

const HELP = `Usage: deno task bench [--quick | --write] [PART...]
       deno task bench --render

Measures the parts, or everything, and prints a report in Markdown. Everything takes 35 minutes, in
which the machine should do nothing else. Linux only.

  --quick   what people look at first, in two minutes, from few turns: enough to see a change of a
            third, and not one of a tenth
  --write   keeps the figures in bench/results.json, and writes bench/RESULTS.md,
            bench/results.svg and the table of docs/what-it-costs.md from it; parts that were not
            measured stay as they are
  --render  measures nothing, and writes these three from bench/results.json

The load generator needs Go, and goptlib its source: apt-get install golang-go golang-goptlib-dev

Parts:
  startup      from the start of a program to its DONE line
  throughput   bytes on 1, 8 and 64 connections, and their processor time
  rot13        the same where each byte is changed, on 1 and 8 connections
  connections  how many come and go, and the processor time of each: to the ORPort, to the Extended
               ORPort, and beside 200 and 2,000 open ones
  latency      of a quiet connection
  fairness     what bulk does to an interactive connection, and to new ones
  memory       of 1,000 and 9,000 idle connections, and of 400 that nobody reads
  webtunnel    the same of WebTunnel, in plain HTTP and in TLS, beside the official programs; needs
               nginx, and deno task peers
  hostile      what strangers on both ports do to honest users`;

type Tables = (workplace: Workplace) => Promise<Part["tables"]>;

type Contestants = () => Promise<(Contestant | null)[]>;

/** Programs whose transport does nothing. */
const DUMMIES: Contestants = async () => [OURS, WRITTEN_OUT, MINIMAL, await goptlib()];

/** The same, and none. */
const DUMMIES_AND_NONE: Contestants = async () => [...await DUMMIES(), DIRECT];

/** Those that may hold 9,000 connections: goptlib's server needs 6 descriptors for each. */
const THRIFTY: Contestants = async () => {
  if (await allowDescriptors(55_000)) return await DUMMIES();
  console.error("Without goptlib: it would need ulimit -Hn 55000, as root");
  return [OURS, WRITTEN_OUT, MINIMAL];
};

/** Those that are compared in a hurry. */
const FEW: Contestants = async () => [OURS, MINIMAL, await goptlib()];

/** Programs whose transport changes every byte. */
const ROT13S: Contestants = async () => [
  OUR_ROT13,
  WRITTEN_OUT_ROT13,
  STREAMS_ROT13,
  await goptlibRot13(),
];

/** The tables of some measurements. */
function measured(all: Contestants, ...measurements: readonly Measurement[]): Tables {
  return async (workplace) => {
    const program = await LoadProcess.build(workplace.directory);
    const contestants = (await all()).filter((contestant) => contestant !== null);
    const tables: Part["tables"] = [];
    for (const measurement of measurements) {
      tables.push(await measureInTurns({ ...workplace, program, contestants }, measurement));
    }
    return tables;
  };
}

/** Tables one behind the other. */
function joined(...all: readonly Tables[]): Tables {
  return async (workplace) => {
    const tables: Part["tables"] = [];
    for (const some of all) tables.push(...await some(workplace));
    return tables;
  };
}

/** A few turns of a measurement. */
function hurried(measurement: Measurement): Measurement {
  return { ...measurement, rounds: 1, turns: Math.min(measurement.turns, 3) };
}

/** A part: its title, all of it, and, where people look first, what is done of it in a hurry. */
interface Measurable {
  title: string;
  tables: Tables;
  quick?: Tables;
}

/** What is measured of WebTunnel. */
const WEBTUNNEL = [throughput(1), throughput(8), connections(false), idleMemory(1_000)];

const PARTS: { readonly [name: string]: Measurable } = {
  startup: {
    title: "Start-up",
    tables: async (workplace) => [await reportStartUp(workplace, 30)],
    quick: async (workplace) => [await reportStartUp(workplace, 5)],
  },
  throughput: {
    title: "Bytes through client and server",
    tables: measured(DUMMIES_AND_NONE, throughput(1), throughput(8), throughput(64)),
    quick: measured(FEW, hurried(throughput(1)), hurried(throughput(8)), hurried(throughput(64))),
  },
  rot13: {
    title: "Bytes through the transport to copy",
    tables: measured(ROT13S, throughput(1), throughput(8)),
    quick: measured(ROT13S, hurried(throughput(1))),
  },
  connections: {
    title: "Connections that come and go",
    tables: joined(
      measured(DUMMIES, connections(false)),
      measured(DUMMIES, connections(true)),
      measured(DUMMIES, connectionsAmongMany),
    ),
    quick: joined(
      measured(FEW, hurried(connections(false))),
      measured(FEW, hurried(connections(true))),
    ),
  },
  latency: {
    title: "A quiet connection",
    tables: measured(DUMMIES_AND_NONE, latency(true), latency(false)),
    quick: measured(FEW, hurried(latency(true))),
  },
  fairness: { title: "Beside four flows of bulk", tables: measured(DUMMIES, fairness) },
  memory: {
    title: "Memory of client and server together",
    tables: joined(
      measured(DUMMIES, idleMemory(1_000)),
      measured(THRIFTY, idleMemory(9_000)),
      measured(DUMMIES, stalledMemory),
    ),
    quick: measured(FEW, hurried(idleMemory(1_000))),
  },
  webtunnel: {
    title: "WebTunnel",
    tables: joined(
      measured(() => webtunnels("plain HTTP"), ...WEBTUNNEL),
      measured(() => webtunnels("TLS"), ...WEBTUNNEL),
    ),
  },
  hostile: {
    title: "Strangers on both ports",
    tables: async (workplace) => [await reportHostile(workplace)],
  },
};

/** Says what is wrong with the command line. */
function refuse(text: string): never {
  console.error(text);
  Deno.exit(2);
}

/** What was asked for on the command line. */
function readArguments(args: readonly string[]) {
  const [quick, write] = [args.includes("--quick"), args.includes("--write")];
  const render = args.includes("--render");
  const words = args.filter((arg) => !["--quick", "--write", "--render"].includes(arg));
  if (words.includes("--help")) {
    console.log(HELP);
    Deno.exit(0);
  }
  if (render && args.length > 1) refuse("--render goes with nothing else: it measures nothing");
  const wrong = words.filter((arg) => !Object.hasOwn(PARTS, arg));
  if (wrong.length > 0) refuse(`There is no part ${wrong.join(" ")}: see deno task bench --help`);
  if (quick && write) refuse("What was measured in a hurry is not kept: --quick or --write");
  const slow = words.filter((part) => quick && PARTS[part]!.quick === undefined);
  if (slow.length > 0) refuse(`There is no quick way to measure ${slow.join(" ")}`);
  const parts = Object.keys(PARTS).filter((part) =>
    words.length > 0 ? words.includes(part) : !quick || PARTS[part]!.quick !== undefined
  );
  return { parts, quick, write, render };
}

/** The day, the machine and the versions. */
async function describeGround(): Promise<string> {
  const [, model = "unknown"] = /^model name\s*:\s*(.*)$/m
    .exec(await Deno.readTextFile("/proc/cpuinfo")) ?? [];
  const go = await peerVersion("goptlib-dummy-client") ?? "not there";
  return [
    new Date().toISOString().slice(0, 10),
    `${navigator.hardwareConcurrency} processors (${model})`,
    `Linux ${Deno.osRelease()}`,
    `Deno ${Deno.version.deno}`,
    `V8 ${Deno.version.v8}`,
    `goptlib ${go}`,
  ].join(", ");
}

/** Measures, prints, and keeps what is to be kept. */
async function measure(
  workplace: Workplace,
  { parts, quick, write }: { parts: readonly string[]; quick: boolean; write: boolean },
): Promise<void> {
  const ground = await describeGround();
  for (const [index, name] of parts.entries()) {
    const { title, tables, quick: quickTables } = PARTS[name]!;
    console.error(`${title}: part ${index + 1} of ${parts.length}`);
    const part = { title, ground, tables: await (quick ? quickTables! : tables)(workplace) };
    console.log(`${writePart(part)}\n`);
    if (!write) continue;
    // What has been measured stays, whatever happens to the parts that follow.
    const results = merge(await readResults(), { [name]: part }, Object.keys(PARTS));
    await keepResults(results);
    await writePages(results);
  }
}

const asked = readArguments(Deno.args);
try {
  if (asked.render) await writePages(await readResults());
  else await inWorkplace((workplace) => measure(workplace, asked));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
if (asked.quick) console.log("From few turns: deno task bench measures it well.");

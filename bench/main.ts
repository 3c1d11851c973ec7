/**
 * `deno task bench`: what the library costs, beside an empty program, beside the same calls written
 * out, and beside goptlib's example programs. Prints a report in Markdown. Linux only.
 */

import { reportHostile } from "./hostile.ts";
import { reportRelay } from "./relay.ts";
import { reportStartUp } from "./startup.ts";

const HELP = `Usage: deno task bench [startup] [relay] [hostile]

Measures what is named, or everything, and prints a report in Markdown. Takes some minutes, in which
the machine should do nothing else. Linux only. goptlib needs Go and its source:
apt-get install golang-go golang-goptlib-dev`;

const PARTS = {
  startup: { title: "Start-up", report: reportStartUp },
  relay: { title: "Connections, client and server together", report: reportRelay },
  hostile: { title: "Strangers on both ports", report: reportHostile },
};

type Part = keyof typeof PARTS;

function readParts(args: readonly string[]): Part[] {
  const all = Object.keys(PARTS) as Part[];
  const wrong = args.filter((arg) => !all.some((part) => part === arg));
  if (wrong.length > 0) {
    const help = wrong.includes("--help");
    console.error(help ? HELP : `Takes startup, relay and hostile, but got: ${wrong.join(" ")}`);
    Deno.exit(help ? 0 : 2);
  }
  return args.length === 0 ? all : all.filter((part) => args.includes(part));
}

const parts = readParts(Deno.args);
const directory = await Deno.makeTempDir({ prefix: "ptlib-bench-" });
try {
  console.log(`Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} processors`);
  for (const part of parts) {
    const { title, report } = PARTS[part];
    console.log(`\n## ${title}\n\n${await report(directory)}`);
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}

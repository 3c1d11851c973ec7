/** What has come of it, in Markdown. */

import { median, table } from "../../bench/statistics.ts";
import type { Options } from "./options.ts";
import type { Sample } from "./samples.ts";
import type { Soaked } from "./soak.ts";
import { findFaults, HALVES, type Judged, MOMENTS, restInWords } from "./verdict.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Processor time of a program as a part of the time that passed while connections churned. */
function share(samples: readonly Sample[], cpu: (sample: Sample) => number): string {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return "";
  return `${(100 * (cpu(last) - cpu(first)) / (last.seconds - first.seconds)).toFixed(0)} %`;
}

function percentile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(part * (values.length - 1))] ?? 0;
}

function facts({ held, churning }: Options, soaked: Soaked): string[][] {
  const { churn: [from, to], users, destination, opening, killed } = soaked;
  const during = soaked.samples.filter(({ seconds }) => seconds >= from && seconds <= to);
  const latencies = during.map(({ latency }) => latency).filter((latency) => latency > 0);
  const bytes = (during.at(-1)?.bytes ?? 0) - (during[0]?.bytes ?? 0);
  const grouped = (value: number) => value.toLocaleString("en");
  return [
    ["connections held, and churning", `${grouped(held)} and ${grouped(churning)}`],
    ["time to open those held, s", opening.toFixed(1)],
    ["time that the others churned, s", (to - from).toFixed(0)],
    ["connections that got every byte at both ends", grouped(destination.whole)],
    ["broken off by a script, with the right bytes until then", grouped(destination.broken)],
    ["ended within the handshake", grouped(users.handshakes)],
    ["processes of users stopped and killed", grouped(killed)],
    ["pieces there and back on those held", grouped(users.pings)],
    ["bytes compared while they churned, GiB", (bytes / GIB).toFixed(2)],
    ["the same, MiB/s", (bytes / MIB / (to - from)).toFixed(1)],
    ["a new connection from dial to end, median ms", median(latencies).toFixed(1)],
    ["the same, 99 of 100 within, ms", percentile(latencies, 0.99).toFixed(0)],
    ["processor, client", share(during, ({ client }) => client.cpu)],
    ["processor, server", share(during, ({ server }) => server.cpu)],
    ["processor, users", share(during, ({ users }) => users.cpu)],
    ["processor, destination", share(during, ({ destination }) => destination.cpu)],
  ];
}

function verdict({ unknown, grew }: Judged): string {
  if (unknown) return "too short to tell";
  return grew ? "grew" : "level";
}

function levels(judged: readonly Judged[]): string[][] {
  return judged.map((level) => {
    const { half, figure, early, late, slope } = level;
    return [
      `${half}: ${figure.name}`,
      figure.inWords(early),
      figure.inWords(late),
      `${slope < 0 ? "" : "+"}${figure.inWords(slope)}`,
      verdict(level),
    ];
  });
}

function rests({ rests }: Soaked): string[][] {
  return HALVES.flatMap((half) =>
    MOMENTS.map(([moment, words]) => [`${half}, ${words}`, ...restInWords(rests[moment][half])])
  );
}

/** The summary. */
export function summarize(options: Options, soaked: Soaked, judged: readonly Judged[]): string {
  const faults = findFaults(soaked, judged);
  const { fewer, seed } = options;
  const parts = [
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} processors, seed ${seed}`,
    ...fewer === null ? [] : [fewer],
    table(["", "value"], facts(options, soaked)),
    table(["while they churned", "early", "late", "per hour at last", ""], levels(judged)),
    table(
      ["without garbage", "RSS", "heap", "buffers", "descriptors", "timers", "listeners"],
      rests(soaked),
    ),
    faults.length === 0
      ? "Nothing was lost, repeated or swapped, and nothing was left over or grew."
      : `**${faults.length} faults:**\n\n${faults.map((fault) => `- ${fault}`).join("\n")}`,
  ];
  return parts.join("\n\n");
}

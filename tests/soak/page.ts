/** Plots of what was sampled: a page that needs nothing else, and a small picture. */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import { document, type Drawing, svgFile } from "../svg.ts";
import type { Sample } from "./samples.ts";
import type { Soaked } from "./soak.ts";

const MIB = 1024 * 1024;
/** One line of a plot. */
interface Row {
  minutes: number;
  value: number;
  what: string;
}

/** One plot: its title, and its lines by name. */
interface Chart {
  title: string;
  lines: { [what: string]: (sample: Sample, before: Sample) => number };
}

const perSecond = (figure: (sample: Sample) => number) => (sample: Sample, before: Sample) =>
  (figure(sample) - figure(before)) / (sample.seconds - before.seconds);

const MEMORY: Chart = {
  title: "Memory (RSS), MiB",
  lines: {
    client: ({ client }) => client.resident / MIB,
    server: ({ server }) => server.resident / MIB,
  },
};
const DESCRIPTORS: Chart = {
  title: "Open descriptors",
  lines: {
    client: ({ client }) => client.descriptors,
    server: ({ server }) => server.descriptors,
  },
};
const LISTENERS: Chart = {
  title: "Listeners of signals",
  lines: {
    client: ({ client }) => client.listeners,
    server: ({ server }) => server.listeners,
  },
};
const LATENCY: Chart = {
  title: "A new connection, ms",
  lines: { latency: ({ latency }) => latency },
};

/** What the small picture shows. */
const SMALL = [MEMORY, DESCRIPTORS, LISTENERS, LATENCY];

const ALL: readonly Chart[] = [
  MEMORY,
  {
    title: "Heap and buffers, MiB",
    lines: {
      client: ({ client }) => (client.heap + client.external) / MIB,
      server: ({ server }) => (server.heap + server.external) / MIB,
    },
  },
  DESCRIPTORS,
  {
    title: "Connections that the destination has open",
    lines: { connections: ({ open }) => open },
  },
  {
    title: "Timers",
    lines: { client: ({ client }) => client.timers, server: ({ server }) => server.timers },
  },
  LISTENERS,
  { title: "Bytes compared, MiB/s", lines: { rate: perSecond(({ bytes }) => bytes / MIB) } },
  LATENCY,
  {
    title: "Processor, % of one",
    lines: {
      client: perSecond(({ client }) => 100 * client.cpu),
      server: perSecond(({ server }) => 100 * server.cpu),
      users: perSecond(({ users }) => 100 * users.cpu),
      destination: perSecond(({ destination }) => 100 * destination.cpu),
    },
  },
  {
    title: "Memory of the load's own programs, MiB",
    lines: {
      users: ({ users }) => users.resident / MIB,
      destination: ({ destination }) => destination.resident / MIB,
    },
  },
];

/** Leaves out samples evenly, so that there are no more than `most`. */
function thin(samples: readonly Sample[], most: number): Sample[] {
  const step = Math.ceil(samples.length / most);
  return samples.filter((_, i) => i % step === 0);
}

function rowsOf({ lines }: Chart, samples: readonly Sample[]): Row[] {
  return Object.entries(lines).flatMap(([what, figure]) =>
    samples.slice(1).map((sample, i) => ({
      minutes: sample.seconds / 60,
      value: Math.round(10 * figure(sample, samples[i]!)) / 10,
      what,
    }))
  );
}

/** Draws a chart as SVG. The grey lines are where churning begins and ends. */
function draw(chart: Chart, { samples, churn }: Soaked, most: number, width: number): Drawing {
  const names = Object.keys(chart.lines);
  const rows = rowsOf(chart, thin(samples, most));
  const last = names.map((what) => rows.findLast((row) => row.what === what)!);
  return Plot.plot({
    document,
    width,
    height: 180,
    marginRight: 70,
    marginTop: 28,
    x: { label: "min" },
    y: { grid: true, zero: true, label: chart.title },
    color: { domain: names },
    marks: [
      Plot.ruleX(churn.map((seconds) => seconds / 60), { stroke: "#bbb" }),
      Plot.lineY(rows, { x: "minutes", y: "value", stroke: "what", strokeWidth: 1 }),
      Plot.text(last, {
        x: "minutes",
        y: "value",
        text: "what",
        fill: "what",
        dx: 4,
        textAnchor: "start",
      }),
    ],
  });
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** A page with all plots and the summary. */
export function page(summary: string, soaked: Soaked): string {
  const plots = ALL.map((chart) => draw(chart, soaked, 1_000, 900).outerHTML);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Load and soak</title>
<style>body { font: 14px system-ui, sans-serif; max-width: 920px; margin: 2em auto; }</style>
<h1>Load and soak</h1>
<p>Grey lines are where churning begins and ends.</p>
${plots.join("\n")}
<pre>${escapeHtml(summary)}</pre>
</html>
`;
}

/** A small picture of what matters most. */
export function plot(soaked: Soaked): string {
  const [width, height] = [440, 190];
  const parts = SMALL.map((chart, i) => {
    const svg = draw(chart, soaked, 300, width);
    svg.setAttribute("x", String(i % 2 * width));
    svg.setAttribute("y", String(Math.floor(i / 2) * height));
    return svg;
  });
  return svgFile(2 * width, 2 * height, parts);
}

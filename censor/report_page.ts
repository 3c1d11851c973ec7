/**
 * The report as a page: everything in one file, without a script and without the network.
 *
 * @module
 */

import { escaped } from "./drawing.ts";
import { countText, type Finding } from "./finding.ts";
import type { Flow } from "./flow.ts";
import { lengthsPicture } from "./lengths_picture.ts";
import { extentOf, orderPicture, timePicture } from "./messages_picture.ts";
import { heatMap, placesPicture } from "./places_picture.ts";
import { probeTable } from "./probe_table.ts";
import type { Recording } from "./recording.ts";
import type { ProbeOutcome } from "./send_probe.ts";

/**
 * What stands on a page.
 *
 * @example
 * ```ts
 * import type { ReportPage } from "@ptlib/ptlib/censor";
 *
 * const empty: ReportPage = { title: "obfs4", caution: "", findings: [], recording: {} };
 * ```
 */
export interface ReportPage {
  /** What was looked at. */
  readonly title: string;
  /** What must be said beside it. */
  readonly caution: string;
  /** What came of the rules. */
  readonly findings: readonly Finding[];
  /** The connections. */
  readonly recording: Recording;
  /** The same loads without a transport. */
  readonly plain?: Recording | undefined;
  /** What became of probes. */
  readonly probes?: readonly ProbeOutcome[] | undefined;
}

const STYLE = `
:root { color-scheme: light dark; --client: #0b6bcb; --server: #c2410c; --line: #8888; }
@media (prefers-color-scheme: dark) { :root { --client: #6cb6ff; --server: #ff9a62; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3 { line-height: 1.2; overflow-wrap: anywhere; } h3 { margin-bottom: .2rem; font-size: 1rem; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
.client { fill: var(--client); } .server { fill: var(--server); } .line { fill: var(--line); }
.counts { font-weight: 700; font-size: 1.15rem; } .caption { font-size: .85rem; }
.caution { border-left: .3rem solid; padding-left: .8rem; }
details { border-bottom: 1px solid var(--line); padding: .4rem 0; overflow-wrap: anywhere; }
summary { cursor: pointer; } dt { font-weight: 600; } dd { margin: 0 0 .4rem; }
.sight { display: inline-block; min-width: 4.5rem; font-weight: 700; }
.seen { color: #c81e1e; } .clear { color: #15803d; } .unclear { color: #a16207; }
@media (prefers-color-scheme: dark) {
  .seen { color: #ff8a8a; } .clear { color: #6ee7a0; } .unclear { color: #fcd34d; }
}
@media (max-width: 30rem) { svg text { font-size: 18px; } }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); }
.answer { overflow-wrap: anywhere; }
@media (min-width: 48rem) { td:not(.answer) { white-space: nowrap; } }
@media (max-width: 30rem) { table { font-size: .75rem; } th, td { padding-right: .35rem; } }
tr:has(+ tr > .answer) > td { border-bottom: 0; }
.up { color: var(--client); } .down { color: var(--server); }
`;

function findingPart(finding: Finding): string {
  const { id, sight, title, figure, threshold, source, limits, remedy } = finding;
  const rows = [
    ["Measured", figure],
    ["Seen from", threshold],
    ["Source", source],
    ["Does not prove", limits],
    ...sight === "seen" ? [["What to do", remedy]] : [],
  ];
  const list = rows.map(([name = "", text = ""]) =>
    `<dt>${escaped(name)}</dt><dd>${escaped(text)}</dd>`
  );
  return `<details${
    sight === "seen" ? " open" : ""
  }><summary><span class="sight ${sight}">${sight}` +
    `</span> <b>${escaped(id)}</b>: ${escaped(title)}</summary><dl>${list.join("")}</dl></details>`;
}

const LOADS = [
  ["random", "random messages inside"],
  ["text", "text inside"],
  ["https", "HTTPS inside"],
  ["bulk", "many random bytes both ways at once inside"],
  ["tor", "a tor inside that bootstraps"],
  ["captured", "the capture"],
] as const;

function draw(title: string, picture: string): string {
  return `<h3>${escaped(title)}</h3>${picture}`;
}

/** The values and the lengths of what each side says first. */
function firstMessagesPart(flows: readonly Flow[], name: string): string {
  const sides = [["client", true], ["server", false]] as const;
  return sides.flatMap(([side, fromClient]) => [
    draw(
      `Values of the first bytes of the ${side}, 0 below and 255 above`,
      heatMap(flows, fromClient, `Values of the ${side}'s bytes with ${name}`) +
        placesPicture(flows, fromClient, `What the ${side}'s bytes are like with ${name}`),
    ),
    draw(
      `Connections by the length of the first message of the ${side}`,
      lengthsPicture(flows, fromClient, `Lengths of the ${side}'s first messages with ${name}`),
    ),
  ]).join("");
}

/** What is to be known of the pictures of connections. */
const LEGEND = `<p>In the pictures, bars of the <b class="up">client</b> go up and those of the
<b class="down">server</b> go down. A bar is all that one side said before the other spoke; its
height is the logarithm of its length, and the longest still fits. By time, it stands where its
first byte passed, in milliseconds after the first byte of the connection; the axis goes from 0 on
as a logarithm, too.</p>`;

/** What is to be known of the connections with one load. */
function captionOf(load: string): string {
  if (load === "captured") return "Times are those of the capture. They decide nothing.";
  const times = "Times are those of loopback and of this machine. They decide nothing.";
  return load === "bulk" ? `${times} Of each direction the first 512 KiB are recorded.` : times;
}

/** The connections with one load, and the same without the transport. */
function loadPart(
  name: string,
  flows: readonly Flow[],
  plain: readonly Flow[],
  caption: string,
): string {
  const extent = extentOf([...flows, ...plain]);
  const compared = [
    [`${flows.length} connections`, name, flows],
    ["The same without the transport", `${name}, without the transport`, plain],
  ] as const;
  const shown = compared.filter(([, , { length }]) => length > 0);
  return [
    `<h2>With ${escaped(name)}</h2>`,
    ...shown.map(([title, what, flows]) =>
      draw(`${title}, by order`, orderPicture(flows, `Messages by order with ${what}`, extent))
    ),
    ...shown.map(([title, what, flows]) =>
      draw(`${title}, by time`, timePicture(flows, `Messages by time with ${what}`, extent))
    ),
    `<p class="caption">${caption}</p>`,
    firstMessagesPart(flows, name),
    plain.length > 0
      ? `<details><summary>Values and lengths without the transport</summary>${
        firstMessagesPart(plain, compared[1][1])
      }</details>`
      : "",
  ].join("");
}

function probesPart(probes: readonly ProbeOutcome[]): string {
  return probes.length === 0 ? "" : `<h2>Probes of the server</h2>${probeTable(probes)}`;
}

/**
 * Writes the report as a page of HTML. It has all pictures in it, needs no network and has no
 * script.
 *
 * @param page What stands on it.
 * @returns The file.
 *
 * @example
 * ```ts
 * import { reportPage } from "@ptlib/ptlib/censor";
 *
 * const html = reportPage({ title: "<obfs4>", caution: "", findings: [], recording: {} });
 * if (html.includes("<obfs4>")) throw new Error();
 * ```
 */
export function reportPage(page: ReportPage): string {
  const { title, caution, findings, recording, plain = {}, probes = [] } = page;
  const loads = LOADS.flatMap(([load, name]) => {
    const flows = recording[load] ?? [];
    return flows.length === 0 ? [] : [
      loadPart(name, flows, plain[load] ?? [], captionOf(load)),
    ];
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What a censor sees: ${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>What a censor sees: ${escaped(title)}</h1>
<p class="counts">${countText(findings)}</p>
<p class="caution">${escaped(caution)}</p>
${findings.map(findingPart).join("\n")}
${LEGEND}
${loads.join("\n")}
${probesPart(probes)}
</body></html>
`;
}

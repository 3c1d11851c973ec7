/**
 * The report as a page: everything in one file, without a script and without the network.
 *
 * @module
 */

import { escaped } from "./drawing.ts";
import type { Finding } from "./finding.ts";
import type { Flow } from "./flow.ts";
import { heatMap, lengthsPicture, messagesPicture } from "./pictures.ts";
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
svg { width: 100%; height: auto; } svg text { font-size: 9px; fill: currentColor; }
.client { fill: var(--client); } .server { fill: var(--server); } .line { fill: var(--line); }
.caution { border-left: .3rem solid; padding-left: .8rem; }
details { border-bottom: 1px solid var(--line); padding: .4rem 0; overflow-wrap: anywhere; }
summary { cursor: pointer; } dt { font-weight: 600; } dd { margin: 0 0 .4rem; }
.sight { display: inline-block; min-width: 4.5rem; font-weight: 700; }
.seen { color: #c81e1e; } .clear { color: #15803d; } .unclear { color: #a16207; }
@media (prefers-color-scheme: dark) {
  .seen { color: #ff8a8a; } .clear { color: #6ee7a0; } .unclear { color: #fcd34d; }
}
@media (max-width: 30rem) { svg text { font-size: 14px; } }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); }
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
      heatMap(flows, fromClient, `Values of the ${side}'s bytes with ${name}`),
    ),
    draw(
      `Lengths of the first message of the ${side}`,
      lengthsPicture(flows, fromClient, `Lengths of the ${side}'s first messages with ${name}`),
    ),
  ]).join("");
}

/** The connections with one load, and the same without the transport. */
function loadPart(name: string, flows: readonly Flow[], plain: readonly Flow[]): string {
  const without = `${name}, without the transport`;
  const isCompared = plain.length > 0;
  return [
    `<h2>With ${escaped(name)}</h2>`,
    draw(`${flows.length} connections`, messagesPicture(flows, `Messages with ${name}`)),
    isCompared
      ? draw("The same without the transport", messagesPicture(plain, `Messages with ${without}`))
      : "",
    firstMessagesPart(flows, name),
    isCompared
      ? `<details><summary>Values and lengths without the transport</summary>${
        firstMessagesPart(plain, without)
      }</details>`
      : "",
  ].join("");
}

const ENDINGS = { fin: "FIN", rst: "RST", open: "left open", refused: "refused" } as const;

function endOf({ ending, then }: ProbeOutcome): string {
  return then === "reset" && ending === "open" ? "torn down by the prober" : ENDINGS[ending];
}

/** From when to when probes of one kind were ended. */
function timesOf(outcomes: readonly ProbeOutcome[]): string {
  const times = outcomes.flatMap(({ milliseconds }) => milliseconds ?? []);
  if (times.length === 0) return "";
  const [first, last] = [Math.min(...times), Math.max(...times)].map(Math.round);
  return first === last ? `${first} ms` : `${first} to ${last} ms`;
}

/** One row for all that were taken the same. */
function probeRows(outcomes: readonly ProbeOutcome[]): string[] {
  const groups = Map.groupBy(outcomes, (outcome) => {
    const { name, bytes, answer } = outcome;
    return [name, bytes.length, answer.length, endOf(outcome)].join("\n");
  });
  return Array.from(groups.values(), (group) => {
    const [first] = group as [ProbeOutcome, ...ProbeOutcome[]];
    const { name, bytes, answer } = first;
    const numbers = [group.length, bytes.length, answer.length].map(String);
    const cells = [name, ...numbers, endOf(first), timesOf(group)];
    return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`;
  });
}

function probesPart(probes: readonly ProbeOutcome[]): string {
  if (probes.length === 0) return "";
  const heads = ["Probe", "Times", "Bytes sent", "Bytes answered", "End", "After"];
  return `<h2>Probes of the server</h2><div class="wide"><table><tr>${
    heads.map((head) => `<th>${head}</th>`).join("")
  }</tr>${probeRows(probes).join("")}</table></div>`;
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
    return flows.length === 0 ? [] : [loadPart(name, flows, plain[load] ?? [])];
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What a censor sees: ${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>What a censor sees: ${escaped(title)}</h1>
<p class="caution">${escaped(caution)}</p>
${findings.map(findingPart).join("\n")}
<p>In the pictures, bars of the <b class="up">client</b> go up and those of the
<b class="down">server</b> go down; the height is the logarithm of the length in bytes.</p>
${loads.join("\n")}
${probesPart(probes)}
</body></html>
`;
}

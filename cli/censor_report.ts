/**
 * What `ptlib censor` tells a person: a line a rule, and below it what one has to know.
 *
 * @module
 */

import { givingUp } from "../censor/reactions.ts";
import {
  type Burst,
  bursts,
  type Finding,
  type Observation,
  type ProbeOutcome,
} from "../censor/mod.ts";
import { harmless, type painter } from "./terminal.ts";

type Paint = ReturnType<typeof painter>;

const STYLES = { seen: "red", clear: "green", unclear: "yellow" } as const;
const [WIDTH, SIGHT_WIDTH, ID_WIDTH, LABEL_WIDTH] = [100, 8, 18, 16];
/** How many messages of a connection are shown. */
const SHOWN = 8;

/** What must be said beside every report. */
export const CAUTION =
  "That a rule does not see a transport is no promise: censors have more than is published, and " +
  "the best known defence in one country is what is blocked in another.";

/** Breaks a text into lines that begin with so many spaces, the first one after them. */
export function wrap(text: string, indent: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    const longer = line === "" ? word : `${line} ${word}`;
    if (indent + longer.length <= WIDTH || line === "") lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}

function row(label: string, text: string): string {
  const indent = SIGHT_WIDTH + LABEL_WIDTH;
  const head = " ".repeat(SIGHT_WIDTH) + label.padEnd(LABEL_WIDTH);
  return head + wrap(harmless(text), indent);
}

/** A finding: what is looked for, what was measured, where from, and what can be done. */
export function findingText(finding: Finding, paint: Paint): string {
  const { sight, id, title, figure, threshold, source, limits, remedy } = finding;
  const head = paint(STYLES[sight], sight.padEnd(SIGHT_WIDTH)) + id.padEnd(ID_WIDTH) + title;
  return [
    head,
    row("measured", figure),
    row("seen from", threshold),
    row("source", source),
    row("does not prove", limits),
    ...sight === "seen" ? [row("what to do", remedy)] : [],
  ].join("\n");
}

/** Sizes of messages with arrows: to the right what the client sends. */
function arrows(all: readonly Burst[]): string {
  return all.slice(0, SHOWN).map(({ fromClient, bytes }) =>
    `${fromClient ? ">" : "<"}${bytes.length}`
  ).join(" ");
}

/** The first messages of one connection of each kind, with the transport and without. */
export function shapes({ through, plain }: Pick<Observation, "through" | "plain">): string {
  const rows = (["random", "text", "https", "bulk", "tor"] as const).flatMap((load) => {
    const [first, without] = [through[load]?.[0], plain[load]?.[0]];
    if (first === undefined) return [];
    return [
      row(`${load} inside`, arrows(bursts(first))),
      ...without === undefined ? [] : [row("  without it", arrows(bursts(without)))],
    ];
  });
  return [
    "The first messages of a connection, in bytes (> from the client, < from the server):",
    ...rows,
  ]
    .join("\n");
}

const ENDINGS = {
  fin: "closed by FIN",
  rst: "closed by RST",
  open: "left open",
  refused: "refused",
} as const;

function inSeconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(1);
}

/** When the server gave up connections in which too little came. */
function patience(outcomes: readonly ProbeOutcome[]): string[] {
  const contents = givingUp(outcomes);
  const [first] = contents;
  if (first === undefined) return [];
  const rows = contents.map(({ name, count, times }) => {
    const ended = times.length === 0
      ? `none of ${count}`
      : `${times.length} of ${count} after ${times.map(inSeconds).join(" ")} s`;
    return `  ${name.padEnd(26)}${wrap(ended, 28)}`;
  });
  return [`When it gave up connections, within ${inSeconds(first.patience)} s:`, ...rows];
}

/** What the server did to which probes. */
export function reactions(outcomes: readonly ProbeOutcome[]): string {
  const settled = outcomes.filter(({ then, patience }) =>
    patience === undefined && then !== "reset"
  );
  const groups = Map.groupBy(
    settled,
    ({ answer, ending }) => `${answer.length > 0 ? "answered" : "no answer"}, ${ENDINGS[ending]}`,
  );
  const rows = Array.from(groups, ([reaction, group]) => {
    const names = new Set(group.map(({ name }) => name.replace(/ random bytes$/, "")));
    return `  ${reaction.padEnd(26)}${wrap([...names].join(", "), 28)}`;
  });
  return [
    "What the server did within 4 s to each probe (numbers: so many random bytes):",
    ...rows,
    ...patience(outcomes),
  ]
    .join("\n");
}

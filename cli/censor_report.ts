/**
 * What `ptlib censor` tells a person: a line a rule, and below those that see it what can be done.
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
import { fold } from "./fold.ts";
import { harmless, type painter } from "./terminal.ts";

type Paint = ReturnType<typeof painter>;

const STYLES = { seen: "red", clear: "green", unclear: "yellow" } as const;
const [SIGHT_WIDTH, ID_WIDTH, PROBE_WIDTH] = [8, 18, 26];
/** How many messages of a connection are shown. */
const SHOWN = 8;

/** What must be said beside every report. */
export const CAUTION =
  "That a rule does not see a transport is no promise: censors have more than is published, and " +
  "the best known defence in one country is what is blocked in another.";

function row(label: string, text: string): string {
  return fold(" ".repeat(SIGHT_WIDTH) + label.padEnd(ID_WIDTH), harmless(text));
}

/**
 * A finding: what is looked for, what was measured, and from where on it counts as seen. Where it
 * is seen, also what that does not prove and what can be done.
 */
export function findingText(finding: Finding, paint: Paint): string {
  const { sight, id, title, figure, threshold, source, limits, remedy } = finding;
  const head = paint(STYLES[sight], sight.padEnd(SIGHT_WIDTH)) + id.padEnd(ID_WIDTH);
  return [
    fold(head, harmless(`${title}: ${figure} (seen from: ${threshold}; ${source})`)),
    ...sight === "seen" ? [row("what to do", remedy), row("does not prove", limits)] : [],
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
    return fold(`  ${name.padEnd(PROBE_WIDTH)}`, ended);
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
    const names = new Set(group.map(({ name }) => name.replace(/ random bytes?$/, "")));
    return fold(`  ${reaction.padEnd(PROBE_WIDTH)}`, [...names].join(", "));
  });
  return [
    "What the server did within 4 s to each probe (numbers: so many random bytes):",
    ...rows,
    ...patience(outcomes),
  ]
    .join("\n");
}

/**
 * How a server took probes, compared: by their lengths, by their first byte, from time to time, and
 * when it gives up.
 *
 * @module
 */

import { PATIENCE, type ProbeOutcome } from "./send_probe.ts";

/**
 * A connection that ends later than this, in milliseconds, may have been given up; one that ends
 * earlier has been ended for what came. On a busy machine that takes a while.
 */
const AT_ONCE = 2_000;
/** The same where nothing has come: no more is done than to close it. */
const AT_ONCE_UNASKED = 500;
/** From when on an end may be one that was drawn or given up, in milliseconds. */
const EARLIEST_CUT = 1_000;

/** Whether what it sent are random bytes, and only how many they are counts. */
export function isRandom({ name }: Pick<ProbeOutcome, "name">): boolean {
  return / random bytes?$/.test(name);
}

/** Whether it sent one byte, of which only the value counts. */
export function isByte({ name }: Pick<ProbeOutcome, "name">): boolean {
  return name.startsWith("byte 0x");
}

/**
 * From when on a connection that ended counts as one that was left open. It is where nothing ended
 * for the longest time, so that those which end together count together, however busy the machine
 * is.
 */
function cutOf(outcomes: readonly ProbeOutcome[]): number {
  const times = settled(outcomes).flatMap(({ milliseconds }) => milliseconds ?? []);
  const late = times.filter((time) => time > EARLIEST_CUT).sort((one, other) => one - other);
  const ends = [...late, PATIENCE];
  const gaps = ends.map((end, index) => [end - (ends[index - 1] ?? EARLIEST_CUT), end] as const);
  const [width, end] = gaps.reduce((widest, gap) => gap[0] > widest[0] ? gap : widest);
  return end - width / 2;
}

/** How a server took it: whether it answered, and how it ended it for what came. */
function reactionOf({ answer, ending, milliseconds }: ProbeOutcome, cut: number): string {
  const isGivenUp = milliseconds !== null && milliseconds >= cut;
  return `${answer.length > 0 ? "an answer" : "no answer"}, ${isGivenUp ? "open" : ending}`;
}

/** The one reaction to all of some probes; `null` where it was not the same each time. */
function commonReaction(outcomes: readonly ProbeOutcome[], cut: number): string | null {
  const reactions = new Set(outcomes.map((outcome) => reactionOf(outcome, cut)));
  return reactions.size === 1 ? [...reactions][0]! : null;
}

/** Outcomes of which only the reaction counts. */
function settled(outcomes: readonly ProbeOutcome[]): ProbeOutcome[] {
  return outcomes.filter(({ patience, then }) => patience === undefined && then !== "reset");
}

/** The reaction to each length of random bytes; `null` where it was not the same each time. */
export function reactionsByLength(outcomes: readonly ProbeOutcome[]): [number, string | null][] {
  const cut = cutOf(outcomes);
  const groups = Map.groupBy(outcomes.filter(isRandom), ({ bytes }) => bytes.length);
  return [...groups].sort(([one], [other]) => one - other).map(([length, group]) => [
    length,
    commonReaction(group, cut),
  ]);
}

/** The reaction to each single byte, where it was the same each time. */
export function reactionsByByte(outcomes: readonly ProbeOutcome[]): [name: string, string][] {
  const cut = cutOf(outcomes);
  return [...Map.groupBy(outcomes.filter(isByte), ({ name }) => name)].flatMap(([name, group]) => {
    const reaction = commonReaction(group, cut);
    return reaction === null ? [] : [[name, reaction]];
  });
}

/** The names of probes that were sent several times, and of those that were not taken the same. */
export function repeated(
  outcomes: readonly ProbeOutcome[],
): { readonly all: string[]; readonly differing: string[] } {
  const cut = cutOf(outcomes);
  const groups = [...Map.groupBy(settled(outcomes), ({ name }) => name)]
    .filter(([, group]) => group.length > 1);
  return {
    all: groups.map(([name]) => name),
    differing: groups.filter(([, group]) => commonReaction(group, cut) === null).map(([name]) =>
      name
    ),
  };
}

/** When a server gave up the connections with one content. */
export interface GivingUp {
  /** What was sent. */
  readonly name: string;
  /** How many connections there were. */
  readonly count: number;
  /** After how many milliseconds those ended that did, the earliest first. */
  readonly times: readonly number[];
  /** What ended earlier was ended for what came, and not given up, in milliseconds. */
  readonly soonest: number;
  /** How long it was waited, in milliseconds. */
  readonly patience: number;
}

/** When a server gave up connections in which too little came, by what came. */
export function givingUp(outcomes: readonly ProbeOutcome[]): GivingUp[] {
  const waiting = outcomes.filter(({ patience }) => patience !== undefined);
  return Array.from(Map.groupBy(waiting, ({ name }) => name), ([name, group]) => ({
    name: name.replace(/, waiting$/, ""),
    count: group.length,
    times: group.flatMap(({ milliseconds }) => milliseconds ?? []).sort((one, other) =>
      one - other
    ),
    soonest: group[0]!.bytes.length === 0 ? AT_ONCE_UNASKED : AT_ONCE,
    patience: group[0]!.patience!,
  }));
}

/** What one of the two programs has seen, which it prints as lines of JSON. */

import { within } from "../waiting.ts";
import { type End, play } from "./end.ts";
import { isWhole, type Script, type Side } from "./script.ts";

/** Numbers of one of the two programs, all since its start but for `open`. */
export interface Tally {
  /** Connections that are open now. */
  open: number;
  /** Bytes that have come and were compared. */
  bytes: number;
  /** Connections of which both ends must have got everything, and the sum of their ids. */
  whole: number;
  wholeIds: number;
  /** Connections that were broken off, as their script says. */
  broken: number;
  /** Connections that ended in the handshake. */
  handshakes: number;
  /** Pieces that went there and back on connections that are held. */
  pings: number;
}

/** What the two programs print. */
export type Line =
  | { kind: "ready"; orport: readonly [string, number]; cookieFile: string }
  | { kind: "tally"; tally: Tally }
  | { kind: "fault"; text: string }
  | { kind: "done"; order: string };

/** How long a connection may take that lives 12 s at most, in milliseconds. */
const LONGEST = 120_000;
const INTERVAL = 1_000;

/** What a program has seen that has just begun. */
export const NOTHING: Readonly<Tally> = {
  open: 0,
  bytes: 0,
  whole: 0,
  wholeIds: 0,
  broken: 0,
  handshakes: 0,
  pings: 0,
};

/** What this program has seen. */
export const tally: Tally = { ...NOTHING };

/** Prints a line. */
export function say(line: Line): void {
  console.log(JSON.stringify(line));
}

/** Says that something is wrong that must not be. */
export function sayFault(text: string): void {
  say({ kind: "fault", text });
}

/** Begins to print the numbers, every second. */
export function sayTally(): void {
  setInterval(() => say({ kind: "tally", tally }), INTERVAL);
}

/** Plays one end of a connection, and counts it. */
export async function playAndCount(conn: End, script: Script, side: Side): Promise<void> {
  const playing = play(conn, script, side, (bytes) => tally.bytes += bytes);
  const what = `Connection ${script.id} (${script.kind}) at the ${side}`;
  const fault = await within(LONGEST, what, playing).catch((error: Error) => error.message);
  if (fault !== null) return sayFault(fault);
  if (!isWhole(script)) {
    tally.broken++;
    return;
  }
  tally.whole++;
  tally.wholeIds += script.id;
}

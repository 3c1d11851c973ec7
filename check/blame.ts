/**
 * Which half is at fault when what one end does not show at the other: the wire between the halves
 * tells, as far as it can.
 *
 * @module
 */

import type { Fixture } from "./fixture.ts";
import { Failed, type Role } from "./verdict.ts";
import type { Side } from "./wire.ts";

/** From the user to the backend, or the other way. */
export type Direction = "up" | "down";

type Sides = Readonly<Record<Role, Readonly<Side>>>;

/** The half that a direction comes to first, and the one behind it. */
function order(direction: Direction): [first: Role, second: Role] {
  return direction === "up" ? ["client", "server"] : ["server", "client"];
}

/** Who has not passed on the end of a stream. */
function whoKeepsTheEnd(sides: Sides, direction: Direction): Role | null {
  const [first, second] = order(direction);
  if (sides[first].ended) return second;
  // What it has sent may have been the end, in the transport's own way.
  return sides[first].sent === 0 ? first : null;
}

/** Who has not passed on `count` bytes that go against the direction of an end. */
function whoKeepsTheBytes(sides: Sides, direction: Direction, count: number): Role | null {
  const [second, first] = order(direction);
  if (sides[first].sent >= count && !sides[first].ended) return second;
  // Whoever has ended its side may have meant the whole connection.
  return sides[second].ended ? null : first;
}

/**
 * Makes a step of a check that goes through both halves. When it fails, the checked half is accused
 * where the wire shows that it is the one, and not where it has done its part.
 */
async function judge(
  { wire, role }: Fixture,
  who: (sides: Sides) => Role | null,
  step: () => Promise<unknown>,
): Promise<void> {
  try {
    await step();
  } catch (error) {
    const sides = wire?.sides ?? null;
    if (!(error instanceof Failed) || sides === null) throw error;
    const half = who(sides);
    if (half === null) throw error;
    if (half === role) throw new Failed(error.expected, error.got, true);
  }
}

/** Makes a step that needs an end to arrive. */
export async function endArrives(
  fixture: Fixture,
  direction: Direction,
  step: () => Promise<unknown>,
): Promise<void> {
  await judge(fixture, (sides) => whoKeepsTheEnd(sides, direction), step);
}

/** Makes a step that needs bytes to arrive against the direction in which the stream has ended. */
export async function bytesArriveAgainst(
  fixture: Fixture,
  direction: Direction,
  count: number,
  step: () => Promise<unknown>,
): Promise<void> {
  await judge(fixture, (sides) => whoKeepsTheBytes(sides, direction, count), step);
}

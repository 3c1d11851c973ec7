/** What connections hold that are idle, or whose readers have stopped. */

import type { Pair } from "./contestants.ts";
import type { Order, Way } from "./load_process.ts";
import { residentBytes } from "./proc.ts";
import type { Figures, Measurement } from "./rounds.ts";

const KIB = 1024;

function resident({ pids }: Pair): number {
  return pids.reduce((total, pid) => total + residentBytes(pid), 0);
}

/** What programs that have just started grow by, where they have carried a few connections before. */
function growth(
  order: (way: Way) => Order,
  figures: (bytes: number) => Figures,
): Measurement {
  return {
    rounds: 5,
    turns: 0,
    pinned: false,
    extended: false,
    async measure(load, pair) {
      const { way } = pair;
      await load.order({ kind: "hold", way, connections: 5 });
      const before = resident(pair);
      await load.order(order(way));
      const grown = resident(pair) - before;
      await load.order({ kind: "release" });
      return { "client and server before, MiB": before / KIB / KIB, ...figures(grown) };
    },
  };
}

/** So many idle connections. */
export function idleMemory(connections: number): Measurement {
  return growth(
    (way) => ({ kind: "hold", way, connections }),
    (bytes) => ({ [`an idle connection among ${connections}, KiB`]: bytes / KIB / connections }),
  );
}

const STALLED = 400;

/** Connections on which much is sent, and nobody reads. */
export const stalledMemory: Measurement = growth(
  (way) => ({ kind: "stall", way, connections: STALLED }),
  (bytes) => ({ [`growth by ${STALLED} connections that nobody reads, MiB`]: bytes / KIB / KIB }),
);

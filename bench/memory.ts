/** What connections hold that are idle, or whose readers have stopped. */

import type { Pair } from "./contestants.ts";
import { residentBytes } from "./proc.ts";
import type { Measurement } from "./rounds.ts";

const KIB = 1024;

function resident({ pids }: Pair): number {
  return pids.reduce((total, pid) => total + residentBytes(pid), 0);
}

/** So many idle connections of programs that have just started. */
export function idleMemory(connections: number): Measurement {
  return {
    rounds: 5,
    turns: 0,
    pinned: false,
    async measure(load, pair) {
      const { way } = pair;
      await load.order({ kind: "hold", way, connections: 5 });
      const before = resident(pair);
      await load.order({ kind: "hold", way, connections });
      const after = resident(pair);
      await load.order({ kind: "release" });
      return {
        [`an idle connection among ${connections}, KiB`]: (after - before) / KIB / connections,
      };
    },
  };
}

const STALLED = 400;

/** Connections on which much is sent, and nobody reads. */
export const stalledMemory: Measurement = {
  rounds: 5,
  turns: 0,
  pinned: false,
  async measure(load, pair) {
    const { way } = pair;
    await load.order({ kind: "hold", way, connections: 5 });
    const before = resident(pair);
    await load.order({ kind: "stall", way, connections: STALLED });
    const after = resident(pair);
    await load.order({ kind: "release" });
    return {
      [`growth by ${STALLED} connections that nobody reads, MiB`]: (after - before) / KIB / KIB,
    };
  },
};

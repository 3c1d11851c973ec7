/** How fast bytes go through client and server, and what they cost. */

import { cpuSeconds } from "./proc.ts";
import { type Measurement, processorTime } from "./rounds.ts";

const MIB = 1024 * 1024;
const BYTES = 512 * MIB;

/** So many connections at once, up and then down. */
export function throughput(connections: number): Measurement {
  return {
    rounds: 2,
    turns: 3,
    pinned: false,
    extended: false,
    async measure(load, pair) {
      const { way } = pair;
      const before = [processorTime(pair), cpuSeconds(load.pid)] as const;
      const up = await load.order({ kind: "up", way, connections, bytes: BYTES });
      const down = await load.order({ kind: "down", way, connections, bytes: BYTES });
      const seconds = up.Seconds + down.Seconds;
      return {
        [`up on ${connections}, MiB/s`]: BYTES / MIB / up.Seconds,
        [`down on ${connections}, MiB/s`]: BYTES / MIB / down.Seconds,
        ...pair.pids.length > 0 && {
          "processor time, s/GiB": (processorTime(pair) - before[0]) * 512 * MIB / BYTES,
        },
        "meanwhile the load generator's share of a processor": (cpuSeconds(load.pid) - before[1]) /
          seconds,
      };
    },
  };
}

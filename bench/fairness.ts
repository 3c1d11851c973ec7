/** What four flows of bulk do to a connection that says little, and to new ones. */

import type { Measurement } from "./rounds.ts";
import { median, percentile } from "./statistics.ts";

const MIB = 1024 * 1024;
const FLOWS = 4;
const SECONDS = 4;

/** Two flows up and two down, with an interactive connection and new ones beside them. */
export const fairness: Measurement = {
  rounds: 3,
  turns: 3,
  pinned: false,
  extended: false,
  async measure(load, { way }) {
    const order = { kind: "beside", way, connections: FLOWS, seconds: SECONDS } as const;
    const { Bytes, Seconds, Interactive, Fresh } = await load.order(order);
    return {
      "512 bytes there and back, median ms": median(Interactive ?? []),
      "512 bytes there and back, 95 %, ms": percentile(Interactive ?? [], 0.95),
      "a new connection, median ms": median(Fresh ?? []),
      "a new connection, 95 %, ms": percentile(Fresh ?? [], 0.95),
      "the four flows together, MiB/s": Bytes / MIB / Seconds,
    };
  },
};

/** How long 512 bytes, the size of a cell of tor's, take there and back on a quiet connection. */

import type { Measurement } from "./rounds.ts";
import { median, percentile } from "./statistics.ts";

const EXCHANGES = 2_000;

/** With all programs on one processor, or wherever the system puts them. */
export function latency(pinned: boolean): Measurement {
  return {
    rounds: 3,
    turns: 5,
    pinned,
    extended: false,
    async measure(load, { way }) {
      const { Interactive } = await load.order({ kind: "exchange", way, bytes: EXCHANGES * 512 });
      const where = pinned ? "on one processor" : "on all processors";
      return {
        [`512 bytes there and back ${where}, median ms`]: median(Interactive ?? []),
        [`99 %, ms`]: percentile(Interactive ?? [], 0.99),
      };
    },
  };
}

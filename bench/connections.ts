/** How many connections come and go, and what one costs. */

import { type Measurement, processorTime } from "./rounds.ts";

/** goptlib's programs keep some 5 descriptors of each for ever: neither half sees the end. */
const CONNECTIONS = 400;
const AT_ONCE = 8;

/** Connections with a byte there and back, eight at a time. */
export const connections: Measurement = {
  rounds: 5,
  turns: 5,
  pinned: false,
  async measure(load, pair) {
    const before = processorTime(pair);
    const { way } = pair;
    const order = { kind: "connect", way, connections: CONNECTIONS, atOnce: AT_ONCE } as const;
    const { Seconds } = await load.order(order);
    return {
      "connections a second": CONNECTIONS / Seconds,
      "processor time of a connection, ms": (processorTime(pair) - before) * 1000 / CONNECTIONS,
    };
  },
};

/** How many connections come and go, and what one costs. */

import type { LoadProcess } from "./load_process.ts";
import type { Pair } from "./contestants.ts";
import { type Measurement, processorTime } from "./rounds.ts";

/** goptlib's programs keep some 5 descriptors of each for ever: neither half sees the end. */
const CONNECTIONS = 400;
const AT_ONCE = 8;

/** Connections that come and go, and the milliseconds of processor time of each. */
async function comeAndGo(load: LoadProcess, pair: Pair, connections: number) {
  const before = processorTime(pair);
  const { way } = pair;
  const { Seconds } = await load.order({ kind: "connect", way, connections, atOnce: AT_ONCE });
  return { Seconds, cost: (processorTime(pair) - before) * 1000 / connections };
}

/** Connections with a byte there and back, eight at a time, to tor's ORPort or its extended one. */
export function connections(extended: boolean): Measurement {
  const how = extended ? ", Extended ORPort" : "";
  return {
    rounds: 5,
    turns: 5,
    pinned: false,
    extended,
    async measure(load, pair) {
      const { Seconds, cost } = await comeAndGo(load, pair, CONNECTIONS);
      return {
        [`connections a second${how}`]: CONNECTIONS / Seconds,
        [`processor time of a connection${how}, ms`]: cost,
      };
    },
  };
}

/** What new connections find open before them: goptlib's servers hold 6 descriptors for each. */
const OPEN = [200, 2_000];
const NEW = 200;

/** What a connection costs beside many that are open and idle, and beside ten times as many. */
export const connectionsAmongMany: Measurement = {
  rounds: 5,
  turns: 0,
  pinned: false,
  extended: false,
  async measure(load, pair) {
    const { way } = pair;
    await comeAndGo(load, pair, NEW); // Programs that have just started cost more.
    const figures: [title: string, value: number][] = [];
    let held = 0;
    for (const open of OPEN) {
      await load.order({ kind: "hold", way, connections: open - held });
      held = open;
      const { cost } = await comeAndGo(load, pair, NEW);
      figures.push([`processor time of a connection beside ${open} open ones, ms`, cost]);
    }
    await load.order({ kind: "release" });
    return Object.fromEntries(figures);
  },
};

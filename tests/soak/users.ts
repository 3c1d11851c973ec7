/**
 * The users, a process of its own: they open connections through a transport's client, and play
 * their ends. It takes one order a line on stdin, as JSON.
 */

import { LineReader } from "@ptlib/ptlib/line";
import type { Way } from "../../bench/load_process.ts";
import { pause } from "../waiting.ts";
import { dialByScript } from "./dial_by_script.ts";
import { HeldConnections } from "./held.ts";
import { drawScript, isWhole, life } from "./script.ts";
import { random } from "./random.ts";
import { comeAsStranger } from "./stranger.ts";
import { playAndCount, say, sayFault, sayTally, tally } from "./tally.ts";

/** Which connections are kept churning. */
export interface Churn {
  seed: number;
  firstId: number;
  /** How many go through client and server, and how many never get through the handshake. */
  through: number;
  strangers: number;
  /** Whether this process may be stopped and killed meanwhile. */
  doomed: boolean;
}

/** What can be ordered. */
export type Order =
  /** Comes first: the way through the transport. */
  | { order: "use"; way: Way }
  /** Opens connections, and holds them. */
  | { order: "hold"; count: number; firstId: number }
  /** Begins to open others, one after the other in each of so many places. */
  | { order: "churn"; churn: Churn }
  /** Lets those come to their ends, and opens no more. */
  | { order: "stop" }
  /** Ends those that are held. */
  | { order: "release" };

let way: Way | undefined;
let held: HeldConnections | undefined;
let stopped = false;
let churning: Promise<void> = Promise.resolve();

function ready(): Way {
  if (way === undefined) throw new Error("Nobody has said which way to use");
  return way;
}

async function carryOne({ seed, doomed }: Churn, id: number): Promise<void> {
  const script = drawScript(seed, id, doomed);
  tally.open++;
  try {
    const conn = await dialByScript(ready(), script);
    await playAndCount(conn, script, "user");
  } catch (error) {
    // Where the destination breaks off at once, the script may come too late.
    const late = !isWhole(script) && error instanceof Deno.errors.BrokenPipe;
    if (!late) sayFault(`connection ${id} (${script.kind}) could not be opened: ${error}`);
  } finally {
    tally.open--;
  }
}

async function churn(what: Churn): Promise<void> {
  let id = what.firstId;
  const inPlace = async (one: (id: number) => Promise<void>) => {
    await pause(life(random(id++))); // They shall not come all at once.
    while (!stopped) await one(id++);
  };
  const stranger = (id: number) => comeAsStranger(ready(), what.seed, id);
  const places = [
    ...Array.from({ length: what.through }, () => inPlace((id) => carryOne(what, id))),
    ...Array.from({ length: what.strangers }, () => inPlace(stranger)),
  ];
  await Promise.all(places);
}

async function obey(order: Order): Promise<void> {
  switch (order.order) {
    case "use":
      way = order.way;
      held = new HeldConnections(order.way);
      return;
    case "hold":
      return await held?.open(order.count, order.firstId);
    case "churn":
      churning = churn(order.churn);
      churning.catch((error) => sayFault(`the users themselves: ${error}`));
      return;
    case "stop":
      stopped = true;
      return await churning;
    case "release":
      return await held?.release();
  }
}

if (import.meta.main) {
  sayTally();
  const lines = new LineReader();
  for await (const chunk of Deno.stdin.readable) {
    for (const line of lines.push(chunk)) {
      const order: Order = JSON.parse(line ?? "");
      await obey(order);
      say({ kind: "done", order: order.order });
    }
  }
  Deno.exit(0);
}

/** Those who go away, or say nothing, in the middle of a SOCKS handshake. */

import { closeQuietly } from "@ptlib/ptlib/net";
import type { Way } from "../../bench/load_process.ts";
import { ipToBytes } from "../../address.ts";
import { connectResettable } from "../../testing/mod.ts";
import { pause } from "../waiting.ts";
import { choose, random } from "./random.ts";
import { life } from "./script.ts";
import { tally } from "./tally.ts";

/** A greeting and a request for the bridge, as a user sends them. */
function socksBytes({ bridge: [host, port] }: Way): Uint8Array<ArrayBuffer> {
  const address = ipToBytes(host)!;
  return Uint8Array.of(5, 1, 0, 5, 1, 0, 1, ...address, port >> 8, port & 0xff);
}

/** Connects to the SOCKS port, sends a part of a handshake, waits, and goes away in some way. */
export async function comeAsStranger(way: Way, seed: number, id: number): Promise<void> {
  const next = random(seed ^ Math.imul(id, 0xc2b2ae35));
  const bytes = socksBytes(way);
  const length = Math.floor(next() * (bytes.length + 1));
  const conn = await connectResettable(way.socks[1], way.socks[0]);
  tally.open++;
  try {
    await conn.write(bytes.subarray(0, length));
    await choose<() => Promise<unknown>>(next, [
      [5, () => conn.read(new Uint8Array(1))], // Until the client has enough of it, or answers.
      [5, () => pause(life(next))],
    ])();
    if (next() < 0.5) conn.reset();
  } catch {
    // The client may reset who has kept it waiting.
  } finally {
    tally.open--;
    tally.handshakes++;
    closeQuietly(conn);
  }
}

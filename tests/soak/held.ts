/** The connections that are held open, on which little moves. */

import { closeQuietly, readFull, writeAll } from "@ptlib/ptlib/net";
import type { Way } from "../../bench/load_process.ts";
import { pause, within } from "../waiting.ts";
import { PING } from "./destination.ts";
import { dialByScript } from "./dial_by_script.ts";
import type { End } from "./end.ts";
import { bytesOf, findFault } from "./pattern.ts";
import { heldScript } from "./script.ts";
import { sayFault, tally } from "./tally.ts";

/** How many are opened or closed at a time. */
const AT_ONCE = 64;
/** How long it is from one piece on one of them to the next piece on another, in milliseconds. */
const PING_EVERY = 10;
/** How long a piece may take there and back, in milliseconds. */
const LONGEST = 60_000;

interface Held {
  id: number;
  conn: End;
  position: number;
}

/** All that are held. */
export class HeldConnections {
  readonly #all: Held[] = [];
  readonly #way: Way;
  #over = false;
  #pinging: Promise<void> | undefined;

  constructor(way: Way) {
    this.#way = way;
  }

  /** Opens so many, with ids from one on, and begins to send a little on each in turn. */
  async open(count: number, firstId: number): Promise<void> {
    let next = 0;
    const work = async () => {
      while (next < count) await this.#openOne(firstId + next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.#pinging = this.#pingInTurn();
  }

  async #openOne(id: number): Promise<void> {
    try {
      const held = { id, conn: await dialByScript(this.#way, heldScript(id)), position: 0 };
      this.#all.push(held);
      tally.open++;
      await this.#ping(held);
    } catch (error) {
      sayFault(`held connection ${id} could not be opened: ${error}`);
    }
  }

  async #ping(held: Held): Promise<void> {
    const { id, conn, position } = held;
    try {
      await writeAll(conn, bytesOf(id, "up", position, PING));
      const reading = readFull(conn, new Uint8Array(PING));
      const pong = await within(LONGEST, "A piece there and back", reading);
      const fault = findFault(id, "down", position, pong);
      if (fault !== null) sayFault(`held connection ${id}, the user: ${fault}`);
      held.position += PING;
      tally.pings++;
      tally.bytes += PING;
    } catch (error) {
      sayFault(`held connection ${id}, the user: ${error}`);
      this.#forget(held);
    }
  }

  #forget(held: Held): void {
    this.#all.splice(this.#all.indexOf(held), 1);
    tally.open--;
    closeQuietly(held.conn);
  }

  async #pingInTurn(): Promise<void> {
    for (let turn = 0; !this.#over; turn++) {
      await pause(PING_EVERY);
      const held = this.#all[turn % this.#all.length];
      if (held !== undefined) await this.#ping(held);
    }
  }

  /** Sends a last piece on each and ends it as one does. */
  async release(): Promise<void> {
    this.#over = true;
    await this.#pinging;
    const work = async () => {
      for (let held = this.#all.pop(); held !== undefined; held = this.#all.pop()) {
        await this.#releaseOne(held);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async #releaseOne({ id, conn, position }: Held): Promise<void> {
    try {
      await writeAll(conn, bytesOf(id, "up", position, PING));
      await conn.closeWrite();
      const reading = readFull(conn, new Uint8Array(PING));
      const pong = await within(LONGEST, "The last piece", reading);
      const fault = findFault(id, "down", position, pong);
      if (fault !== null) throw new Error(fault);
      const count = await within(LONGEST, "The end", conn.read(new Uint8Array(1)));
      if (count !== null) throw new Error("more came than was sent");
    } catch (error) {
      sayFault(`held connection ${id}, the user, at its end: ${error}`);
    }
    tally.open--;
    closeQuietly(conn);
  }
}

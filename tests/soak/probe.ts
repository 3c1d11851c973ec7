/** New connections, one a second, that measure how long a new one takes. */

import type { Way } from "../../bench/load_process.ts";
import { pause, within } from "../waiting.ts";
import { dialByScript } from "./dial_by_script.ts";
import { play } from "./end.ts";
import { quickScript } from "./script.ts";

const EVERY = 1_000;
/** How long one may take, in milliseconds. */
const LONGEST = 60_000;

export class Probe {
  /** How long the last one took from its beginning to its end, in milliseconds. */
  latency = 0;
  /** How many there were, and the sum of their ids. */
  whole = 0;
  wholeIds = 0;
  readonly #way: Way;
  readonly #onFault: (text: string) => void;
  #id: number;
  #over = false;
  #running: Promise<void> | undefined;

  constructor(way: Way, firstId: number, onFault: (text: string) => void) {
    this.#way = way;
    this.#id = firstId;
    this.#onFault = onFault;
  }

  async #once(): Promise<void> {
    const script = quickScript(this.#id++);
    const start = performance.now();
    const conn = await dialByScript(this.#way, script);
    const fault = await within(LONGEST, "A new connection", play(conn, script, "user", () => {}));
    this.latency = performance.now() - start;
    if (fault !== null) return this.#onFault(fault);
    this.whole++;
    this.wholeIds += script.id;
  }

  async #onceOrFault(): Promise<void> {
    await this.#once().catch((error) => this.#onFault(`a new connection: ${error}`));
  }

  /** Opens so many, some at a time. */
  async warmUp(count: number, atOnce: number): Promise<void> {
    let left = count;
    const work = async () => {
      while (left-- > 0) await this.#onceOrFault();
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  /** Begins with one a second. */
  start(): void {
    this.#over = false;
    const run = async () => {
      while (!this.#over) {
        await this.#onceOrFault();
        await pause(EVERY);
      }
    };
    this.#running = run();
  }

  /** Ends that, and waits for the last one. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#running;
  }
}

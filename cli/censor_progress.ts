/**
 * What is being done to watch a transport, in a line on the terminal, with the time that it takes.
 *
 * @module
 */

import type { Load } from "../censor/mod.ts";
import { canShowStatus, showStatus } from "./terminal.ts";

const EVERY = 1_000;

/** What each part is called, in the order in which they come. */
const PARTS: Record<Load | "probes", string> = {
  random: "connections with random bytes inside",
  text: "connections with text inside",
  https: "connections with HTTPS inside",
  bulk: "connections with much inside",
  tor: "a tor that bootstraps inside",
  probes: "probes of the server, and connections that it may give up",
};

/** The line. Where nobody sees it, there is none. */
export class CensorProgress implements Disposable {
  readonly #show: ((text: string | null) => void) | null;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #part = "the program starts, as server and client";
  #since = performance.now();

  /**
   * Shows it.
   *
   * @param show Is given the line, and `null` when it is over; `null` where nobody sees it.
   */
  constructor(show: ((text: string | null) => void) | null = canShowStatus() ? showStatus : null) {
    this.#show = show;
    if (show !== null) this.#timer = setInterval(() => this.tell(), EVERY);
    this.tell();
  }

  /** Goes on to the next part. */
  goOn(part: Load | "probes"): void {
    this.#part = PARTS[part];
    this.#since = performance.now();
    this.tell();
  }

  /** Shows it anew. */
  tell(): void {
    this.#show?.(`${this.#part} ... ${Math.floor((performance.now() - this.#since) / 1000)} s`);
  }

  /** Takes the line away. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#show?.(null);
  }
}

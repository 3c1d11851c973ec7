/**
 * Which check is being made, in a line on the terminal that goes when there is a result.
 *
 * @module
 */

import type { CheckInfo, CheckResult } from "../check/check.ts";

/** Where it is shown. */
export interface Screen {
  isTerminal(): boolean;
  writeSync(bytes: Uint8Array): number;
}

const EVERY = 1_000;
const ERASE = "\r\x1b[2K";

/** The line. Where nobody sees it, there is none. */
export class Progress implements Disposable {
  readonly #screen: Screen;
  readonly #checks: readonly CheckInfo[];
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #made = 0;
  #next: CheckInfo | undefined;
  #since = Date.now();

  constructor(checks: readonly CheckInfo[], screen: Screen = Deno.stderr) {
    this.#screen = screen;
    this.#checks = checks;
    if (screen.isTerminal()) this.#timer = setInterval(() => this.show(), EVERY);
  }

  #write(text: string): void {
    if (this.#timer !== undefined) this.#screen.writeSync(new TextEncoder().encode(text));
  }

  /** Shows it anew. */
  show(): void {
    const seconds = Math.floor((Date.now() - this.#since) / 1000);
    const what = this.#next === undefined
      ? "starting the program"
      : `${this.#made} of ${this.#checks.length} made; ${this.#next.role}/${this.#next.id}`;
    this.#write(`${ERASE}${what} ... ${seconds} s`);
  }

  /** Takes the line away, because there is something to print. */
  clear(): void {
    this.#write(ERASE);
  }

  /** Goes on to what comes behind a result. */
  after({ role, id }: CheckResult): void {
    const index = this.#checks.findIndex((check) => check.role === role && check.id === id);
    [this.#made, this.#next] = [index + 1, this.#checks[index + 1]];
    this.#since = Date.now();
  }

  [Symbol.dispose](): void {
    this.clear();
    clearInterval(this.#timer);
  }
}

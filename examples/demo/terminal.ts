/**
 * What the demo shows: coloured lines, and a progress line that is rewritten on a terminal only.
 *
 * @module
 */

import { format } from "@std/fmt/bytes";
import { cyan, dim, setColorEnabled } from "@std/fmt/colors";

const WIDTH = 30;
const REDRAW = 100;
const TERMINAL = Deno.stdout.isTerminal();

setColorEnabled(TERMINAL && !Deno.noColor);

/** Prints a line, and above the progress line where there is one. */
export function tell(line: string): void {
  console.log(TERMINAL ? `\r\x1b[K${line}` : line);
}

/** A number of bytes in words. */
export function size(bytes: number): string {
  return format(bytes, { binary: true });
}

/** A speed in words. */
export function speed(bytes: number, milliseconds: number): string {
  return `${size(1000 * bytes / Math.max(milliseconds, 1))}/s`;
}

/** How far something is: a line for each quarter, on a terminal one line for all. */
export class Progress {
  readonly #total: number;
  readonly #start = performance.now();
  #done = 0;
  #shown = 0;

  constructor(total: number) {
    this.#total = total;
  }

  /** How long it has taken, in milliseconds. */
  get elapsed(): number {
    return performance.now() - this.#start;
  }

  /** More bytes are done. */
  add(bytes: number): void {
    this.#done += bytes;
    if (TERMINAL) this.#redraw();
    else this.#tellQuarter();
  }

  get #state(): string {
    const percent = `${Math.floor(100 * this.#done / this.#total)} %`.padStart(5);
    return `${percent}  ${size(this.#done)}  ${speed(this.#done, this.elapsed)}`;
  }

  #redraw(): void {
    const now = performance.now();
    if (now - this.#shown < REDRAW && this.#done < this.#total) return;
    this.#shown = now;
    const full = Math.round(WIDTH * this.#done / this.#total);
    const bar = cyan("█".repeat(full)) + dim("░".repeat(WIDTH - full));
    const end = this.#done < this.#total ? "" : "\n";
    Deno.stdout.writeSync(new TextEncoder().encode(`\r\x1b[K${bar}${this.#state}${end}`));
  }

  #tellQuarter(): void {
    const quarter = Math.floor(4 * this.#done / this.#total);
    if (quarter === this.#shown) return;
    this.#shown = quarter;
    tell(this.#state);
  }
}

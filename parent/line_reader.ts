/**
 * Lines out of the chunks of bytes in which a pipe delivers them.
 *
 * @module
 */

const LF = 0x0a;
const CR = 0x0d;

/**
 * Cuts a stream of bytes into lines, whatever the chunks are.
 *
 * A line ends with LF or CR LF. Bytes that are not UTF-8 become U+FFFD. A line that is too long
 * is dropped, and `null` stands in its place; no more of it than the limit is ever held.
 *
 * @example
 * ```ts
 * import { LineReader } from "@ptlib/ptlib/line";
 *
 * const utf8 = new TextEncoder();
 * const reader = new LineReader();
 * const lines = [
 *   ...reader.push(utf8.encode("VERSION 1\r\nCMETHODS")),
 *   ...reader.push(utf8.encode(" DONE\n")),
 * ];
 * if (lines.join() !== "VERSION 1,CMETHODS DONE") throw new Error();
 * ```
 */
export class LineReader {
  readonly #maxBytes: number;
  // A byte order mark is no part of any line, so it must stay visible.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #pieces: Uint8Array[] = [];
  #length = 0;

  /**
   * Begins with an empty line.
   *
   * @param maxBytes How many bytes a line may have, its end not counted.
   */
  constructor(maxBytes: number = 65_536) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next chunk.
   *
   * @param chunk Any bytes. They are copied where they are needed later.
   * @returns The lines that end in this chunk; `null` for each that was too long.
   *
   * @example
   * ```ts
   * import { LineReader } from "@ptlib/ptlib/line";
   *
   * const [line] = new LineReader(4).push(new TextEncoder().encode("too long\n"));
   * if (line !== null) throw new Error();
   * ```
   */
  push(chunk: Uint8Array): (string | null)[] {
    const lines: (string | null)[] = [];
    let start = 0;
    for (let end: number; (end = chunk.indexOf(LF, start)) !== -1; start = end + 1) {
      this.#keep(chunk.subarray(start, end));
      lines.push(this.#take());
    }
    this.#keep(chunk.slice(start));
    return lines;
  }

  /**
   * The current line as far as received. At the end of a stream: the text after the last LF.
   *
   * @returns The text so far; `null` when it is too long already.
   *
   * @example
   * ```ts
   * import { LineReader } from "@ptlib/ptlib/line";
   *
   * const reader = new LineReader();
   * reader.push(new TextEncoder().encode("VERSION 1\nCMETH"));
   * if (reader.unfinished !== "CMETH") throw new Error();
   * ```
   */
  get unfinished(): string | null {
    return this.#tooLong() ? null : this.#text();
  }

  #tooLong(): boolean {
    // One byte more than the limit is held, for it may be the CR of the line's end.
    return this.#length > this.#maxBytes + 1;
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#length = Math.min(this.#length + bytes.length, this.#maxBytes + 2);
    if (this.#tooLong()) this.#pieces = [];
    else this.#pieces.push(bytes);
  }

  #text(): string {
    const bytes = new Uint8Array(this.#length);
    let offset = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    return this.#decoder.decode(bytes);
  }

  #take(): string | null {
    const text = this.#tooLong() ? null : this.#text();
    const endsWithCr = this.#pieces.at(-1)?.at(-1) === CR;
    const length = this.#length - (endsWithCr ? 1 : 0);
    this.#pieces = [];
    this.#length = 0;
    if (text === null || length > this.#maxBytes) return null;
    return endsWithCr ? text.slice(0, -1) : text;
  }
}

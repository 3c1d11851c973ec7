/**
 * A pluggable transport that is being checked: whatever it says and does is taken down, nothing
 * is expected of it here, and it is killed and reaped in the end.
 *
 * @module
 */

import { type Message, parseLine } from "../parent/line.ts";
import { killChild, killGroup, spawnGroup } from "../parent/process_group.ts";
import { resultWithin } from "../parent/result_within.ts";

/** A line of a program's stdout. */
export interface Line {
  /** Its bytes without the line end, each as one character. */
  readonly text: string;
  /** What it says; null when it is malformed. */
  readonly message: Message | null;
}

const latin1 = new TextDecoder("latin1");
const MOST_STDERR = 2_000;
const MOST_LOGS = 3;
const LONGEST_LOG = 200;
const LONGEST_COMPLAINT = 300;
/** How many times as long as anything else a start may take. */
const START = 3;
/** What comes on stdout after so many bytes is read and forgotten. */
const MOST_STDOUT = 1 << 20;

function read(text: string): Line {
  try {
    return { text, message: parseLine(text) };
  } catch {
    return { text, message: null };
  }
}

/** Whether a line may come at any time, and changes nothing. */
export function isAside(message: Message | null): boolean {
  return message?.kind === "log" || message?.kind === "status" ||
    message?.kind === "status-version";
}

/** What is needed to start a program. */
export interface Start {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly timeout: number;
  /** Its working directory; ours where it is left out. */
  readonly cwd?: string;
}

function spawn({ command, environment, cwd }: Start): Deno.ChildProcess {
  try {
    return spawnGroup(command, environment, cwd);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    const name = JSON.stringify(command[0]);
    const sentence = `There is no program ${name}: install it, or give its path`;
    throw new Deno.errors.NotFound(sentence, { cause });
  }
}

/** A running program. */
export class Program implements AsyncDisposable {
  /** The lines it has said. */
  readonly lines: Line[] = [];
  /** What it said after its last line end. */
  rest = "";
  /** Resolves when nothing can come from its stdout any more. */
  readonly silent: Promise<true>;
  readonly start: Start;
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #stdout: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #stderr: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #listeners = new Set<() => void>();
  #stdoutLength = 0;
  #stderrText = "";
  #status: Deno.CommandStatus | null = null;
  #release: Promise<void> | null = null;

  constructor(start: Start) {
    this.start = start;
    this.#process = spawn(start);
    this.#stdin = this.#process.stdin.getWriter();
    this.#stdin.closed.catch(() => {}); // The program may be gone before we close it.
    this.#stdout = this.#process.stdout.getReader();
    this.#stderr = this.#process.stderr.getReader();
    this.silent = this.#readLines();
    this.#readStderr();
    this.#process.status.then((status) => this.#status = status);
  }

  async #readLines(): Promise<true> {
    try {
      for (;;) {
        const { value, done } = await this.#stdout.read();
        if (done) break;
        this.#stdoutLength += value.length;
        if (this.#stdoutLength <= MOST_STDOUT) this.#take(latin1.decode(value));
        else this.rest = "";
      }
    } catch {
      // A stdout that cannot be read is as silent as one that has ended.
    }
    return true;
  }

  #take(text: string): void {
    const pieces = (this.rest + text).split("\n");
    this.rest = pieces.pop() ?? "";
    for (const piece of pieces) this.lines.push(read(piece));
    this.#listeners.forEach((listener) => listener());
  }

  async #readStderr(): Promise<void> {
    try {
      for (;;) {
        const { value, done } = await this.#stderr.read();
        if (done) return;
        this.#stderrText = (this.#stderrText + latin1.decode(value)).slice(-MOST_STDERR);
      }
    } catch {
      // As above.
    }
  }

  /** The last lines of its stderr, on one line and short. */
  get complaint(): string {
    // deno-lint-ignore no-control-regex -- what a program prints may be anything
    const plain = this.#stderrText.replace(/\x1b\[[0-9;]*m/g, "").replace(/[^\x20-\x7e]+/g, " ");
    const words = plain.trim();
    if (words.length <= LONGEST_COMPLAINT) return words;
    return `... ${words.slice(-LONGEST_COMPLAINT).replace(/^\S* /, "")}`;
  }

  /** Its last words: LOG lines, and what stands last on its stderr. */
  get lastWords(): string[] {
    const logs = this.lines.filter(({ message }) => message?.kind === "log").slice(-MOST_LOGS);
    const { complaint } = this;
    return [...logs.map(({ text }) => text.slice(0, LONGEST_LOG)), ...complaint ? [complaint] : []];
  }

  /**
   * Waits for a line; null when it does not come: the program fell silent, or time is up. To
   * start takes a program longer than anything else, most of all on a busy machine.
   */
  async line(
    wanted: (line: Line) => boolean,
    milliseconds = START * this.start.timeout,
  ): Promise<Line | null> {
    const { promise, resolve } = Promise.withResolvers<Line>();
    const look = () => {
      const found = this.lines.find(wanted);
      if (found !== undefined) resolve(found);
    };
    this.#listeners.add(look);
    try {
      look();
      await resultWithin(Promise.race([promise, this.silent]), milliseconds);
      return this.lines.find(wanted) ?? null;
    } finally {
      this.#listeners.delete(look);
    }
  }

  /** Waits for its end; null when it goes on. */
  async ended(milliseconds = this.start.timeout): Promise<Deno.CommandStatus | null> {
    const status = await resultWithin(this.#process.status, milliseconds);
    // Its last words may still be on their way.
    if (status !== null) await resultWithin(this.silent, this.start.timeout);
    return status;
  }

  /** Its end, when that has come. */
  get status(): Deno.CommandStatus | null {
    return this.#status;
  }

  /** Writes to its stdin. */
  async tell(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#stdin.write(bytes).catch(() => {}); // It may be gone.
  }

  /** Closes its stdin. */
  async closeStdin(): Promise<void> {
    await this.#stdin.close().catch(() => {}); // It may be closed, or gone.
  }

  /** Sends it a signal. */
  signal(signal: Deno.Signal): void {
    killChild(this.#process, signal);
  }

  /** Kills it and waits until it is reaped; once. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#release ??= this.#end();
  }

  async #end(): Promise<void> {
    killGroup(this.#process, "SIGKILL");
    await this.#process.status;
    killGroup(this.#process, "SIGKILL"); // What it has left running.
    await this.closeStdin();
    // A process of its own may have inherited these and keep them open.
    await Promise.all([this.#stdout.cancel(), this.#stderr.cancel()]).catch(() => {});
  }
}

/**
 * A child process that is talked to by lines, and ended gently first.
 *
 * @module
 */

import { LineReader } from "./line_reader.ts";
import { killGroup, spawnGroup } from "./process_group.ts";
import { resultWithin } from "./result_within.ts";

/** How long each step of ending a child may take, in milliseconds. */
const TIMEOUT = 2_000;

/** How long output may still arrive when the child has ended: a grandchild can hold the pipe. */
const DRAIN = 1_000;

/** How many bytes are taken of a pipe before it is somebody else's turn. */
const TURN = 64 * 1024;

/** Where the lines of a child go; `null` stands for one that was too long. */
export interface Listeners {
  onStdout(line: string | null): void;
  onStderr(line: string | null): void;
}

/** Reads a pipe until it ends: one that is not read would stop the child. */
class Drain {
  readonly #lines = new LineReader();
  readonly ended: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(stream: ReadableStream<Uint8Array>, onLine: (line: string | null) => void) {
    this.#reader = stream.getReader();
    this.ended = this.#run(onLine).catch(() => {});
  }

  async #run(onLine: (line: string | null) => void): Promise<void> {
    for (let length = 0;;) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      this.#lines.push(value).forEach(onLine);
      length += value.length;
      if (length < TURN) continue;
      // A child that floods us shall not keep timers and other work waiting.
      length = 0;
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  /** What came after the last line. */
  get unfinished(): string | null {
    return this.#lines.unfinished;
  }

  async stop(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}

/** A running child. Its stdin is a pipe that is only ever closed. */
export class Child {
  /** Resolves when it has ended and all that it wrote has been read. */
  readonly ended: Promise<Deno.CommandStatus>;
  /** Resolves when its stdout has ended, whether it runs or not. */
  readonly stdoutEnded: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #drains: readonly Drain[];
  #stopping: Promise<Deno.CommandStatus> | undefined;

  constructor(command: readonly string[], env: Record<string, string>, listeners: Listeners) {
    this.#child = spawnGroup(command, env);
    const stdout = new Drain(this.#child.stdout, (line) => listeners.onStdout(line));
    const stderr = new Drain(this.#child.stderr, (line) => listeners.onStderr(line));
    this.#drains = [stdout, stderr];
    this.stdoutEnded = stdout.ended;
    // On stdout it would be no line of the protocol; on stderr it can be what explains the end.
    stderr.ended.then(() => stderr.unfinished !== "" && listeners.onStderr(stderr.unfinished));
    this.ended = this.#end();
  }

  /** The process id. */
  get pid(): number {
    return this.#child.pid;
  }

  async #end(): Promise<Deno.CommandStatus> {
    const status = await this.#child.status;
    // What it has left running has nobody any more that would end it.
    killGroup(this.#child, "SIGTERM");
    await resultWithin(Promise.all(this.#drains.map((drain) => drain.ended)), DRAIN);
    killGroup(this.#child, "SIGKILL");
    await Promise.all([...this.#drains.map((drain) => drain.stop()), this.#closeStdin()]);
    return status;
  }

  async #closeStdin(): Promise<void> {
    // It is closed already when this is the second time.
    await this.#child.stdin.close().catch(() => {});
  }

  /** Waits up to a time for its end. */
  async endsWithin(milliseconds: number): Promise<boolean> {
    return await resultWithin(this.#child.status, milliseconds) !== null;
  }

  /** Ends it: closes stdin, then SIGTERM, then SIGKILL, 2 s apart. May be called many times. */
  stop(): Promise<Deno.CommandStatus> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<Deno.CommandStatus> {
    await this.#closeStdin();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (await this.endsWithin(TIMEOUT)) break;
      killGroup(this.#child, signal);
    }
    return await this.ended;
  }
}

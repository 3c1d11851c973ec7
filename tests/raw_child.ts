/** A program with an open stdin and a stdout that is read line by line: as a parent sees it. */

import { assert } from "@std/assert";
import { Deadline } from "../net/deadline.ts";
import { fullNames, type Variables } from "./environment.ts";

/** How long a program may take for anything. It fails a test, and measures nothing. */
const PATIENCE = 30_000;

/** Waits for something, and fails when it takes too long. */
async function patiently<T>(promise: Promise<T>, what: string): Promise<T> {
  using deadline = new Deadline(PATIENCE, what);
  const late = Promise.withResolvers<never>();
  deadline.signal.addEventListener("abort", () => late.reject(deadline.signal.reason));
  return await Promise.race([promise, late.promise]);
}

/** How a program ended, and what it said. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** The options of a process that gets these variables and no other. */
function spawnOptions(args: readonly string[], variables: Variables) {
  return { args: [...args], env: { ...fullNames(variables), NO_COLOR: "1" }, clearEnv: true };
}

/** Runs a program, without a stdin, until it ends. */
export async function runToEnd(
  [program = "", ...args]: readonly string[],
  variables: Variables,
): Promise<Outcome> {
  const options = { ...spawnOptions(args, variables), signal: AbortSignal.timeout(PATIENCE) };
  const { code, stdout, stderr } = await new Deno.Command(program, options).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** A program that runs. Disposing of it kills it. */
export class RawChild implements AsyncDisposable {
  /** The process id. */
  readonly pid: number;
  readonly #process: Deno.ChildProcess;
  readonly #stdout: ReadableStreamDefaultReader<string>;
  #said = "";

  constructor([program = "", ...args]: readonly string[], variables: Variables) {
    this.#process = new Deno.Command(program, {
      ...spawnOptions(args, variables),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.pid = this.#process.pid;
    this.#stdout = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Everything it has said up to a line. */
  until(line: string): Promise<string> {
    return this.untilMatch({ test: (said) => said.endsWith(`${line}\n`) });
  }

  /** Everything it has said up to where that looks like something. */
  async untilMatch(pattern: { test(said: string): boolean }): Promise<string> {
    while (!pattern.test(this.#said)) {
      const { value, done } = await patiently(this.#stdout.read(), "The next line");
      if (done) throw new Error(`it ended with ${JSON.stringify(this.#said)}`);
      this.#said += value;
    }
    return this.#said;
  }

  /** Everything it says in its life. */
  async untilEnd(): Promise<string> {
    for (;;) {
      const { value, done } = await patiently(this.#stdout.read(), "The end of its words");
      if (done) return this.#said;
      this.#said += value;
    }
  }

  /** The port of a `CMETHOD` or `SMETHOD` line. */
  port(transport: string): number {
    const line = RegExp(`^[CS]METHOD ${transport} (?:socks5 )?127\\.0\\.0\\.1:(\\d+)`, "m");
    const [, port] = line.exec(this.#said) ?? [];
    assert(port !== undefined, this.#said);
    return Number(port);
  }

  /** Nobody reads its stdout any more. */
  async closeStdout(): Promise<void> {
    await this.#stdout.cancel();
  }

  async closeStdin(): Promise<void> {
    await this.#process.stdin.close().catch(() => {}); // It may be closed, or the child gone.
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** How it ends by itself. */
  async status(): Promise<{ code: number; signal: Deno.Signal | null }> {
    const { code, signal } = await patiently(this.#process.status, "The end of the program");
    return { code, signal };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeStdin();
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
    await this.closeStdout();
  }
}

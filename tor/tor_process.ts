/**
 * One tor process and its log, read line by line from its stdout.
 *
 * @module
 */

/** How long a tor may take to end after SIGTERM before it gets SIGKILL. */
const END_MS = 3_000;

/** How many of the last notable lines a failure shows. */
const TAIL_LINES = 12;

/** What tor warns of, and what it says of bridges and of its transport. */
const NOTABLE =
  /\[(?:warn|err)\]|Managed proxy|Got a line from managed proxy '.*?': \((?!LOG )|\[notice\].*(?:[Bb]ootstrap|[Bb]ridge|[Tt]ransport|Proxy Client)/;

/**
 * What tor logs when a pluggable transport is of no use to it. What the transport says itself, in a
 * `LOG` line or to its stderr, can have the same words in it.
 */
const TRANSPORT_FAILED =
  /\[warn\] (?!.*Managed proxy (?:"[^"]*"|at '[^']*' reported via standard error): ).*managed proxy.*( failed | method error| terminated with status )/i;

/** A tor that ended, or did not say in time what it was expected to say. */
export class TorFailed extends Error {
  override name = "TorFailed";

  /** Whether the tor lost the race for a port that was free a moment ago. */
  readonly portTaken: boolean;

  constructor(tor: string, reason: string, tail: readonly string[]) {
    const lines = tail.length === 0 ? ["(it logged nothing)"] : tail;
    super(`${tor} ${reason}. Its last log lines:\n${lines.map((line) => `  ${line}`).join("\n")}`);
    this.portTaken = tail.some((line) => /\[warn\].*address (is )?already in use/i.test(line));
  }
}

/** A running tor; disposing of it ends it and waits for that. */
export class TorProcess implements AsyncDisposable {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #onLog: (line: string) => void;
  #news = Promise.withResolvers<void>();
  readonly #finished: Promise<void>;

  /**
   * Starts `tor` with just this torrc: the system's own files are not read.
   *
   * @param name What failures call it.
   * @param torrc The path of its configuration, which must log to stdout.
   * @param failed Is told when tor ends or its pluggable transport fails.
   * @param onLog Is given every line of its log.
   */
  constructor(
    name: string,
    torrc: string,
    failed: (failure: TorFailed) => void,
    onLog: (line: string) => void,
  ) {
    this.#name = name;
    this.#onLog = onLog;
    this.#child = new Deno.Command("tor", {
      // Without its torrc it must not start: it would join the public network.
      args: ["--defaults-torrc", "/dev/null", "-f", torrc],
      // tor hands it on: a transport that runs on Deno is not to ask for a newer one.
      env: { DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#finished = this.#follow(failed);
  }

  /**
   * Resolves with the first log line, past or future, that matches.
   *
   * @throws {TorFailed} When the signal aborts because time is up.
   */
  async logged(pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray> {
    for await (const line of this.log(signal)) {
      const match = pattern.exec(line);
      if (match !== null) return match;
    }
    throw new TypeError("A log has no end");
  }

  /**
   * Every log line, past and future.
   *
   * @throws {TorFailed} When the signal aborts because time is up.
   */
  async *log(signal: AbortSignal): AsyncGenerator<string, never> {
    for (let heard = 0;; heard++) {
      let line: string | undefined;
      while ((line = this.#lines[heard]) === undefined) await this.#more(signal);
      yield line;
    }
  }

  /** Ends tor: SIGTERM, and SIGKILL when that takes too long. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill("SIGTERM");
    const timer = setTimeout(() => this.#kill("SIGKILL"), END_MS);
    await this.#finished;
    clearTimeout(timer);
  }

  async #follow(failed: (failure: TorFailed) => void): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      lines.forEach(this.#onLog);
      this.#news.resolve();
      this.#news = Promise.withResolvers();
      if (lines.some((line) => TRANSPORT_FAILED.test(line))) {
        failed(this.failure("has no working pluggable transport"));
      }
    }
    const { code, signal } = await this.#child.status;
    failed(this.failure(signal === null ? `ended with status ${code}` : `was ended by ${signal}`));
  }

  /** Waits for the next lines. */
  async #more(signal: AbortSignal): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = () => reject(this.#explain(signal.reason));
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    try {
      await Promise.race([this.#news.promise, promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** What to throw when it does not do what it should. */
  failure(reason: string): TorFailed {
    const notable = this.#lines.filter((line) => NOTABLE.test(line));
    return new TorFailed(this.#name, reason, notable.slice(-TAIL_LINES));
  }

  #explain(reason: unknown): unknown {
    const timeIsUp = reason instanceof DOMException && reason.name === "TimeoutError";
    return timeIsUp ? this.failure(`did not get there: ${reason.message}`) : reason;
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
  }
}

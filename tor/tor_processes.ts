/**
 * The tor processes of one network, in a directory of their own.
 *
 * @module
 */

import { type TorFailed, TorProcess } from "./tor_process.ts";
import { quote } from "./torrc.ts";

const COMMON_TORRC = [
  "TestingTorNetwork 1",
  // When this program is killed, tor ends by itself within 15 seconds.
  `__OwningControllerProcess ${Deno.pid}`,
  "ShutdownWaitLength 0",
];

/** The tors of a network; disposing of it ends them and removes what they wrote. */
export class TorProcesses implements AsyncDisposable {
  readonly #failed = new AbortController();
  readonly #processes: TorProcess[] = [];
  readonly #stopped = new Set<string>();
  readonly #onLog: (tor: string, line: string) => void;
  /** Where all of them keep their files. */
  readonly directory: string = Deno.makeTempDirSync({ prefix: "ptlib_tor_" });

  /**
   * Makes their directory.
   *
   * @param onLog Is given every line that one of them logs, with its name.
   */
  constructor(onLog: (tor: string, line: string) => void = () => {}) {
    this.#onLog = onLog;
  }

  /** Aborts when one of them fails, with the failure as its reason. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Where a tor of this name keeps its files. */
  dataDirectory(name: string): string {
    return `${this.directory}/${name}`;
  }

  /** Where the torrc of this name is. */
  torrc(name: string): string {
    return `${this.directory}/${name}.torrc`;
  }

  /**
   * Starts a tor with the lines of its torrc. It does not wait: none can start behind the end of
   * them all.
   */
  start(name: string, torrc: readonly string[]): TorProcess {
    const file = this.torrc(name);
    const lines = [...COMMON_TORRC, `DataDirectory ${quote(this.dataDirectory(name))}`, ...torrc];
    Deno.writeTextFileSync(file, lines.map((line) => `${line}\n`).join(""));
    const failed = (failure: TorFailed) => {
      if (!this.#stopped.has(name)) this.#failed.abort(failure);
    };
    const process = new TorProcess(name, file, failed, (line) => this.#onLog(name, line));
    this.#processes.push(process);
    return process;
  }

  /** Ends one of them. That it is gone counts as no failure. */
  async stop(name: string, process: TorProcess): Promise<void> {
    this.#stopped.add(name);
    await process[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process[Symbol.asyncDispose]()));
    await Deno.remove(this.directory, { recursive: true });
  }
}

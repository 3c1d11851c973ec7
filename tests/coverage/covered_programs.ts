/**
 * Has the programs that tests start write their coverage, also those that are started without the
 * environment of the tests, and those that are killed.
 */

/** How long a program has to write its coverage when it is to be killed, in milliseconds. */
const GRACE = 1_000;

const { Command, ChildProcess } = Deno;
const kill = ChildProcess.prototype.kill;
const setTimer = setTimeout;

function tryKill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    kill.call(child, signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // It has ended.
  }
}

/** Kills a program after it has had the time for an end of its own. */
function killGently(child: Deno.ChildProcess): void {
  kill.call(child, "SIGTERM");
  tryKill(child, "SIGINT");
  setTimer(() => tryKill(child, "SIGKILL"), GRACE);
}

/** From now on programs write their coverage into the directory that is asked for at their start. */
export function coverPrograms(directory: () => string): void {
  class CoveredCommand extends Command {
    constructor(command: string | URL, options: Deno.CommandOptions = {}) {
      super(command, { ...options, env: { ...options.env, DENO_COVERAGE_DIR: directory() } });
    }
  }
  Object.defineProperty(Deno, "Command", { value: CoveredCommand });
  ChildProcess.prototype.kill = function (signal: Deno.Signal = "SIGTERM") {
    if (signal === "SIGKILL") killGently(this);
    else kill.call(this, signal);
  };
}

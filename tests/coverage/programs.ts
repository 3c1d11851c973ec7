/**
 * Has the programs that tests start write their coverage, too, also those that are started without
 * the environment of the tests. Loaded by `deno test --preload`.
 */

const directory = Deno.env.get("DENO_COVERAGE_DIR") ?? "";

class CoveredCommand extends Deno.Command {
  constructor(command: string | URL, options: Deno.CommandOptions = {}) {
    super(command, { ...options, env: { ...options.env, DENO_COVERAGE_DIR: directory } });
  }
}

Object.defineProperty(Deno, "Command", { value: CoveredCommand });

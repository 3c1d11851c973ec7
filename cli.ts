/**
 * The command `ptlib`: tunnels through any pluggable transport, checks of one, and what a censor
 * sees of it.
 *
 * ```sh
 * deno run -A jsr:@ptlib/ptlib/cli --help
 * deno install -gA -n ptlib jsr:@ptlib/ptlib/cli
 * ```
 *
 * @module
 */

import { censorCommand } from "./cli/censor_command.ts";
import { checkCommand } from "./cli/check_command.ts";
import { client } from "./cli/client_command.ts";
import { type Command, UsageError } from "./cli/command.ts";
import { explain } from "./cli/explain.ts";
import { newCommand } from "./cli/new_command.ts";
import { server } from "./cli/server_command.ts";
import { complain, flush, print } from "./cli/terminal.ts";
import { torCommand } from "./cli/tor_command.ts";
import { VERSION } from "./cli/version.ts";

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["client", client],
  ["server", server],
  ["check", checkCommand],
  ["censor", censorCommand],
  ["tor", torCommand],
  ["new", newCommand],
]);

function overview(): string {
  const rows = Array.from(COMMANDS, ([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`);
  return `Usage: ptlib COMMAND [OPTION]...
       ptlib --version

${rows.join("\n")}

'ptlib COMMAND --help' tells more.`;
}

/** What the user asks about; after `--` the words are another program's. */
function questionIn(args: readonly string[]): "help" | "version" | null {
  const end = args.indexOf("--");
  const own = end === -1 ? args : args.slice(0, end);
  if (own.includes("--help") || own.includes("-h")) return "help";
  return own.includes("--version") ? "version" : null;
}

/** Prints an answer, for as long as somebody reads it: 'head' goes when it has read enough. */
function answer(text: string): number {
  try {
    print(text);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  return 0;
}

async function run(name: string, command: Command, args: readonly string[]): Promise<number> {
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`ptlib ${name}: ${error.message}\n'ptlib ${name} --help' tells more.`);
      return 2;
    }
    // Whoever read our stdout has gone, as 'head' does.
    if (error instanceof Deno.errors.BrokenPipe) return 1;
    const why = explain(error);
    if (why === null) throw error;
    complain(`ptlib ${name}: ${why}`);
    return 1;
  }
}

/**
 * Runs the command `ptlib`.
 *
 * @param args The command line.
 * @returns The exit status: 0 for success, 1 for a failure, 2 for a wrong command line.
 *
 * @example
 * ```ts
 * import { main } from "@ptlib/ptlib/cli";
 *
 * if (await main(["client", "--help"]) !== 0) throw new Error();
 * ```
 */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const command = name === undefined ? undefined : COMMANDS.get(name);
  const question = name === "help" ? "help" : questionIn(args);
  if (question === "version") return answer(`ptlib ${VERSION}`);
  if (question === "help") return answer(command?.help ?? overview());
  if (name !== undefined && command !== undefined) return await run(name, command, rest);
  complain(name === undefined ? "There is no command." : `There is no command ${name}.`);
  complain(overview());
  return 2;
}

if (import.meta.main) {
  const status = await main(Deno.args);
  await flush();
  Deno.exit(status);
}

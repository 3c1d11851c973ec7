/**
 * A whole managed proxy from a table of transports.
 *
 * ```ts
 * import { run } from "@ptlib/ptlib/run";
 *
 * async function main(): Promise<void> {
 *   await run({
 *     plain: {
 *       client: ({ dial }) => dial(),
 *       server: (conn) => conn,
 *     },
 *   });
 * }
 * ```
 *
 * @module
 */

import type { Program } from "./capabilities.ts";
import { EnvError } from "./config.ts";
import { reason, say } from "./run/process.ts";
import type { Transport, Transports } from "./run/transport.ts";
import { checkClientMode } from "./util.ts";

export type {
  ClientContext,
  PublishContext,
  ServerContext,
  Transport,
  TransportContext,
} from "./run/transport.ts";

/**
 * What a program says of itself.
 *
 * @example
 * ```ts
 * import type { RunOptions } from "@ptlib/ptlib/run";
 *
 * const options: RunOptions = { name: "rot13", version: "1.0.0" };
 * ```
 */
export interface RunOptions {
  /** The program's name. Default: the name of its file. */
  name?: string;
  /** The program's version. Default: none. */
  version?: string;
  /**
   * Whether the parent is told name and version, which a new tor publishes for a bridge. An older
   * tor warns about it and an older Arti fails. Default: `false`.
   */
  reportVersion?: boolean;
  /** Permission flags that each half needs beyond those of `run()`, for `--capabilities`. */
  permissions?: { client?: readonly string[]; server?: readonly string[] };
}

function describe(transports: Transports, options: Readonly<RunOptions>): Program {
  const halves = Object.entries(transports).map((
    [name, transport],
  ) => [name, { client: transport.client !== undefined, server: transport.server !== undefined }]);
  const file = new URL(Deno.mainModule).pathname.split("/").at(-1) ?? "";
  return {
    name: options.name ?? file.replace(/\.[a-z]+$/, ""),
    version: options.version ?? null,
    transports: Object.fromEntries(halves),
    permissions: options.permissions ?? {},
  };
}

async function answer(transports: Transports, options: Readonly<RunOptions>): Promise<never> {
  const { answerArguments } = await import("./capabilities.ts");
  const { text, error } = answerArguments(Deno.args, describe(transports, options));
  const stream = error ? Deno.stderr : Deno.stdout;
  await new Blob([text, "\n"]).stream().pipeTo(stream.writable);
  Deno.exit(error ? 2 : 0);
}

/** Whether the parent wants a client. Where that is unclear, `init` will say so to it. */
function isClient(): boolean {
  try {
    return checkClientMode();
  } catch {
    return true;
  }
}

/** An error that nobody caught ends what it belongs to, and not everybody else's connection. */
function surviveUncaught(): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    say("warning", `An error was not handled: ${reason(event.reason)}`);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    say("warning", `An error was not caught: ${reason(event.error)}`);
  });
}

/**
 * Runs a managed proxy: everything between a parent such as tor and the transports of the table
 * (pt-spec section 3).
 *
 * It finds out which half the parent wants, accepts its upstream proxy, listens, and reports. It
 * answers SOCKS requests, connects to the ORPort, and relays. On SIGTERM or SIGINT it stops
 * listening and gives connections 2 s to finish. When stdin is closed, where that counts, or the
 * parent is gone, it ends at once. `--capabilities`, `--help` and `--version` are answered without
 * a look at the environment.
 *
 * @param transports The transports by name.
 * @param options What the program says of itself.
 * @returns Never: the process ends with status 0, with 1 where the environment is unusable or a
 * name of the table is no transport name, with 2 where its arguments are.
 *
 * @example
 * ```ts
 * import { run } from "@ptlib/ptlib/run";
 *
 * async function main(): Promise<void> {
 *   await run({
 *     plain: {
 *       client: ({ dial }) => dial(),
 *       server: (conn) => conn,
 *     },
 *   });
 * }
 * ```
 */
export async function run(
  transports: Readonly<Record<string, Transport>>,
  options: Readonly<RunOptions> = {},
): Promise<never> {
  if (Deno.args.length > 0) await answer(transports, options);
  surviveUncaught();
  try {
    const program = options.reportVersion ? describe(transports, options) : null;
    // Each half is loaded only where it is wanted.
    if (isClient()) await (await import("./run/client.ts")).runClient(transports, program);
    else await (await import("./run/server.ts")).runServer(transports, program);
  } catch (error) {
    console.error(error instanceof EnvError ? error.message : error);
    Deno.exit(1);
  }
  Deno.exit(0);
}

/**
 * `run()` as a managed proxy: which half it is, what becomes of errors, and how it ends.
 *
 * @module
 */

import { EnvError } from "../config.ts";
import { checkClientMode } from "../util.ts";
import { reason, say } from "./process.ts";
import type { RunOptions, Transports } from "./transport.ts";

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

/** Runs the half that the parent wants, then ends the process. */
export async function manage(
  transports: Transports,
  options: Readonly<RunOptions>,
): Promise<never> {
  surviveUncaught();
  try {
    if (isClient()) await (await import("./client.ts")).runClient(transports, options);
    else await (await import("./server.ts")).runServer(transports, options);
  } catch (error) {
    console.error(error instanceof EnvError ? error.message : error);
    Deno.exit(1);
  }
  Deno.exit(0);
}

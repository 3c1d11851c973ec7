/**
 * What both halves of `run()` have in common: how they report, what they say, how they end.
 *
 * @module
 */

import { scrubAddresses } from "../address.ts";
import { log, reportVersion, type Severity } from "../messages.ts";
import { type ShutdownSignal, untilAborted } from "../net/shutdown.ts";
import { makeStateDirectory } from "../util.ts";
import type { RunOptions, TransportContext } from "./transport.ts";

/** How long a transport's function may take, in milliseconds. */
export const TRANSPORT_TIMEOUT = 60_000;
const LAST_MOMENT = 500;

/** The program's name: its own, or that of its file. */
export function programName({ name }: Readonly<RunOptions>): string {
  const file = new URL(Deno.mainModule).pathname.split("/").at(-1) ?? "";
  return name ?? file.replace(/\.[a-z]+$/, "");
}

/** A broken stdout means that the parent is gone, so that nobody is left to serve. */
export function say(severity: Severity, text: string): void {
  try {
    log(severity, text);
  } catch {
    Deno.exit(0);
  }
}

/** Why something failed, without any address. */
export function reason(error: unknown, host?: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return scrubAddresses(host ? message.replaceAll(host, "[scrubbed]") : message);
}

/** What every function of a transport is told. */
export function common(state_loc: string, signal: AbortSignal): TransportContext {
  return {
    state_loc,
    async stateDirectory() {
      await makeStateDirectory(state_loc);
      return state_loc;
    },
    signal,
  };
}

/** Resolves a moment after the end was signalled. */
async function lastMoment(end: AbortSignal): Promise<void> {
  await untilAborted(end);
  await untilAborted(AbortSignal.timeout(LAST_MOMENT));
}

/** Waits for the end, which a transport's connection that does not close cannot hold up. */
export async function untilDone(serving: Promise<void>, stop: ShutdownSignal): Promise<void> {
  await Promise.race([Promise.all([serving, untilAborted(stop)]), lastMoment(stop.end)]);
}

/** The functions with which one half reports. */
interface Half {
  reportFailure(name: string, message: string): void;
  reportEnd(): void;
}

/** Launches and reports each transport, then serves those that listen until they are done. */
export async function launchAll(
  half: Half,
  names: readonly string[],
  launch: (name: string) => () => Promise<void>,
  options: Readonly<RunOptions>,
): Promise<void> {
  const launched = names.flatMap((name) => {
    try {
      return [launch(name)];
    } catch (error) {
      half.reportFailure(name, reason(error));
      return [];
    }
  });
  if (options.reportVersion) reportVersion(programName(options), options.version ?? "unknown");
  half.reportEnd();
  await Promise.all(launched.map((serve) => serve()));
}

/**
 * What both roles of a program share: what goes wrong and how it is said, how transports are launched
 * and reported, and how the program ends.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { log, reportVersion } from "../messages.ts";
import { type ShutdownSignal, untilAborted } from "../net/shutdown.ts";
import { scrubAddresses } from "../scrub.ts";
import { makeStateDirectory } from "../util.ts";
import type { Flags, RunOptions, TransportContext, Transports } from "./transport.ts";

/** How long a transport's function may take, in milliseconds. */
export const TRANSPORT_TIMEOUT = 60_000;
/** How long the last words and connections of a program may take, in milliseconds. */
export const LAST_MOMENT = 500;

/** What a program says of itself, with the name of its file where it says none. */
export function named(options: Readonly<RunOptions>): RunOptions & { name: string } {
  const file = new URL(Deno.mainModule).pathname.split("/").at(-1) ?? "";
  return { name: file.replace(/\.[a-z]+$/, ""), ...options };
}

/** What the operator has to change, with addresses of this program's own, so it is not scrubbed. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
}

export function listen(address: Readonly<Address>): Deno.TcpListener {
  const [hostname, port] = address;
  try {
    return Deno.listen({ hostname, port });
  } catch (cause) {
    const where = formatAddress(address);
    const why = cause instanceof Deno.errors.NotCapable
      ? `Deno was not granted to listen on ${where}: add --allow-net=${where}`
      : cause instanceof Deno.errors.AddrInUse
      ? `${where} is in use: another program listens there`
      : cause instanceof Deno.errors.PermissionDenied
      ? `the system does not let this user listen on ${where}: take a port from 1024 on`
      : `cannot listen on ${where}: ${cause instanceof Error ? cause.message : cause}`;
    throw new OperatorError(why, { cause });
  }
}

/** Whether an error looks like the author's, and not like a stranger's bytes. */
export function isMistake(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof ReferenceError ||
    error instanceof RangeError;
}

/** Where a mistake was made, outside of ptlib; an empty text where that cannot be told. */
export function placeOf({ name, stack = "" }: Error): string {
  const ours = [new URL("./", import.meta.url).href, new URL("../net/", import.meta.url).href];
  for (const [, url = ""] of stack.matchAll(/ \(?([a-z]+:\/\/[^\s()]+:\d+:\d+)\)?$/gm)) {
    if (!ours.some((room) => url.startsWith(room))) return ` (${name} at ${url.split("/").at(-1)})`;
  }
  return "";
}

/** Why something failed, without addresses and secrets. A transport can throw anything. */
export function reason(error: unknown, ...secrets: readonly string[]): string {
  if (error instanceof OperatorError) return error.message;
  let message: string;
  try {
    message = String(error instanceof Error ? error.message : error);
  } catch {
    message = "what was thrown cannot be put into words";
  }
  return scrubAddresses(message, ...secrets);
}

/** How long nothing may have failed before an outage is over, in milliseconds. */
const CALM = 10_000;

/** Says once that something fails, and once that it is over, however many try meanwhile. */
export class Outage {
  readonly #over: string;
  readonly #log: typeof log;
  #failures = 0;
  #lastFailure = 0;

  constructor(over: string, tell: typeof log = log) {
    this.#over = over;
    this.#log = tell;
  }

  failed(text: string): void {
    if (this.#failures++ === 0) this.#log("warning", text);
    this.#lastFailure = performance.now();
  }

  works(): void {
    if (this.#failures === 0 || performance.now() - this.#lastFailure < CALM) return;
    const times = this.#failures === 1 ? "once" : `${this.#failures} times`;
    this.#log("notice", `${this.#over}, after it failed ${times}`);
    this.#failures = 0;
  }
}

/** Descriptors or memory of this process, of which strangers can take all. */
export const shortage = new Outage("There are file descriptors and memory again");

export function onShortage(error: unknown): void {
  shortage.failed(
    `Connections have to wait: ${reason(error)}; more of them need a higher ulimit -n`,
  );
}

/**
 * Says that a relay has broken: the other side sees a normal end, which Deno cannot tell it apart
 * from.
 */
export function logBroken(name: string, error: unknown, ...secrets: readonly string[]): void {
  log("info", `${name}: a connection broke: ${reason(error, ...secrets)}`);
}

/** What every function of a transport is told. */
export function common(state_loc: string, flags: Flags, signal: AbortSignal): TransportContext {
  return {
    state_loc,
    async stateDirectory() {
      try {
        await makeStateDirectory(state_loc);
      } catch (cause) {
        if (!(cause instanceof Deno.errors.NotCapable)) throw cause;
        const flags = `--allow-read=${state_loc} --allow-write=${state_loc}`;
        throw new OperatorError(`Deno was not granted the state directory: add ${flags}`, {
          cause,
        });
      }
      return state_loc;
    },
    flags,
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

/** Serves a transport that has been reported, until it is told to end. */
export type Serve = () => Promise<void>;

/** The functions with which one role reports. */
interface Reporter {
  reportFailure(name: string, message: string): void;
  reportEnd(): void;
}

/** What a program is: its transports, what it says of itself, and how it was started. */
export interface Program {
  transports: Transports;
  options: Readonly<RunOptions>;
  flags: Flags;
}

let survives = false;

/** An error that nobody caught ends what it belongs to, and not everybody else's connection. */
export function surviveUncaught(): void {
  if (survives) return;
  survives = true;
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log("warning", `An error was not handled: ${reason(event.reason)}`);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    log("warning", `An error was not caught: ${reason(event.error)}`);
  });
}

/** Launches and reports each transport, then serves those that listen until they are done. */
export async function launchAll(
  reporter: Reporter,
  names: readonly string[],
  launch: (name: string) => Serve | Promise<Serve>,
  options: Readonly<RunOptions>,
): Promise<void> {
  const launched: Serve[] = [];
  const waiting: Promise<unknown>[] = [];
  for (const name of names) {
    const fail = (error: unknown) => reporter.reportFailure(name, reason(error));
    try {
      const serve = launch(name);
      if (serve instanceof Promise) waiting.push(serve.then((serve) => launched.push(serve), fail));
      else launched.push(serve);
    } catch (error) {
      fail(error);
    }
  }
  // Whoever waits for nothing says DONE at once.
  if (waiting.length > 0) await Promise.all(waiting);
  if (options.reportVersion) reportVersion(named(options).name, options.version ?? "unknown");
  reporter.reportEnd();
  surviveUncaught(); // Nothing of a client's transports has run before, and to start costs less so.
  await Promise.all(launched.map((serve) => serve()));
}

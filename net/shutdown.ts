/**
 * When a transport has to end (pt-spec section 3.4, proposal 180).
 *
 * @module
 */

import { readExitOnStdinClose } from "../config.ts";

const GRACE = 2_000;
const PARENT_CHECK = 1_000;

/**
 * The signal of a transport's end, in two steps.
 *
 * @example
 * ```ts
 * import { shutdownSignal, type ShutdownSignal } from "@ptlib/ptlib/net";
 *
 * function serve(listener: Deno.TcpListener, stop: ShutdownSignal): void {
 *   stop.addEventListener("abort", () => listener.close());
 *   stop.end.addEventListener("abort", () => Deno.exit(0));
 * }
 * ```
 */
export interface ShutdownSignal extends AbortSignal {
  /** Aborts when open connections have to end too. */
  readonly end: AbortSignal;
}

/** Calls back when stdin is closed; whatever arrives on it means nothing. */
async function whenStdinCloses(callback: () => void): Promise<void> {
  const scrap = new Uint8Array(512);
  try {
    while (await Deno.stdin.read(scrap) !== null);
  } catch {
    // A stdin that cannot be read is as closed as one that has ended.
  }
  callback();
}

/** Calls back when the parent process is gone: another one has adopted us. */
function whenParentDies(parent: number, callback: () => void): void {
  // This timer, unlike setTimeout, costs no start-up time. It keeps the process alive, so that a
  // program ends with Deno.exit().
  AbortSignal.timeout(PARENT_CHECK).onabort = () => {
    if (Deno.ppid === parent) whenParentDies(parent, callback);
    else callback();
  };
}

/**
 * Starts to watch for the end of this process.
 *
 * It aborts on the first SIGTERM or SIGINT: stop listening and let connections finish. Its `end`
 * aborts 2 s later or on the second signal: close the connections and exit. Both abort at once
 * when the parent is gone, or when stdin is closed and `TOR_PT_EXIT_ON_STDIN_CLOSE` is `1`;
 * otherwise a closed stdin means nothing. Other signals keep their meaning: SIGHUP, SIGQUIT and
 * SIGUSR1 end the process at once.
 *
 * A parent that was gone before this was called, within the first 20 ms or so, cannot be told from
 * one that adopts orphans. Writing the protocol's lines finds that out, unless somebody else holds
 * the other end of stdout open; only `TOR_PT_EXIT_ON_STDIN_CLOSE` is a sure sign.
 *
 * @returns The signal. Call this once in a process.
 * @throws {EnvError} When Deno has no permission to read the variable.
 *
 * @example
 * ```ts
 * import { listenSocks, shutdownSignal } from "@ptlib/ptlib/net";
 *
 * async function main(): Promise<void> {
 *   const stop = shutdownSignal();
 *   for await (const request of listenSocks({ signal: stop })) request.reject(1);
 *   Deno.exit(0);
 * }
 * ```
 */
export function shutdownSignal(): ShutdownSignal {
  const stop = new AbortController();
  // Made after the DONE line: to start costs less without it.
  let controller: AbortController | undefined;
  const end = () => controller ??= new AbortController();
  const endNow = () => {
    stop.abort();
    end().abort();
  };
  const onSignal = () => {
    if (stop.signal.aborted) return end().abort();
    AbortSignal.timeout(GRACE).onabort = endNow;
    stop.abort();
  };
  const exitOnStdinClose = readExitOnStdinClose();
  const parent = Deno.ppid;
  // Windows has no SIGTERM: there stdin is the way.
  const signals = Deno.build.os === "windows"
    ? ["SIGINT"] as const
    : ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  // The rest costs 1 ms of a start and loses nothing by waiting: a transport that reports without
  // waiting for anything has said DONE first.
  queueMicrotask(() => {
    if (exitOnStdinClose) whenStdinCloses(endNow);
    whenParentDies(parent, endNow);
  });
  return Object.defineProperty(stop.signal, "end", { get: () => end().signal }) as ShutdownSignal;
}

/**
 * Waits until a signal aborts, and keeps the process alive until then. Use it when there is nothing
 * else to do: tor restarts a transport that exits by itself.
 *
 * @param signal What to wait for.
 * @returns A promise that resolves when the signal aborts.
 *
 * @example
 * ```ts
 * import { untilAborted } from "@ptlib/ptlib/net";
 *
 * await untilAborted(AbortSignal.timeout(1));
 * ```
 */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const keepAlive = setInterval(() => {}, 2 ** 30);
  signal.addEventListener("abort", () => resolve());
  if (!signal.aborted) await promise;
  clearInterval(keepAlive);
}

/**
 * Keeping tunnels open until somebody ends them, or one of them dies.
 *
 * @module
 */

import type { TransportExit, Tunnel } from "../parent/mod.ts";
import { complain, note } from "./terminal.ts";

/** How long the signal may come after the end of a program that got it too, in milliseconds. */
const SIGNAL_LAG = 300;

/** Aborts on the first SIGINT, SIGTERM or SIGHUP; the second ends this process at once. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  // Windows has no SIGTERM. SIGHUP comes when the terminal is closed.
  readonly #signals = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"] as const
    : ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  readonly #onSignal = () => {
    if (this.signal.aborted) Deno.exit(1);
    note("ending ...");
    this.#controller.abort();
  };

  constructor() {
    for (const signal of this.#signals) Deno.addSignalListener(signal, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves when it aborts, or after a time in milliseconds where one is given. */
  wait(milliseconds?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = milliseconds === undefined ? undefined : setTimeout(resolve, milliseconds);
    this.signal.addEventListener("abort", () => resolve());
    if (this.signal.aborted) resolve();
    return promise.finally(() => clearTimeout(timer));
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) Deno.removeSignalListener(signal, this.#onSignal);
  }
}

/** A tunnel, and the program that it runs on. */
export interface OpenTunnel {
  tunnel: Tunnel;
  program: string;
}

function obituary(program: string, { code, signal, fault }: TransportExit): string {
  if (fault !== null) return `a program broke the protocol: ${fault.sentence}`;
  return `${program} ended by itself, with ${signal ?? `status ${code}`}`;
}

/**
 * Opens tunnels, and keeps them open until SIGINT or SIGTERM, or until a program dies.
 *
 * @param open Opens them one after the other; `signal` ends that.
 * @returns The exit status: 1 when a program died.
 */
export async function supervise(
  open: (signal: AbortSignal) => AsyncIterable<OpenTunnel>,
): Promise<number> {
  const interrupt = new Interrupt();
  const tunnels: Tunnel[] = [];
  try {
    return await untilDeath(interrupt, tunnels, open(interrupt.signal));
  } finally {
    // Side by side: a program may take some seconds.
    await Promise.all(tunnels.map((tunnel) => tunnel.close()));
    interrupt[Symbol.dispose]();
  }
}

async function untilDeath(
  interrupt: Interrupt,
  tunnels: Tunnel[],
  opening: AsyncIterable<OpenTunnel>,
): Promise<number> {
  const deaths: Promise<string>[] = [];
  try {
    for await (const { tunnel, program } of opening) {
      tunnels.push(tunnel);
      deaths.push(tunnel.exited.then((exit) => obituary(program, exit)));
    }
  } catch (error) {
    if (interrupt.signal.aborted) return 0;
    throw error;
  }
  const death = await Promise.race([interrupt.wait(), ...deaths]);
  // Ctrl-C reaches the programs too, and they may be faster.
  if (death !== undefined) await interrupt.wait(SIGNAL_LAG);
  if (interrupt.signal.aborted || death === undefined) return 0;
  complain(death);
  return 1;
}

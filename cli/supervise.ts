/**
 * Keeping tunnels open until somebody ends them, or one of them dies.
 *
 * @module
 */

import type { TransportExit, Tunnel } from "../parent/mod.ts";
import { explain } from "./explain.ts";
import { complain, note } from "./terminal.ts";

/** How long the signal may come after the end of a program that got it too, in milliseconds. */
const SIGNAL_LAG = 300;

/** How long it takes until a program that died is started again, at first and at most. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [1_000, 60_000];

/** Aborts on the first SIGINT, SIGTERM or SIGHUP; the second ends this process at once. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  // Windows has no SIGTERM. SIGHUP comes when the terminal is closed.
  readonly #signals = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"] as const
    : ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  readonly #onSignal = () => {
    if (this.signal.aborted) Deno.exit(1);
    note("ending ...", { event: "ending" });
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
export interface RunningTunnel {
  tunnel: Tunnel<unknown>;
  program: string;
  /** Which one it is, where a file has several. */
  number: number | undefined;
}

/** Opens one tunnel; the signal ends that. It may be called again when the tunnel has died. */
export type OpenTunnel = (signal: AbortSignal) => Promise<RunningTunnel>;

function obituary(program: string, { code, signal, fault }: TransportExit): string {
  if (fault !== null) return `a program broke the protocol: ${fault.sentence}`;
  return `${program} ended by itself, with ${signal ?? `status ${code}`}`;
}

/** All tunnels of a command. */
class Tunnels implements AsyncDisposable {
  readonly #interrupt: Interrupt;
  readonly #open = new Set<Tunnel<unknown>>();

  constructor(interrupt: Interrupt) {
    this.#interrupt = interrupt;
  }

  async open(open: OpenTunnel): Promise<RunningTunnel> {
    const running = await open(this.#interrupt.signal);
    this.#open.add(running.tunnel);
    return running;
  }

  /** Waits for the death of a tunnel; null where the user ends it all. */
  async untilDeath({ tunnel, program }: RunningTunnel): Promise<string | null> {
    const exit = await tunnel.exited;
    this.#open.delete(tunnel);
    // Ctrl-C reaches the programs too, and they may be faster.
    await this.#interrupt.wait(SIGNAL_LAG);
    return this.#interrupt.signal.aborted ? null : obituary(program, exit);
  }

  /** Starts a tunnel again whenever it dies, until the user ends it all. */
  async keepAlive(open: OpenTunnel, running: RunningTunnel): Promise<void> {
    for (let pause = FIRST_PAUSE;;) {
      const started = performance.now();
      const death = await this.untilDeath(running);
      if (death === null) return;
      if (performance.now() - started > LONGEST_PAUSE) pause = FIRST_PAUSE;
      const { program, number } = running;
      complain(death, { event: "died", tunnel: number, program });
      for (let again: RunningTunnel | null = null; again === null;) {
        note(`${program} is started again in ${pause / 1000} s`, {
          event: "pause",
          tunnel: number,
          program,
          seconds: pause / 1000,
        });
        await this.#interrupt.wait(pause);
        if (this.#interrupt.signal.aborted) return;
        pause = Math.min(2 * pause, LONGEST_PAUSE);
        again = await this.#tryAgain(open, running);
        if (again !== null) running = again;
      }
    }
  }

  async #tryAgain(
    open: OpenTunnel,
    { program, number }: RunningTunnel,
  ): Promise<RunningTunnel | null> {
    try {
      return await this.open(open);
    } catch (error) {
      if (this.#interrupt.signal.aborted) return null;
      const why = explain(error);
      if (why === null) throw error;
      complain(why, { event: "error", tunnel: number, program });
      return null;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Side by side: a program may take some seconds.
    await Promise.all(Array.from(this.#open, (tunnel) => tunnel.close()));
  }
}

/** Opens all tunnels one after the other. */
async function openAll(tunnels: Tunnels, openings: readonly OpenTunnel[]) {
  const running: RunningTunnel[] = [];
  for (const open of openings) running.push(await tunnels.open(open));
  return running;
}

/**
 * Opens tunnels, and keeps them open until SIGINT or SIGTERM, or until a program dies.
 *
 * @param start Makes what opens them, one after the other; its signal aborts when the user ends it.
 * @param restart Whether a program that dies is started again, the first time after 1 s and then
 * after twice as long each time, a minute at most. What fails at the very start ends it all anyhow.
 * @returns The exit status: 1 when a program died.
 */
export async function supervise(
  start: (signal: AbortSignal) => readonly OpenTunnel[],
  restart: boolean,
): Promise<number> {
  const interrupt = new Interrupt();
  const tunnels = new Tunnels(interrupt);
  try {
    return await untilEnd(interrupt, tunnels, start(interrupt.signal), restart);
  } catch (error) {
    if (interrupt.signal.aborted) return 0;
    throw error;
  } finally {
    await tunnels[Symbol.asyncDispose]();
    interrupt[Symbol.dispose]();
  }
}

async function untilEnd(
  interrupt: Interrupt,
  tunnels: Tunnels,
  openings: readonly OpenTunnel[],
  restart: boolean,
): Promise<number> {
  const running = await openAll(tunnels, openings);
  if (restart) {
    await Promise.all(openings.map((open, index) => tunnels.keepAlive(open, running[index]!)));
    return 0;
  }
  const ends = running.map(async (tunnel) => ({ tunnel, death: await tunnels.untilDeath(tunnel) }));
  const end = await Promise.race([interrupt.wait().then(() => null), ...ends]);
  if (end === null || end.death === null) return 0;
  const { program, number } = end.tunnel;
  complain(end.death, { event: "died", tunnel: number, program });
  return 1;
}

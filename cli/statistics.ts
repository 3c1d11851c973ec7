/**
 * What goes through the tunnels: a line for each connection, the sum, and on a terminal how it goes.
 *
 * @module
 */

import type { Tunnel, TunnelledConnection, TunnelTraffic } from "../parent/mod.ts";
import { canShowStatus, complain, formatBytes, note, showStatus } from "./terminal.ts";

/** How often the line on the terminal changes, in milliseconds. */
const PERIOD = 1_000;

const NOTHING: TunnelTraffic = { open: 0, connections: 0, sent: 0, received: 0 };

function sum(a: TunnelTraffic, b: TunnelTraffic): TunnelTraffic {
  return {
    open: a.open + b.open,
    connections: a.connections + b.connections,
    sent: a.sent + b.sent,
    received: a.received + b.received,
  };
}

/** A time as a clock shows it. */
function formatAge(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  const [minutes, hours] = [Math.trunc(seconds / 60), Math.trunc(seconds / 3600)];
  const digits = (count: number) => String(count % 60).padStart(2, "0");
  return `${hours}:${digits(minutes)}:${digits(seconds)}`;
}

/** A number of bytes in 8 characters at most. */
function shortBytes(count: number): string {
  if (count < 1000) return `${count} B`;
  return formatBytes(Math.max(count, 1024)).replace(/(\d{3,})\.\d/, "$1");
}

/**
 * How it goes, in a line that fits into a terminal of 80 columns.
 *
 * @param now What has gone through.
 * @param before The same a while ago.
 * @param interval How long ago that was, in milliseconds.
 * @param age For how long the tunnels have been there, in milliseconds.
 */
export function formatStatus(
  now: TunnelTraffic,
  before: TunnelTraffic,
  interval: number,
  age: number,
): string {
  const rate = (key: "sent" | "received") =>
    `${shortBytes(Math.round((now[key] - before[key]) * 1000 / interval))}/s`;
  return [
    formatAge(age),
    `${now.open}/${now.connections} open`,
    `out ${shortBytes(now.sent)} (${rate("sent")})`,
    `in ${shortBytes(now.received)} (${rate("received")})`,
  ].join(" | ");
}

/** Adds up what goes through all tunnels of a command, and tells of it. */
export class Statistics implements Disposable {
  readonly #signal: AbortSignal;
  readonly #hint: (error: unknown) => string | null;
  readonly #tunnels = new Set<TunnelTraffic>();
  /** What went through tunnels that have ended. */
  #past = NOTHING;
  readonly #started = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #before = NOTHING;

  /**
   * Begins to show how it goes, where somebody sees it.
   *
   * @param signal Aborts when the user ends it all, and connections with it.
   * @param hint What may be wrong when a connection has failed; null where nobody knows.
   */
  constructor(signal: AbortSignal, hint: (error: unknown) => string | null) {
    this.#signal = signal;
    this.#hint = hint;
    if (!canShowStatus()) return;
    this.#timer = setInterval(() => this.#show(), PERIOD);
    Deno.unrefTimer(this.#timer);
  }

  /** Counts a tunnel from now on, and what it has carried when it has ended. */
  async watch({ traffic, exited }: Tunnel<unknown>): Promise<void> {
    this.#tunnels.add(traffic);
    await exited;
    this.#tunnels.delete(traffic);
    this.#past = sum(this.#past, traffic);
  }

  /** Tells of a connection that has ended, and of which tunnel it was. */
  tell({ sent, received, error }: TunnelledConnection, tunnel: number | undefined): void {
    if (this.#signal.aborted) return;
    const amount = `${formatBytes(sent)} sent, ${formatBytes(received)} received`;
    const reason = error === null ? null : this.#reason(error);
    const event = { event: "connection", tunnel, sent, received, error: reason };
    if (reason === null) note(`a connection ended: ${amount}`, event);
    else complain(`a connection broke off: ${amount}: ${reason}`, event);
  }

  #reason(error: unknown): string {
    const message = error instanceof Error ? error.message : String(error);
    const hint = this.#hint(error);
    return hint === null ? message : `${message}; ${hint}`;
  }

  get #now(): TunnelTraffic {
    return [...this.#tunnels].reduce(sum, this.#past);
  }

  #show(): void {
    const now = this.#now;
    showStatus(formatStatus(now, this.#before, PERIOD, performance.now() - this.#started));
    this.#before = now;
  }

  /** Tells the sum. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#timer !== undefined) showStatus(null);
    const { connections, sent, received } = this.#now;
    if (connections === 0) return;
    const amount = `${formatBytes(sent)} sent, ${formatBytes(received)} received`;
    note(`connections: ${connections}, ${amount}`, { event: "sum", connections, sent, received });
  }
}

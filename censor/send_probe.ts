/**
 * One active probe: something is sent to a server, and what becomes of it is noted.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { closeQuietly, concat, connectTcp, writeAll } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";

/**
 * What a probe sends, and why: what nobody's client sends, what a client has sent before, or that
 * with something changed.
 *
 * @example
 * ```ts
 * import type { Probe } from "@ptlib/ptlib/censor";
 *
 * const silence: Probe = { kind: "garbage", name: "silence", bytes: new Uint8Array() };
 * ```
 */
export interface Probe {
  /** What it is about. */
  readonly kind: "garbage" | "replay" | "changed";
  /** What it is called in a report. */
  readonly name: string;
  /** What it sends, all at once. */
  readonly bytes: Uint8Array;
  /** Whether it says then that nothing more comes. */
  readonly halfClose?: boolean;
}

/**
 * How a server ends a connection: by a FIN, by a RST, or not as long as was waited.
 *
 * @example
 * ```ts
 * import type { Ending } from "@ptlib/ptlib/censor";
 *
 * const endings: Ending[] = ["fin", "rst", "open"];
 * if (endings.length !== 3) throw new Error();
 * ```
 */
export type Ending = "fin" | "rst" | "open";

/**
 * A probe, and what became of it.
 *
 * @example
 * ```ts
 * import type { ProbeOutcome } from "@ptlib/ptlib/censor";
 *
 * const isMute = ({ answer, ending }: ProbeOutcome) => answer.length === 0 && ending === "open";
 * ```
 */
export interface ProbeOutcome extends Probe {
  /** What the server answered, up to 4 KiB. */
  readonly answer: Uint8Array;
  /** How it ended the connection. */
  readonly ending: Ending;
  /** When it did, in milliseconds after the probe was sent; `null` while it is open. */
  readonly milliseconds: number | null;
}

/** How long a server may take to accept, on the busiest machine, in milliseconds. */
const CONNECT = 60_000;
/** How long it is waited for an answer or an end, in milliseconds. */
const PATIENCE = 4_000;
const LONGEST_ANSWER = 4_096;

/** Reads until the server ends the connection. */
async function readOn(conn: Deno.TcpConn, answer: Uint8Array[]): Promise<Ending> {
  const buffer = new Uint8Array(LONGEST_ANSWER);
  for (let length = 0;;) {
    const count = await conn.read(buffer);
    if (count === null) return "fin";
    if (length < LONGEST_ANSWER) {
      answer.push(buffer.slice(0, Math.min(count, LONGEST_ANSWER - length)));
    }
    length += count;
  }
}

function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

async function watch(
  conn: Deno.TcpConn,
  probe: Probe,
  answer: Uint8Array[],
): Promise<Ending> {
  try {
    await writeAll(conn, probe.bytes);
    if (probe.halfClose === true) await conn.closeWrite();
    return await readOn(conn, answer);
  } catch (error) {
    if (isReset(error)) return "rst";
    // It was closed here, because the time is over.
    if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
      return "open";
    }
    throw error;
  }
}

/**
 * Sends a probe and waits up to 4 seconds.
 *
 * @param address Where the server listens.
 * @param probe What to send.
 * @param signal Ends it.
 * @returns What became of it.
 */
export async function sendProbe(
  address: Readonly<Address>,
  probe: Probe,
  signal: AbortSignal | undefined,
): Promise<ProbeOutcome> {
  const what = "A connection to the server";
  const conn = await withDeadline(CONNECT, what, signal, (signal) => connectTcp(address, signal));
  const start = performance.now();
  const close = () => closeQuietly(conn);
  const timer = setTimeout(close, PATIENCE);
  signal?.addEventListener("abort", close);
  const answer: Uint8Array[] = [];
  try {
    const ending = await watch(conn, probe, answer);
    signal?.throwIfAborted();
    const milliseconds = ending === "open" ? null : performance.now() - start;
    return { ...probe, answer: concat(...answer), ending, milliseconds };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", close);
    close();
  }
}

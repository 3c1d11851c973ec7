/**
 * One active probe: something is sent to a server, and what becomes of it is noted.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { closeQuietly, concat, connectTcp, writeAll } from "../net/conn.ts";
import { withDeadline } from "../net/deadline.ts";
import { connectResettable } from "../testing/resettable_conn.ts";

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
  /** What it does then: it says that nothing more comes, or tears the connection down. */
  readonly then?: "half-close" | "reset";
  /**
   * How long it is waited for the server to give up, in milliseconds, where that is what it is
   * about.
   */
  readonly patience?: number;
}

/**
 * How a server ends a connection: by a FIN, by a RST, or not as long as was waited; or it takes none
 * any more.
 *
 * @example
 * ```ts
 * import type { Ending } from "@ptlib/ptlib/censor";
 *
 * const endings: Ending[] = ["fin", "rst", "open", "refused"];
 * if (endings.length !== 4) throw new Error();
 * ```
 */
export type Ending = "fin" | "rst" | "open" | "refused";

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
  /** When it did, in milliseconds after it was reached; `null` where it did not. */
  readonly milliseconds: number | null;
}

/** How long a server may take to accept, on the busiest machine, in milliseconds. */
const CONNECT = 60_000;
/** How long it is waited for an answer or an end, in milliseconds. */
export const PATIENCE = 4_000;
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
    if (probe.then === "half-close") await conn.closeWrite();
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

/** Sends what a probe sends, and tears the connection down before the server can answer. */
async function sendAndReset(address: Readonly<Address>, probe: Probe): Promise<ProbeOutcome> {
  const [host, port] = address;
  const conn = await connectResettable(port, host);
  try {
    await writeAll(conn, probe.bytes);
    conn.reset();
  } catch (error) {
    const wasFaster = isReset(error) || error instanceof Deno.errors.Interrupted;
    if (!wasFaster) throw error; // Otherwise the server had ended it.
  } finally {
    closeQuietly(conn);
  }
  return { ...probe, answer: new Uint8Array(), ending: "open", milliseconds: null };
}

/** Whether there was no connection; a server that ends just then resets those that wait for it. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof Deno.errors.ConnectionRefused || isReset(error) ||
    "code" in error && (error.code === "ECONNREFUSED" || error.code === "ECONNRESET");
}

/**
 * Sends a probe and waits up to 4 seconds, or as long as it says.
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
  try {
    return probe.then === "reset"
      ? await sendAndReset(address, probe)
      : await sendAndWatch(address, probe, signal);
  } catch (error) {
    if (!isRefused(error)) throw error;
    return { ...probe, answer: new Uint8Array(), ending: "refused", milliseconds: null };
  }
}

async function sendAndWatch(
  address: Readonly<Address>,
  probe: Probe,
  signal: AbortSignal | undefined,
): Promise<ProbeOutcome> {
  const what = "A connection to the server";
  const conn = await withDeadline(CONNECT, what, signal, (signal) => connectTcp(address, signal));
  const start = performance.now();
  const close = () => closeQuietly(conn);
  const timer = setTimeout(close, probe.patience ?? PATIENCE);
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

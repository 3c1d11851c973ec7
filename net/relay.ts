/**
 * Moving bytes between two connections until both are done.
 *
 * @module
 */

import { checkCount, closeQuietly, type StreamConn, writeAll } from "./conn.ts";

/**
 * What a relay has moved.
 *
 * @example
 * ```ts
 * import type { Relayed } from "@ptlib/ptlib/net";
 *
 * const total = ({ sent, received }: Relayed) => sent + received;
 * ```
 */
export interface Relayed {
  /** Bytes from the first connection to the second. */
  sent: number;
  /** Bytes from the second connection to the first. */
  received: number;
  /** What ended it early, such as a reset or the signal's reason; `null` after a normal end. */
  error: unknown;
}

// A connection that waits holds the small buffer. One that fills it goes up in steps while its
// reads stay full, and back to the small one as soon as the kernel had less to give.
const SMALL = 2 * 1024;
const MEDIUM = 32 * 1024;
const LARGE = 512 * 1024;

async function pump(from: StreamConn, to: StreamConn, count: (bytes: number) => void) {
  const small = new Uint8Array(SMALL);
  let buffer = small;
  for (;;) {
    const length = await from.read(buffer);
    if (length === null) break;
    await writeAll(to, buffer.subarray(0, checkCount(length)));
    count(length);
    if (length < buffer.length) buffer = small;
    else if (buffer.length < LARGE) {
      buffer = new Uint8Array(buffer.length < MEDIUM ? MEDIUM : LARGE);
    }
  }
  await to.closeWrite();
}

/**
 * Moves bytes both ways until both streams have ended, then closes both connections.
 *
 * The end of one stream half-closes the other connection and lets the opposite direction finish.
 * A reset, a failed write or the signal closes both at once. Each direction buffers at most one
 * chunk, of 2 KiB when little is sent and up to 512 KiB when much is sent.
 *
 * @param a One connection.
 * @param b The other.
 * @param options.signal Ends it at once.
 * @returns How much was moved each way, and what ended it early. It never rejects.
 *
 * @example
 * ```ts
 * import { relay } from "@ptlib/ptlib/net";
 *
 * async function forward(accepted: Deno.TcpConn, port: number): Promise<void> {
 *   using conn = accepted; // Closed also when there is nobody to connect to.
 *   const { sent, error } = await relay(conn, await Deno.connect({ hostname: "127.0.0.1", port }));
 *   if (error !== null) console.error(`It broke after ${sent} bytes`);
 * }
 * ```
 */
export async function relay(
  a: StreamConn,
  b: StreamConn,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Relayed> {
  const relayed: Relayed = { sent: 0, received: 0, error: null };
  const { signal } = options;
  const close = () => [a, b].forEach(closeQuietly);
  const failed = Promise.withResolvers<void>();
  const fail = (error: unknown) => {
    relayed.error ??= error;
    close();
    failed.resolve();
  };
  const abort = () => fail(signal?.reason);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  const pumps = [
    pump(a, b, (bytes) => relayed.sent += bytes).catch(fail),
    pump(b, a, (bytes) => relayed.received += bytes).catch(fail),
  ];
  // A connection that does not close as it should may never let go of its pump.
  await Promise.race([Promise.all(pumps), failed.promise]);
  signal?.removeEventListener("abort", abort);
  close();
  return relayed;
}

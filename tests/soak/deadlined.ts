/** Waiting, but not for ever. */

import { unlessAborted, withDeadline } from "../../net/conn.ts";

/**
 * Waits for something that goes on for itself.
 *
 * @throws {DOMException} A `TimeoutError` when it takes longer than `milliseconds`.
 */
export async function deadlined<T>(
  promise: Promise<T>,
  milliseconds: number,
  what: string,
): Promise<T> {
  return await withDeadline(
    milliseconds,
    what,
    undefined,
    (signal) => unlessAborted(promise, signal),
  );
}

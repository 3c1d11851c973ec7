/** Waits of this side. None of them measures anything: a busy machine may take its time. */

import { unlessAborted, withDeadline } from "../net/deadline.ts";

/** How long what must come soon may take on a busy machine, in milliseconds. */
export const SOON = 25_000;

/** Waits for something for as long as it may take. */
export async function within<T>(
  milliseconds: number,
  what: string,
  promise: Promise<T>,
): Promise<T> {
  return await withDeadline(
    milliseconds,
    what,
    undefined,
    (signal) => unlessAborted(promise, signal),
  );
}

/** Whether something comes about that nobody tells of, looked for again and again. */
export async function comesAbout(
  milliseconds: number,
  holds: () => boolean | Promise<boolean>,
): Promise<boolean> {
  for (const end = performance.now() + milliseconds;;) {
    if (await holds()) return true;
    if (performance.now() > end) return false;
    await pause(20);
  }
}

/** Lets time pass, where it is time that is tried. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

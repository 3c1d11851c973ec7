/**
 * Waits for the end of a listener, which the system sees a moment after `close()`, or when the
 * signal that ends it has arrived.
 */

/** What becomes of a connection that waited in the queue of the listener that went. */
const DROPPED = [Deno.errors.ConnectionReset, Deno.errors.NotConnected];

/** Resolves when nobody listens on a port of 127.0.0.1 any more. */
export async function untilRefused(port: number): Promise<void> {
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return;
      if (!DROPPED.some((dropped) => error instanceof dropped)) throw error;
    }
  }
}

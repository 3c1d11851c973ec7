/** Waits for the end of a listener, which the system sees a moment after `close()`. */

/** Resolves when nobody listens on a port of 127.0.0.1 any more. */
export async function untilRefused(port: number): Promise<void> {
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return;
      // It came into the queue of a listener that went, and was reset there.
      const { ConnectionReset, NotConnected } = Deno.errors;
      if (!(error instanceof ConnectionReset || error instanceof NotConnected)) throw error;
    }
  }
}

/** Waits for the end of a listener, which the system sees a moment after `close()`. */

/** Resolves when nobody listens on a port of 127.0.0.1 any more. */
export async function untilRefused(port: number): Promise<void> {
  for (;;) {
    try {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      // It waits in the queue of a listener that is about to go, and ends with it.
      await conn.read(new Uint8Array(1));
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return;
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
  }
}

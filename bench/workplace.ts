/** Where it is measured, and until when. */

/** What everything that is measured needs. */
export interface Workplace {
  /** Where the programs have their state, and files are for a while. */
  directory: string;
  /** Ends all programs. */
  signal: AbortSignal;
}

/** Has somebody measure, and leaves neither programs nor files behind when a signal ends that. */
export async function inWorkplace(measure: (workplace: Workplace) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => stop.abort(new Error(`Stopped by ${name}`)));
  }
  const directory = await Deno.makeTempDir({ prefix: "ptlib-bench-" });
  try {
    await measure({ directory, signal: stop.signal });
  } catch (error) {
    // What failed meanwhile did so because its programs were ended.
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Says on stdout how its end comes about. `shutdown_test.ts` runs it. */

import { shutdownSignal, untilAborted } from "../../net/mod.ts";

const GRACE = 2_000;

if (import.meta.main) {
  const { timeout } = AbortSignal;
  if (Deno.args.includes("--endless-grace")) {
    AbortSignal.timeout = (milliseconds) =>
      milliseconds === GRACE ? new AbortController().signal : timeout(milliseconds);
  }
  const stop = shutdownSignal();
  stop.addEventListener("abort", () =>
    // By then `end` has aborted, too, if this is no first step.
    queueMicrotask(() => console.log(stop.end.aborted ? "end at once" : "stop")));
  stop.end.addEventListener("abort", () => console.log("end"));
  if (Deno.args.includes("--read-stdin")) {
    while (await Deno.stdin.read(new Uint8Array(64)) !== null);
  }
  // It watches from the next microtask on.
  await Promise.resolve();
  console.log(`ready ${Deno.pid}`);
  await untilAborted(stop.end);
  Deno.exit(0);
}

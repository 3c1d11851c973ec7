/** Says on stdout how its end comes about. `shutdown_test.ts` runs it. */

import { shutdownSignal, untilAborted } from "../../net/mod.ts";

const GRACE = 2_000;
const PARENT_CHECK = 1_000;

/** Says when it is about to look for the parent the third time, and makes that soon. */
function hurryParentChecks(): void {
  const { timeout } = AbortSignal;
  let checks = 0;
  AbortSignal.timeout = (milliseconds) => {
    if (milliseconds !== PARENT_CHECK) return timeout(milliseconds);
    if (++checks === 3) console.log("third check");
    return timeout(1);
  };
}

/** Makes a second signal the only way to the end. */
function endlessGrace(): void {
  const { timeout } = AbortSignal;
  AbortSignal.timeout = (milliseconds) =>
    milliseconds === GRACE ? new AbortController().signal : timeout(milliseconds);
}

if (import.meta.main) {
  if (Deno.args.includes("--endless-grace")) endlessGrace();
  if (Deno.args.includes("--hurry-parent-checks")) hurryParentChecks();
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

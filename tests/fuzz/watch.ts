/**
 * A thread that tells how far the fuzzing is, and ends it where an input takes for ever: the main
 * thread cannot, when it is the one that hangs.
 */

/// <reference lib="deno.worker" />

import { Progress, replayCommand } from "./progress.ts";

/** How often it tells, and how long an input may take, in milliseconds. */
const INTERVAL = 10_000;
const LONGEST = 60_000;

/** What the main thread sends. */
export interface Watched {
  memory: SharedArrayBuffer;
  /** The names of the properties. */
  names: readonly string[];
}

function watch({ memory, names }: Watched): void {
  const progress = new Progress(memory);
  let before = 0;
  let still = 0;
  setInterval(() => {
    const inputs = progress.get("inputs");
    const perSecond = Math.round((inputs - before) / (INTERVAL / 1000));
    console.log(`${inputs} inputs, ${perSecond} inputs/s`);
    still = inputs === before ? still + INTERVAL : 0;
    before = inputs;
    if (still < LONGEST) return;
    const name = names[progress.get("property")] ?? "";
    const path = String(progress.get("inputsOfProperty") - 1);
    console.log(`HANGS: ${name}\n${replayCommand(name, progress.get("seed"), path)}`);
    Deno.exit(1);
  }, INTERVAL);
}

self.onmessage = ({ data }: MessageEvent<Watched>) => watch(data);

/**
 * Says much at its end: more than goes out at once, and no more than may wait. It has as long for that
 * as a busy machine may take.
 */

import { log } from "../../messages.ts";
import { run } from "../../run/run.ts";
import { SOON } from "../waiting.ts";

const LINES = 1_500;

const LAST_MOMENT = 500;

const setTimer = setTimeout;
globalThis.setTimeout = Object.assign(
  (callback: () => void, milliseconds?: number) =>
    setTimer(callback, milliseconds === LAST_MOMENT ? SOON : milliseconds),
  setTimer,
);

Deno.addSignalListener("SIGTERM", () => {
  for (let count = 1; count <= LINES; count++) {
    log("notice", `word ${count}.`);
    console.error(`text ${count}.`);
  }
});

await run({ plain: { client: ({ dial }) => dial() } });

/** Says much at its end: more than goes out at once, and no more than may wait. */

import { log } from "../../messages.ts";
import { run } from "../../run/run.ts";

const LINES = 400;
const FILLER = "x".repeat(100);

Deno.addSignalListener("SIGTERM", () => {
  for (let count = 1; count <= LINES; count++) {
    log("notice", `word ${count} ${FILLER}`);
    console.error(`text ${count} ${FILLER}`);
  }
});

await run({ plain: { client: ({ dial }) => dial() } });

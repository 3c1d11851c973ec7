/** Loaded by `deno test --preload` for `deno task coverage`: programs that tests start count. */

import { coverPrograms } from "./covered_programs.ts";

const directory = Deno.env.get("DENO_COVERAGE_DIR") ?? "";
coverPrograms(() => directory);

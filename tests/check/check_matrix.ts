/**
 * Every fault against every check: each broken transport has to be reported by the check of its
 * name alone. It takes half an hour on two cores:
 *
 *     deno task check:matrix [PATTERN]
 *
 * The last line is `N faults, N reported by another check too`; the status is 0 when none is.
 */

import { checks } from "../../check/mod.ts";
import { ids, reported } from "./broken_program.ts";

const SIDE_BY_SIDE = 2;

const pattern = new RegExp(Deno.args[0] ?? "");
const queue = ids.filter((id) => pattern.test(id));
const count = queue.length;
let wrong = 0;

async function work(): Promise<void> {
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    const found = await reported(id);
    const own = checks.filter((check) => check.id === id).map(({ role }) => `${role}/${id}`);
    const exact = found.join() === own.join();
    if (!exact) wrong++;
    console.log(`${exact ? "ok  " : "FAIL"} ${id}${exact ? "" : `: ${found.join(", ")}`}`);
  }
}

await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
console.log(`${count} faults, ${wrong} reported by another check too`);
Deno.exit(wrong === 0 ? 0 : 1);

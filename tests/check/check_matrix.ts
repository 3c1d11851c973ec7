/**
 * Every fault and every legal variant against every check: each broken transport has to be reported
 * by the check of its name alone, and a correct one by none. It takes half an hour on two cores:
 *
 *     deno task check:matrix [PATTERN]
 *
 * The last lines are `N faults, N reported by another check too` and `N legal variants, N accused`;
 * the status is 0 when none is.
 */

import { faults, reported, reporters } from "./broken_program.ts";
import { accusations, program, variants } from "./legal_program.ts";

/** Names at a time: the programs of each spend most of their time waiting. */
const SIDE_BY_SIDE = 4;

const pattern = new RegExp(Deno.args[0] ?? "");

/** Tries what matches the pattern; resolves to how many there were, and how many of them failed. */
async function all(
  names: readonly string[],
  problem: (name: string) => Promise<string>,
): Promise<[count: number, wrong: number]> {
  const queue = names.filter((name) => pattern.test(name));
  const count = queue.length;
  let wrong = 0;
  const work = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const found = await problem(name);
      if (found !== "") wrong++;
      console.log(found === "" ? `ok   ${name}` : `FAIL ${name}: ${found}`);
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  return [count, wrong];
}

const [faulty, notExact] = await all(faults, async (fault) => {
  const found = (await reported(fault)).join(", ");
  return found === reporters(fault).join(", ") ? "" : found || "nothing";
});
const [legal, accused] = await all(variants() ?? [], async (variant) => {
  return (await accusations(program(variant))).join("; ");
});
console.log(`${faulty} faults, ${notExact} reported by another check too`);
console.log(`${legal} legal variants, ${accused} accused`);
Deno.exit(notExact + accused === 0 ? 0 : 1);

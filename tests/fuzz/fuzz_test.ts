/** Tries every property briefly. `deno task fuzz` does so for as long as one likes. */

import { assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { allProperties } from "./all_properties.ts";

for (const { name, property, runs } of allProperties) {
  Deno.test(name, async () => {
    await fc.assert(property, { numRuns: runs });
  });
}

Deno.test("no name of a property is a part of another one", () => {
  const names = allProperties.map(({ name }) => name);
  for (const name of names) assertEquals(names.filter((other) => other.includes(name)), [name]);
  // The command that replays one puts it between single quotes.
  assertEquals(names.filter((name) => name.includes("\\") || /^-/.test(name)), []);
});

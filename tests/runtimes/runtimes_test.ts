/** What of the library runs in Node and Bun, and what the rest says there. */

import { assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { permitted } from "../permitted.ts";
import { type Runtime, runtime, runtimeMissing } from "./runtimes.ts";

const NEEDS = ["env", "read", "run"] as const;

/** What README.md claims. */
const PURE = ["./address", "./args", "./bridge_line", "./line"];

/** What a script of this directory prints in a runtime. */
async function printed(command: readonly string[], script: string): Promise<unknown> {
  const [program = "", ...args] = command;
  const path = new URL(script, import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command(program, { args: [...args, path] }).output();
  const text = new TextDecoder();
  try {
    return JSON.parse(text.decode(stdout));
  } catch (cause) {
    throw new Error(`${program} said ${text.decode(stderr)}`, { cause });
  }
}

for (const name of ["node", "bun"] as const satisfies Runtime[]) {
  const missing = runtimeMissing(name);

  permitted(
    NEEDS,
    `${name} gets the same as Deno from what needs no Deno`,
    async () => {
      const script = "use_pure_exports.mjs";
      const inDeno = await printed([Deno.execPath(), "run", "--no-prompt"], script);
      assertEquals(await printed([runtime(name)], script), inDeno);
    },
    missing,
  );

  permitted(
    NEEDS,
    `${name} hears a sentence from what needs Deno`,
    async () => {
      const outcomes = await printed([runtime(name)], "load_exports.mjs");
      assertEquals(Object.keys(outcomes as object), Object.keys(config.exports));
      for (const [path, outcome] of Object.entries(outcomes as Record<string, unknown>)) {
        if (PURE.includes(path)) assertEquals(Array.isArray(outcome), true, `${path}: ${outcome}`);
        else assertMatch(String(outcome), /^Error: This part of @ptlib\/ptlib needs Deno /, path);
      }
    },
    missing,
  );
}

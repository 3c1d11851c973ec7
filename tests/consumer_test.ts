/** The library as somebody else's project sees it. */

import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { permitted, withDirectory } from "./permitted.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** What `deno check` says in a project that has the library and these compiler options. */
async function check(compilerOptions: Record<string, boolean>): Promise<string> {
  return await withDirectory(async (directory) => {
    const project = {
      imports: { [config.name]: `jsr:${config.name}@^${config.version}` },
      links: [ROOT],
      lock: false,
      compilerOptions,
    };
    const exports = Object.keys(config.exports).map((path) => config.name + path.slice(1));
    const source = exports.map((path, i) => `import * as m${i} from "${path}";\nm${i};\n`).join("");
    await Deno.writeTextFile(`${directory}/deno.json`, JSON.stringify(project));
    await Deno.writeTextFile(`${directory}/main.ts`, source);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "main.ts"],
      cwd: directory,
      env: { NO_COLOR: "1" },
    }).output();
    return success ? "" : new TextDecoder().decode(stderr);
  });
}

permitted(
  ["env", "read", "write", "run"],
  "every export type-checks in a project without our compiler options",
  async () => {
    assertEquals(await check({}), "");
  },
);

permitted(
  ["env", "read", "write", "run"],
  "every export type-checks in a project that is stricter than ours",
  async () => {
    const options = ["strict", "exactOptionalPropertyTypes", "noUncheckedIndexedAccess"];
    const stricter = ["noPropertyAccessFromIndexSignature", "noUnusedLocals", "noImplicitReturns"];
    const all = [...options, ...stricter].map((name) => [name, true]);
    assertEquals(await check(Object.fromEntries(all)), "");
  },
);

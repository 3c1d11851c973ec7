/** Every `deno task` that is named in a document is there: here, or in what `ptlib new` writes. */

import { assert, assertEquals } from "@std/assert";
import { projectFiles } from "../../cli/project_files.ts";
import config from "../../deno.json" with { type: "json" };
import { permitted } from "../permitted.ts";
import { filesBelow, ROOT } from "./markdown.ts";

/** The tasks of a project that `ptlib new` has written. */
async function projectTasks(): Promise<string[]> {
  const files = await projectFiles("mumble", "bytes", null);
  return Object.keys(JSON.parse(files.get("deno.json")?.text ?? "{}").tasks);
}

permitted(["read"], "every deno task that a document names is there", async () => {
  const tasks = [...Object.keys(config.tasks), ...await projectTasks()];
  let named = 0;
  for (const path of filesBelow(".md")) {
    const text = Deno.readTextFileSync(new URL(path, ROOT));
    for (const [words, task = ""] of text.matchAll(/\bdeno(?:@\S+)? task (?:--\S+ )*([\w:]+)/g)) {
      assert(tasks.includes(task), `${path}: there is no ${words}`);
      named++;
    }
  }
  assertEquals(named > tasks.length, true);
});

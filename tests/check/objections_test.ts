/** What `ptlib check` and tests of one's own go by, in the lines that README.md shows. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { type CheckResult, checks, objections } from "../../check/mod.ts";
import { parseMarkdown, ROOT } from "../docs/markdown.ts";
import { writeProject } from "../docs/project.ts";
import { permitted, withDirectory } from "../permitted.ts";

/** A test of somebody's program, as README.md has it. */
function shownTest(): string {
  const { blocks } = parseMarkdown("README.md", Deno.readTextFileSync(new URL("README.md", ROOT)));
  const block = blocks.find(({ text }) => text.includes("is a pluggable transport"));
  if (block === undefined) throw new Error("README.md has no such test");
  return block.text;
}

/** What is put into it, to be fast. */
const FAST = "only: /version-offered|relay-bytes/, timeout: 3_000";

/** Runs that test on a transport of a program of this directory, with two checks a half. */
async function runShown(program: string, transport: string): Promise<[boolean, string]> {
  const path = new URL(program, import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "--no-check", "--quiet", "--allow-all", path];
  const code = shownTest()
    .replace('["./mypt"]', JSON.stringify(command))
    .replace('transport: "mypt"', `transport: "${transport}", ${FAST}`);
  return await withDirectory(async (directory) => {
    await writeProject(directory);
    await Deno.writeTextFile(`${directory}/mypt_test.ts`, code);
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", "--quiet", "--allow-all", "mypt_test.ts"],
      cwd: directory,
      env: { NO_COLOR: "1" },
      stderr: "null",
    }).output();
    return [success, new TextDecoder().decode(stdout)];
  });
}

permitted(["read", "write", "run"], "the test in README.md lets a good program pass", async () => {
  const [passes, said] = await runShown("../../examples/rot13.ts", "rot13");
  assertEquals(passes, true, said);
});

permitted(
  ["read", "write", "run"],
  "the test in README.md fails where no connection could be judged",
  async () => {
    // Its client refuses every connection; everything else about it is right.
    const [passes, said] = await runShown("throwing_transport.ts", "greeted");
    assertEquals(passes, false);
    assertStringIncludes(
      said,
      "client/relay-bytes: no connection could be judged: needs a granted",
    );
    assertEquals(said.match(/no connection could be judged/g)?.length, 2);
  },
);

/** What came of the checks of a client that carries bytes, and of one more. */
function resultsWith(id: string, outcome: "ok" | "error" | "failed" | "skipped"): CheckResult[] {
  const failure = { expected: "a", got: "b", byHand: "env", attended: false };
  return checks.filter(({ role, id: name }) =>
    role === "client" && (name === "relay-bytes" || name === id)
  ).map((info): CheckResult =>
    info.id !== id || outcome === "ok" ? { ...info, outcome: "ok" } : {
      ...info,
      ...failure,
      outcome,
      problem: "oh dear",
      reason: "needs more",
      said: [],
      otherSaid: [],
    }
  );
}

Deno.test("objections() has what keeps a program from being called good, and nothing else", () => {
  assertEquals(objections(resultsWith("done-said", "failed")), [
    "client/done-said: expected a; got b",
  ]);
  assertEquals(objections(resultsWith("done-said", "error")), [
    "client/done-said: the checker failed: oh dear",
  ]);
  assertEquals(objections(resultsWith("done-said", "skipped")), []);
  // A SHOULD.
  assertEquals(objections(resultsWith("state-relative", "failed")), []);
  assertEquals(objections(resultsWith("relay-bytes", "skipped")), [
    "client/relay-bytes: no connection could be judged: needs more",
    "nothing could be judged: every check was skipped",
  ]);
  assertEquals(objections([]), ["nothing could be judged: every check was skipped"]);
});

import { assertEquals, assertStringIncludes } from "@std/assert";
import { stub } from "@std/testing/mock";
import { introduction, programPath } from "../../run/answer.ts";
import type { Transport } from "../../run/transport.ts";
import { asMainModule } from "../main_module.ts";

const CLIENT: Transport = { client: ({ dial }) => dial() };
const MINE = { name: "mine" };
const BOTH: Transport = { ...CLIENT, server: (conn) => conn };

Deno.test("introduction() names a network where any transport has both halves", () => {
  using _env = stub(Deno.env, "get", () => undefined);
  using _main = asMainModule("file:///opt/tor/my%20pt.ts");
  const cli = "deno run -A jsr:@ptlib/ptlib/cli";
  const program = "deno run -A /opt/tor/my pt.ts";
  const text = introduction({ half: CLIENT, whole: BOTH }, MINE);
  assertStringIncludes(text ?? "", "mine is a pluggable transport (half, whole)");
  assertStringIncludes(text ?? "", `\nTo try it: ${cli} tor -- ${program}\n`);
  const half = introduction({ half: CLIENT }, { ...MINE, about: "Mind the gap." });
  assertStringIncludes(half ?? "", `\nTo try it: ${cli} check -- ${program}\n`);
  assertStringIncludes(half ?? "", "\nMind the gap.");
});

Deno.test("introduction() has nothing to say to a parent", () => {
  using _ = stub(Deno.env, "get", () => "1");
  assertEquals(introduction({ whole: BOTH }, MINE), null);
});

Deno.test({
  name: "introduction() has nothing to say where nobody knows who is there",
  permissions: { env: false },
  fn: () => assertEquals(introduction({ whole: BOTH }, MINE), null),
});

Deno.test("programPath() is the address of a program that comes from elsewhere", () => {
  using _ = asMainModule("https://example.com/my%20pt.ts");
  assertEquals(programPath(), "https://example.com/my%20pt.ts");
});

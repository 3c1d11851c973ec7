import { assertEquals, assertStringIncludes } from "@std/assert";
import { stub } from "@std/testing/mock";
import { introduction, programPath } from "../../run/answer.ts";
import type { Transport } from "../../run/transport.ts";
import { asMainModule } from "../main_module.ts";

const CLIENT: Transport = { client: ({ dial }) => dial() };
const BOTH: Transport = { ...CLIENT, server: (conn) => conn };

Deno.test("introduction() names a network where any transport has both halves", () => {
  using _env = stub(Deno.env, "get", () => undefined);
  using _main = asMainModule("file:///opt/tor/my%20pt.ts");
  const cli = "deno run -A jsr:@ptlib/ptlib/cli";
  const program = "deno run -A /opt/tor/my pt.ts";
  const text = introduction("mine", { half: CLIENT, whole: BOTH });
  assertStringIncludes(text ?? "", "mine is a pluggable transport (half, whole)");
  assertStringIncludes(text ?? "", `\nTo try it: ${cli} tor -- ${program}\n`);
  const half = introduction("mine", { half: CLIENT });
  assertStringIncludes(half ?? "", `\nTo try it: ${cli} check -- ${program}\n`);
});

Deno.test("introduction() has nothing to say to a parent", () => {
  using _ = stub(Deno.env, "get", () => "1");
  assertEquals(introduction("mine", { whole: BOTH }), null);
});

Deno.test({
  name: "introduction() has nothing to say where nobody knows who is there",
  permissions: { env: false },
  fn: () => assertEquals(introduction("mine", { whole: BOTH }), null),
});

Deno.test("programPath() is the address of a program that comes from elsewhere", () => {
  using _ = asMainModule("https://example.com/my%20pt.ts");
  assertEquals(programPath(), "https://example.com/my%20pt.ts");
});

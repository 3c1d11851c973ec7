import { assertEquals } from "@std/assert";
import type { CheckInfo, CheckResult } from "../check/mod.ts";
import { junit } from "../cli/junit.ts";

Deno.test("junit() writes each outcome, and escapes what a program said", () => {
  const info: CheckInfo = {
    id: "x",
    role: "client",
    title: "holds",
    section: "pt-spec 1",
    level: "MUST",
  };
  const results: CheckResult[] = [
    { ...info, outcome: "ok" },
    { ...info, outcome: "skipped", reason: "needs <b>", said: ["LOG a"], otherSaid: ["b"] },
    { ...info, outcome: "error", problem: "a\x1bb" },
    {
      ...info,
      outcome: "failed",
      expected: '"a"',
      got: "b & c",
      said: [],
      otherSaid: [],
      byHand: "env -i x",
      attended: false,
    },
  ];
  const start = '  <testcase classname="client" name="x: holds (MUST, pt-spec 1)"';
  assertEquals(junit("dummy", results, null).split("\n"), [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuite name="dummy" tests="4" failures="1" errors="1" skipped="1">',
    `${start}/>`,
    `${start}><skipped message="needs &lt;b&gt;; it said: LOG a; the server said: b"/></testcase>`,
    `${start}><error message="a?b"/></testcase>`,
    `${start}><failure type="MUST" message="expected &quot;a&quot;, got b &amp; c; ` +
    'by hand: env -i x"/></testcase>',
    "</testsuite>",
    "",
  ]);
});

Deno.test("junit() calls it an error that the checks came to no end", () => {
  assertEquals(junit("dummy", [], "it broke off").split("\n"), [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuite name="dummy" tests="1" failures="0" errors="1" skipped="0">',
    '  <testcase classname="ptlib" name="makes every check">' +
    '<error message="it broke off"/></testcase>',
    "</testsuite>",
    "",
  ]);
});

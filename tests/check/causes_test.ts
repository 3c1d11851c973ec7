import { assertEquals } from "@std/assert";
import { causesOf, families } from "../../check/causes.ts";
import type { CheckResult, Level } from "../../check/mod.ts";
import { ids } from "./broken_program.ts";

function failure(
  id: string,
  got: string,
  level: Level = "MUST",
  role: "client" | "server" = "client",
): CheckResult {
  const title = "holds";
  const verdict = {
    outcome: "failed",
    expected: "an answer",
    said: [],
    otherSaid: [],
    byHand: "",
  } as const;
  return { id, role, title, section: "pt-spec 1", level, ...verdict, got, attended: false };
}

Deno.test("causesOf() puts checks of one family together, and those that saw the same", () => {
  const results: CheckResult[] = [
    failure("proxy-no-port", "VERSION 1"),
    failure("version-list", "status 3", "SHOULD"),
    failure("proxy-no-scheme", "VERSION 1 2"),
    failure("version-offered", "status 3"),
    failure("version-list", "status 3", "SHOULD", "server"),
    failure("sigint", "it goes on", "robustness"),
    { ...failure("alone", ""), outcome: "ok" },
  ];
  assertEquals(causesOf(results), [
    { role: "client", level: "MUST", ids: ["proxy-no-port", "proxy-no-scheme"] },
    { role: "client", level: "MUST", ids: ["version-list", "version-offered"] },
    { role: "server", level: "SHOULD", ids: ["version-list"] },
    { role: "client", level: "robustness", ids: ["sigint"] },
  ]);
});

Deno.test("causesOf() knows families of checks that exist, each in one of them", () => {
  const named = families.flat();
  assertEquals(named.filter((id) => !ids.includes(id)), []);
  assertEquals(new Set(named).size, named.length);
});

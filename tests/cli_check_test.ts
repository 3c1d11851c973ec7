import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { program } from "./check/broken_program.ts";
import { permitted } from "./permitted.ts";

const NEEDS = ["run", "read"] as const;

interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs `ptlib check` with these arguments, its outputs being no terminal. */
async function ptlibCheck(...args: string[]): Promise<Outcome> {
  const cli = new URL("../cli.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "--allow-all", cli, "check", ...args],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { status: code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

function example(name: string): string[] {
  const path = new URL(`../examples/${name}.ts`, import.meta.url).pathname;
  return [Deno.execPath(), "run", "--no-check", "--quiet", "--allow-all", path];
}

const DUMMY = ["--transport", "dummy"];

permitted(NEEDS, "ptlib check prints one line a check and counts them", async () => {
  const only = ["--client", "--only", "version-list|log-grammar"];
  const { status, stdout, stderr } = await ptlibCheck(...DUMMY, ...only, "--", ...program());
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.length, 3);
  assertMatch(lines[0] ?? "", /^ok +client\/version-list +MUST +pt-spec 3\.2\.1 +accepts any/);
  assertMatch(lines[1] ?? "", /^skip client\/log-grammar +MUST .*\(needs a LOG line/);
  assertEquals(lines[2], "1 passed, 0 failed");
  assertMatch(stderr, /; 1 skipped\n$/);
  assertEquals(status, 0);
});

permitted(NEEDS, "ptlib check ends with status 1 when a MUST fails, and says why", async () => {
  const only = ["--client", "--only", "version-(?:list|substring)"];
  const faulty = program("version-substring");
  const { status, stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...faulty);
  assertMatch(stdout, /^FAIL client\/version-substring/m);
  assertStringIncludes(stdout, "expected: VERSION-ERROR for an offer of 11,1x\n");
  assertMatch(stdout, /^ +got: +it said "VERSION 1"/m);
  assertMatch(stdout, /^ +by hand: +env -i .*TOR_PT_MANAGED_TRANSPORT_VER=11,1x/m);
  assertMatch(stdout, /\n1 passed, 1 failed\n$/);
  assertEquals(status, 1);
});

permitted(NEEDS, "ptlib check ends with status 0 when only a SHOULD fails", async () => {
  const only = ["--server", "--only", "version-error-text"];
  const faulty = program("version-error-text");
  const { status, stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...faulty);
  assertMatch(stdout, /\n0 passed, 1 failed\n$/);
  assertEquals(status, 0);
});

permitted(NEEDS, "ptlib check --json prints one object", async () => {
  const only = ["--json", "--client", "--only", "version-list"];
  const { status, stdout } = await ptlibCheck(...DUMMY, ...only, "--", ...program());
  const { transport, passed, failed, skipped, checks } = JSON.parse(stdout);
  assertEquals([transport, passed, failed, skipped], ["dummy", 1, 0, 0]);
  assertEquals(checks, [{
    id: "version-list",
    role: "client",
    title: "accepts any well-formed list of versions with 1 in it",
    section: "pt-spec 3.2.1",
    level: "MUST",
    outcome: "ok",
  }]);
  assertEquals(status, 0);
});

permitted(NEEDS, "ptlib check asks a program built on run() for its transport", async () => {
  const options = ["--client", "--only", "version-list"];
  const { status, stdout } = await ptlibCheck(...options, "--", ...example("rot13"));
  assertMatch(stdout, /^ok +client\/version-list .*\n1 passed, 0 failed\n$/);
  assertEquals(status, 0);
  const tells = `console.log('{"transports": {"a": {}, "b": {}}}')`;
  const several = await ptlibCheck(...options, "--", Deno.execPath(), "eval", tells);
  assertStringIncludes(
    several.stderr,
    "--transport NAME is missing: the transport to check, one of a, b",
  );
  assertEquals(several.status, 2);
});

permitted(NEEDS, "ptlib check says what is wrong with its arguments", async () => {
  const wrong: [args: string[], complaint: string][] = [
    [["--", Deno.execPath(), "eval", "console.log(5)"], "such as obfs4"],
    [["--transport", "4a", "--", "x"], "--transport is malformed"],
    [DUMMY, "there is no program after --"],
    [[...DUMMY, "--client", "--server", "--", "x"], "exclude each other"],
    [[...DUMMY, "--only", "(", "--", "x"], "--only is no regular expression: ("],
    // An example that is a client only: that it is no server is not what was asked for.
    [["--only", "nothing", "--", ...example("dummy_client")], "no check matches --only"],
    [["--server", "--only", "socks", "--", ...example("dummy_client")], "no check matches --only"],
  ];
  for (const [args, complaint] of wrong) {
    const { status, stdout, stderr } = await ptlibCheck(...args);
    assertEquals([status, stdout], [2, ""], complaint);
    assertStringIncludes(stderr, complaint);
  }
});

permitted(NEEDS, "ptlib check says when there is no such program", async () => {
  const { status, stderr } = await ptlibCheck(...DUMMY, "--", "no-such-program-anywhere");
  assertEquals(status, 1);
  assertStringIncludes(stderr, 'There is no program "no-such-program-anywhere": install it');
  assert(!stderr.includes("    at "), "there is a stack trace");
});

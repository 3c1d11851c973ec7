/** What `ptlib` says of itself. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { command, finished, ptlib } from "./ptlib_process.ts";

command("ptlib --version tells the version of the package", async () => {
  for (const args of [["--version"], ["client", "--version"]]) {
    assertEquals(await finished(args), { code: 0, out: `ptlib ${config.version}\n`, err: "" });
  }
});

command("ptlib leaves --help and --version after -- to the program", async () => {
  const { code, err } = await finished(["client", "--", "x", "--version", "--help"]);
  assertEquals(code, 2);
  assertStringIncludes(err, "--bridge-line is missing");
});

command("ptlib ends quietly when the reader of its help has gone", async () => {
  for (const args of [["--help"], ["client", "--help"], ["--version"]]) {
    const child = ptlib(args).spawn();
    await child.stdout.cancel(); // Long before a process can say anything.
    const err = await new Response(child.stderr).text();
    assertEquals([(await child.status).code, err], [0, ""]);
  }
});

command("ptlib takes the program in one word, and options behind it", async () => {
  const program = "no_such_program with words";
  const { code, err } = await finished(["check", "--program", program, "--transport", "x"]);
  assertEquals(code, 3);
  assertStringIncludes(err, 'There is no program "no_such_program"');
  const twice = await finished(["tor", "--program", program, "--", "x"]);
  assertEquals(twice.code, 2);
  assertStringIncludes(twice.err, "--program and a program after -- exclude each other");
});

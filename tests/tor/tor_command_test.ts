/** `ptlib tor`, with transports that are no part of it. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { INSTALL, missingPrograms } from "../../tor/programs.ts";
import { finished, Running } from "../cli/ptlib_process.ts";
import { granted, permitted } from "../permitted.ts";

const NEEDS = ["net", "read", "write", "run", "env"] as const;

/** Registers a test that needs tor, ignored with the reason where there is none. */
function torTest(name: string, fn: () => Promise<void>): void {
  const missing = granted(["run"]) ? missingPrograms() : [];
  const reason = missing.length === 0 ? null : `needs ${missing.join(" and ")}; ${INSTALL}`;
  permitted(NEEDS, name, fn, reason);
}

function deno(program: string, ...permissions: string[]): string[] {
  const path = new URL(program, import.meta.url).pathname;
  return [Deno.execPath(), "run", "--no-prompt", ...permissions, path];
}

const ROT13 = deno(
  "../../examples/rot13.ts",
  "--allow-env=TOR_PT_*",
  "--allow-net=127.0.0.1:0,{bridge},127.0.0.1",
  "--allow-read={cookie}",
);

torTest("ptlib tor tells the client what the bridge has published", async () => {
  const program = deno("../../examples/secret.ts", "--allow-all");
  const { code, out, err } = await finished(["tor", "--mib", "1", "--", ...program]);
  assertEquals(code, 0, err);
  assertMatch(out, /^ {2}Bridge secret 127\.0\.0\.1:\d+ secret=\S{10,}$/m);
  assertMatch(out, /^ {2}ClientTransportPlugin secret exec \/.*secret\.ts$/m);
  assertMatch(out, /^ {2}ServerTransportListenAddr secret 127\.0\.0\.1:\d+$/m);
  assertMatch(out, /^Download +1048576 bytes in .* MiB\/s\nSHA-256 +[0-9a-f]{64},/m);
  assertMatch(err, /Client: Bootstrapped 10% /);
  assertStringIncludes(err, "The bridge counted the client under its transport");
});

torTest("ptlib tor gives both halves what it was told, {bridge} included", async () => {
  const key = "0123456789abcdef".repeat(4);
  const { code, out, err } = await finished([
    "tor",
    ...["--mib", "0", "--option", `key=${key}`, "--args", `key=${key};at={bridge}`, "--"],
    ...deno("../../examples/frames.ts", "--allow-all"),
  ]);
  assertEquals(code, 0, err);
  const [, bridge] = /ServerTransportListenAddr sealed (\S+)/.exec(out) ?? [];
  assertStringIncludes(out, `  Bridge sealed ${bridge} key=${key} at=${bridge}\n`);
  assertStringIncludes(out, `  ServerTransportOptions sealed key=${key}\n`);
  assert(!out.includes("Download"), out);
});

torTest("ptlib tor --keep runs two programs until it is ended, and leaves nothing", async () => {
  // A word with a space stands in no torrc.
  const shell = ["/bin/sh", "-c", `exec ${ROT13.join(" ").replaceAll("*", "\\*")}`];
  await using running = new Running(
    [
      "tor",
      "--keep",
      "--mib",
      "0",
      "--transport",
      "rot13",
      "--peer",
      ROT13.join(" "),
      "--",
      ...shell,
    ],
    {},
    "stdout",
  );
  const [, torrc = ""] = await running.says(/Lines of the client's torrc, .*: (\/.*)$/);
  const [, port] = await running.says(/^SOCKS +127\.0\.0\.1:(\d+)$/);
  const lines = (await Deno.readTextFile(torrc)).split("\n");
  const [, bridge = ""] = await running.says(/^ {2}(Bridge rot13 .*)$/);
  assert(lines.includes(bridge), lines.join("\n"));
  (await Deno.connect({ hostname: "127.0.0.1", port: Number(port) })).close();
  await running.end();
  await assertRejects(() => Deno.stat(torrc), Deno.errors.NotFound);
});

torTest("ptlib tor tells what tor and the transport say when there is no way through", async () => {
  const program = deno("../run/wrong_moon.ts", "--allow-all");
  const { code, err } = await finished(["tor", "--", ...program]);
  assertEquals(code, 1);
  assertMatch(err, /^ +\d+\.\d s {2}The client's transport says: .*the moon is wrong$/m);
  assertMatch(err, /^ +\d+\.\d s {2}The client's tor warns: Proxy Client: unable to connect/m);
  assertMatch(err, /^client did not get through its transport 5 times\. Its last log lines:$/m);
});

torTest(
  "ptlib tor tells what the bridge's transport says, and does not wait for long",
  async () => {
    const { code, err } = await finished(["tor", "--", ...deno("closed_bridge.ts", "--allow-all")]);
    assertEquals(code, 1);
    assertMatch(err, /^ +\d+\.\d s {2}The bridge's transport says: closed: .*the bridge is up$/m);
    assertMatch(err, /^client did not get through its transport 5 times\. Its last log lines:$/m);
  },
);

torTest("ptlib tor tells what tor says of a program that is no transport", async () => {
  const { code, err } = await finished(["tor", "--transport", "x", "--", "/bin/false"]);
  assertEquals(code, 1);
  assertMatch(err, /^bridge has no working pluggable transport\. Its last log lines:$/m);
  assertMatch(err, /Managed proxy "\/bin\/false" .*terminated with status code 1/);
});

/** Command lines that are wrong, and what is said of them. */
const WRONG: [args: string[], said: RegExp][] = [
  [["--transport", "x"], /there is no program after --$/m],
  [["--transport", "x", "--", "/nonexistent/pt"], /there is no program \/nonexistent\/pt$/m],
  [["--transport", "x", "--", "no-such-pt"], /there is no program no-such-pt on the PATH$/m],
  [["--transport", "x", "--peer", " ", "--", "/bin/false"], /there is no program in --peer$/m],
  [["--transport", "a-b", "--", "/bin/false"], /--transport is malformed: /],
  [
    ["--", "/bin/false"],
    /NAME is missing: the transport to try, such as obfs4; the program does not/,
  ],
  [
    ["--", "cat"],
    /the transport to try, such as obfs4; asked .*, the program said: .*cat: unrecognized/,
  ],
  [
    ["--transport", "rot31", "--", ...deno("../../examples/rot13.ts", "--allow-all")],
    /--transport rot31: the program has rot13, and no rot31$/m,
  ],
  [["--mib", "1.5", "--", "/bin/false"], /--mib is a whole number from 0 to 1024, and not 1\.5$/m],
  [["--mib", "", "--", "/bin/false"], /--mib is a whole number/],
  [["--option", "key", "--", "/bin/false"], /--option is not K=V: key$/m],
  [["--option", "k=a b", "--", "/bin/false"], /--option has a space or any of # " \\ in it/],
  [["--args", "k", "--", "/bin/false"], /--args is malformed: /],
  [["--args", "k=a b", "--", "/bin/false"], /--args is malformed: /],
];

for (const [args, said] of WRONG) {
  permitted(NEEDS, `ptlib tor ${args.join(" ")} says what is wrong`, async () => {
    const { code, out, err } = await finished(["tor", ...args]);
    assertEquals([code, out], [2, ""]);
    assertMatch(err, said);
  });
}

permitted(NEEDS, "ptlib tor says that it needs tor, and how to get it", async () => {
  const path = await Deno.makeTempDir();
  const args = ["tor", "--transport", "x", "--", "/bin/false"];
  const { code, err } = await finished(args, { PATH: path });
  await Deno.remove(path);
  assertEquals(code, 1);
  assertStringIncludes(err, `Not found on the PATH: tor and tor-gencert. To install: ${INSTALL}`);
});

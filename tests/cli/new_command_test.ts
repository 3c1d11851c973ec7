/** `ptlib new`: what it writes works, and it overwrites nothing. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { INSTALL, missingPrograms } from "../../tor/programs.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";

const CLI = new URL("../../cli.ts", import.meta.url).pathname;
const NEEDS = ["net", "read", "write", "run", "env"] as const;

/** Runs Deno in a directory. */
async function deno(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out ?? "", err: err ?? "" };
}

const ptlibNew = (cwd: string, ...args: string[]) => deno(cwd, "run", "-A", CLI, "new", ...args);

/** What a project has to pass as it was written, and what says that it did something. */
const GATES: [args: string[], says: RegExp][] = [
  [["fmt", "--check"], /Checked 4 files/],
  [["lint"], /Checked 2 files/],
  [["check"], /Check transport_test\.ts/],
  [["task", "test"], /\| [1-9]\d* passed \(12 steps\) \| 0 failed/],
  [["task", "check"], /^[1-9]\d* passed, 0 failed$/m],
  [["task", "check", "--only", "relay-bytes"], /^2 passed, 0 failed$/m],
  [["task", "censor", "--help"], /^Usage: ptlib censor/],
];

const TOR_GATE: typeof GATES[number] = [["task", "tor"], /carried a Tor client's traffic/];

/** A name of each length: what is written must be formatted with it. */
const PROJECTS = {
  bytes: "x",
  frames: "a_transport_whose_name_is_of_a_length_that_no_line_has_room_for",
  tls: "tls",
};

const missing = granted(["run"]) ? missingPrograms() : [];

/** Whether tor takes these lines. */
async function tookByTor(directory: string, lines: readonly string[]): Promise<string> {
  const torrc = `${directory}/torrc_to_verify`;
  const text = [`DataDirectory ${directory}/tor`, ...lines].join("\n");
  await Deno.writeTextFile(torrc, `${text}\n`);
  const { stdout } = await new Deno.Command("tor", {
    args: ["--verify-config", "-f", torrc, "--defaults-torrc", `${directory}/none`],
  }).output();
  return new TextDecoder().decode(stdout);
}

/** Does something with a project of each kind, side by side: most of it waits for something. */
async function withEach(use: (directory: string, kind: string, name: string) => Promise<void>) {
  await Promise.all(
    Object.entries(PROJECTS).map(([kind, name]) =>
      withDirectory((directory) => use(directory, kind, name))
    ),
  );
}

permitted(NEEDS, "ptlib new writes what passes every gate, of each kind", async () => {
  await withEach(async (directory, kind, name) => {
    const { code, out, err } = await ptlibNew(directory, "--kind", kind, name);
    assertEquals(code, 0, err);
    const listed = out.split("\n").filter((line) => line.startsWith(`${name}/`));
    const written = Array.from(Deno.readDirSync(`${directory}/${name}`), (file) => file.name);
    assertEquals(listed.toSorted(), written.map((file) => `${name}/${file}`).toSorted());
    for (const [args, says] of GATES) {
      const { code, out, err } = await deno(`${directory}/${name}`, ...args);
      assertEquals(code, 0, `${kind}, ${args.join(" ")}: ${out}${err}`);
      assertMatch(out + err, says);
    }
  });
});

permitted(NEEDS, "ptlib new writes what carries Tor's traffic, of each kind", async () => {
  await withEach(async (directory, kind, name) => {
    await ptlibNew(directory, "--kind", kind, name);
    const [args, says] = TOR_GATE;
    const { code, out, err } = await deno(`${directory}/${name}`, ...args);
    assertEquals(code, 0, `${kind}: ${out}${err}`);
    assertMatch(out, says);
    const torrc = (await Deno.readTextFile(`${directory}/${name}/torrc`)).split("\n");
    const client = torrc.filter((line) => !line.startsWith("#"));
    const bridge = torrc.flatMap((line) => /^#(\w.*)/.exec(line)?.[1] ?? []);
    for (const half of [client, bridge]) {
      assertEquals(half.filter((line) => /Transport\w*Plugin /.test(line)).length, 1);
      assertMatch(await tookByTor(directory, half), /Configuration was valid/);
    }
  });
}, missing.length === 0 ? null : `needs ${missing.join(" and ")}; ${INSTALL}`);

permitted(NEEDS, "ptlib new --kind tls makes a key that only its owner can read", async () => {
  await withDirectory(async (directory) => {
    await ptlibNew(directory, "one", "--kind=tls");
    await ptlibNew(directory, "two", "--kind=tls");
    const key = (name: string) => `${directory}/${name}/key.pem`;
    if (Deno.build.os !== "windows") {
      assertEquals((Deno.statSync(key("one")).mode ?? 0) & 0o777, 0o600);
    }
    assert(Deno.readTextFileSync(key("one")) !== Deno.readTextFileSync(key("two")));
  });
});

permitted(NEEDS, "ptlib new overwrites nothing", async () => {
  await withDirectory(async (directory) => {
    await Deno.mkdir(`${directory}/mumble`);
    const { code, out, err } = await ptlibNew(directory, "mumble");
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /there is something named mumble here already/);
    assertEquals([...Deno.readDirSync(`${directory}/mumble`)], []);
  });
});

/** Command lines that are wrong, and what is said of them. */
const WRONG: [args: string[], said: RegExp][] = [
  [[], /there is no NAME, as in ptlib new mumble$/m],
  [["a-b"], /NAME has only letters, digits and _, and no digit first, unlike a-b$/m],
  [["1x"], /NAME has only letters/],
  [["../x"], /NAME has only letters/],
  [["__proto__"], /NAME has only letters/],
  [["one", "two"], /nothing is expected behind one: two$/m],
  [["--kind", "cheese", "x"], /--kind is one of bytes, frames, tls, and not cheese$/m],
  [["x", "--kind"], /--kind/],
  [["--king", "x"], /--king/],
];

for (const [args, said] of WRONG) {
  permitted(NEEDS, `ptlib new ${args.join(" ")} says what is wrong`, async () => {
    await withDirectory(async (directory) => {
      const { code, out, err } = await ptlibNew(directory, ...args);
      assertEquals([code, out], [2, ""]);
      assertMatch(err, said);
      for (const name of args) {
        await assertRejects(() => Deno.stat(`${directory}/${name}/deno.json`));
      }
    });
  });
}

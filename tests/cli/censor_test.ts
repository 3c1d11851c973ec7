/** `ptlib censor`: what it tells people and machines, and how it ends. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { countText } from "../../censor/finding.ts";
import { findingText, shapes } from "../../cli/censor_report.ts";
import {
  type Finding,
  fromCapture,
  judge,
  type ProbeOutcome,
  probeRules,
  rules,
  type Sight,
  toPcap,
} from "../../censor/mod.ts";
import { INSTALL, isInstalled, missingPrograms } from "../../tor/programs.ts";
import { granted, permitted, withDirectory } from "../permitted.ts";
import { command, finished, PLAIN } from "./ptlib_process.ts";

/** Whether its row is in the report, too. */
const hasNdpi = granted(["run"]) && isInstalled("ndpiReader");

const missing = granted(["run"]) ? missingPrograms() : [];
const torMissing = missing.length === 0 ? null : `needs ${missing.join(" and ")}; ${INSTALL}`;

/** Nothing is given up here, however long it is waited for. */
const BRIEFLY = ["--transport", "plain", "--patience", "5"];

const ALL = [...rules, ...probeRules];

function finding(sight: Sight, figure = "a figure"): Finding {
  return { ...rules[0]!, sight, figure };
}

const plainText = (_: string, text: string) => text;

Deno.test("findingText() has what must be known, in 100 columns", async () => {
  const findings = await judge({});
  for (const sight of ["seen", "clear", "unclear"] as const) {
    for (const one of findings) {
      const text = findingText({ ...one, sight }, plainText);
      const joined = text.replace(/\n +/g, " ");
      for (const part of [one.id, one.title, one.figure, one.threshold, one.source]) {
        assertStringIncludes(joined, part);
      }
      for (const part of [one.remedy, one.limits]) {
        assertEquals(joined.includes(part), sight === "seen", "that is for what is seen");
      }
      for (const line of text.split("\n")) assert(line.length <= 100, line);
    }
  }
});

Deno.test("findingText() lets nothing that was seen steer the terminal", () => {
  const text = findingText(finding("seen", "GET /\x1b[2J\x07"), plainText);
  assert(!/\p{Cc}/u.test(text.replaceAll("\n", "")), JSON.stringify(text));
});

Deno.test("countText() and shapes() sum up", () => {
  const findings = (["seen", "clear", "seen", "unclear"] as const).map((sight) => finding(sight));
  assertEquals(countText(findings), "2 seen, 1 clear, 1 unclear");
  const flow = [{ fromClient: true, time: 0, bytes: new Uint8Array(9) }];
  const answer = { fromClient: false, time: 1, bytes: new Uint8Array(7) };
  const plain = { text: [flow] };
  const text = shapes({ through: { text: [[...flow, answer]] }, plain });
  assertMatch(text, /text inside +>9 <7\n +without it +>9$/);
});

command("ptlib censor tells of each rule, and ends with 1 where --fail-on is hit", async () => {
  const args = ["censor", ...BRIEFLY, "--fail-on", "http,readable", "--", ...PLAIN];
  const { code, out, err } = await finished(args);
  assertEquals(code, 1, err);
  assertEquals(out.match(/^(?:seen|clear|unclear) /gm)?.length, ALL.length + (hasNdpi ? 1 : 0));
  assertMatch(out, /^seen +readable /m);
  assertMatch(out, /no promise/);
  assertMatch(out, /^seen +open-door /m);
  const joined = out.replace(/\n {28}/g, " ");
  assertMatch(joined, /^ +no answer, left open +replay, .*, silence, half-close, HTTP, SSH,/m);
  assertMatch(
    out,
    /^When it gave up connections, within 5\.0 s:\n {2}shortened replay +none of 6\n/m,
  );
  assertMatch(out, /\n2 seen, 1[67] clear, 3 unclear\n$/);
  assert(!out.includes("\x1b"), "colours are for terminals");
});

command("ptlib censor --json tells machines, with the sizes of messages", async () => {
  const { code, out, err } = await finished([
    ...["censor", ...BRIEFLY, "--json", "--fail-on", "http", "--", ...PLAIN],
  ]);
  assertEquals(code, 0, err);
  const report = JSON.parse(out);
  assertEquals(report.transport, "plain");
  assertEquals(report.seen + report.clear + report.unclear, report.findings.length);
  const ids = report.findings.map(({ id }: Finding) => id).filter((id: string) => id !== "ndpi");
  assertEquals(ids, ALL.map(({ id }) => id));
  const sent = (which: (probe: ProbeOutcome) => boolean) =>
    report.probes.outcomes.filter(which).length;
  const { garbage, ...others } = report.probes.reached;
  // Of a short first message fewer places are changed, so how many there are is not always the same.
  assertEquals(others, { changed: sent(({ kind }) => kind === "changed"), replay: 3 });
  // A reset may come before the server has gone on to the service.
  const resets = sent(({ name }) => name.startsWith("reset"));
  assert(
    resets > 0 && garbage <= 101 && garbage >= 101 - resets,
    `${garbage} of 101, ${resets} resets`,
  );
  assertEquals(report.messages.through.text.length, 30);
  assertEquals(report.messages.plain.text[0].length, 6);
  assert(report.messages.plain.text[0][0] > 0 && report.messages.plain.text[0][1] < 0);
});

command("ptlib censor --from judges the capture that --pcap writes", async (directory) => {
  const file = `${directory}/a.pcap`;
  const args = [...BRIEFLY, "--pcap", file, "--", ...PLAIN];
  const { code, err } = await finished(["censor", ...args]);
  assertEquals(code, 0, err);
  assertMatch(err, /93 connections are in /);
  const from = await finished(["censor", "--from", file, "--json", "--fail-on", "tls-fingerprint"]);
  assertEquals(from.code, 0, from.err);
  const report = JSON.parse(from.out);
  assertEquals(report.messages.captured.length, 93);
  assertMatch(report.findings[0].figure, /^\d+ of 93 connections are blocked$/);
  const text = await finished(["censor", "--from", file]);
  assertMatch(text.out, /^unclear fully-encrypted/);
});

/** The same in a directory without tor. */
async function withoutTor(directory: string) {
  await Deno.symlink(Deno.execPath(), `${directory}/deno`);
  return await finished(["censor", ...BRIEFLY, "--tor", "--", ...PLAIN], { PATH: directory });
}

command("ptlib censor --tor says what tor it needs, before anything starts", async (directory) => {
  const { code, out, err } = await withoutTor(directory);
  assertEquals([code, out], [1, ""]);
  assertEquals(
    err,
    "--tor needs tor and tor-gencert on the PATH. To install: " +
      "Debian and Ubuntu: apt-get install tor; macOS: brew install tor\n",
  );
});

permitted(
  ["env", "net", "run", "read", "write"],
  "ptlib censor --tor has a tor inside",
  async () => {
    await withDirectory(async (directory) => {
      const [page, file] = [`${directory}/a.html`, `${directory}/a.pcap`];
      const args = [...BRIEFLY, "--tor", "--html", page, "--pcap", file, "--", ...PLAIN];
      const { code, out, err } = await finished(["censor", ...args]);
      assertEquals(code, 0, err);
      assertMatch(err, /tor: Client has bootstrapped to 100 %/);
      assertMatch(
        out.replace(/\n {26}/g, " "),
        /^seen +tls-fingerprint .*tor's own TLS shows: JA4 t13/m,
      );
      assertMatch(out, /^ +tor inside +>\d+ <\d+/m);
      assertStringIncludes(await Deno.readTextFile(page), "With a tor inside that bootstraps");
      const flows = fromCapture(await Deno.readFile(file));
      assertEquals(flows.length, Number(/(\d+) connections are in /.exec(err)?.[1]));
      assert(flows.length > 93, `${flows.length}`);
    });
  },
  torMissing,
);

const WRONG: readonly [args: string[], complaint: RegExp][] = [
  [["--transport", "plain"], /There is no program: put it after --/],
  [["--transport", "a-b", "--", "true"], /--transport is malformed/],
  [
    ["--transport", "plain", "--fail-on", "x", "--", "true"],
    /--fail-on .* there is no rule x; there/,
  ],
  [["--transport", "plain", "--option", "x", "--", "true"], /--option is malformed: it is not K=V/],
  [["--transport", "plain", "--args", "a", "--", "true"], /--args is malformed/],
  [["--transport", "plain", "--patience", "0", "--", "true"], /--patience .* from 1 to 600/],
  [["--transport", "plain", "--front", "192.0.2.1:80", "--", "true"], /--front .* on loopback/],
  [["--transport", "plain", "--bind", "0.0.0.0:80", "--", "true"], /--bind .* on loopback/],
  [
    ["--pcap", "/nonexistent/a", "--", "true"],
    /--pcap \/nonexistent\/a cannot be written: No such/,
  ],
  [["--html", "/", "--", "true"], /--html \/ cannot be written: it is a directory/],
  [["--from", "x", "--", "true"], /--from stands alone/],
  [["--from", "x", "--transport", "plain"], /--from stands alone/],
  [["--from", "/nonexistent"], /--from cannot be read: No such file/],
  [["--from", "/dev/null"], /--from cannot be read: it is not a capture/],
];

command("ptlib censor says what is wrong with its arguments", async () => {
  for (const [args, complaint] of WRONG) {
    const { code, out, err } = await finished(["censor", ...args]);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(err, complaint);
  }
});

command("ptlib censor says in a sentence why it cannot look", async () => {
  const { code, err } = await finished(["censor", "--transport", "plain", "--", "/bin/false"]);
  assertEquals(code, 1);
  assertMatch(err, /ptlib censor: the server does not start: \/bin\/false: it ended with status 1/);
  assert(!err.includes("    at "), "a stack is no sentence");
});

command(
  "ptlib censor tells what it has seen before it writes files, and which it cannot",
  async (directory) => {
    const [page, capture] = [`${directory}/page`, `${directory}/capture`];
    await Deno.writeTextFile(page, "an older one");
    // There is no room behind it.
    await Deno.symlink("/dev/full", capture);
    const files = ["--html", page, "--pcap", capture];
    const { code, out, err } = await finished(["censor", ...BRIEFLY, ...files, "--", ...PLAIN]);
    assertEquals(code, 1);
    assertMatch(out, /\n\d+ seen, \d+ clear, \d+ unclear\n$/);
    assertMatch(err, /ptlib censor: .*\/capture cannot be written: No space left/);
    assertEquals(await Deno.readTextFile(page), "an older one");
  },
);

command("ptlib censor leaves no file where it fails", async (directory) => {
  const file = `${directory}/a.pcap`;
  const { code } = await finished([
    ...["censor", "--transport", "plain", "--pcap", file, "--", "/bin/false"],
  ]);
  assertEquals(code, 1);
  assertEquals(await Array.fromAsync(Deno.readDir(directory)), []);
});

command(
  "ptlib censor --from tells what it leaves out, and why nothing is left",
  async (directory) => {
    const flow = [{ fromClient: true, time: 0, bytes: new Uint8Array(200) }];
    const [file, empty] = [`${directory}/a.pcap`, `${directory}/b.pcap`];
    await Deno.writeFile(empty, toPcap([]));
    const none = await finished(["censor", "--from", empty, "--fail-on", "fully-encrypted"]);
    assertEquals([none.code, none.out], [2, ""]);
    assertMatch(none.err, /--from has no TCP connections that can be judged: there are no packets/);
    await Deno.writeFile(file, toPcap([flow]));
    const { code, err } = await finished(["censor", "--from", file, "--fail-on", "replay"]);
    assertEquals(code, 1);
    assertMatch(err, /--fail-on replay: that was not looked at/);
  },
);

command("ptlib censor says which half is missing, and how to name it", async () => {
  const program = new URL("../../examples/dummy_server.ts", import.meta.url).href;
  const args = ["--transport", "dummy", "--", Deno.execPath(), "run", "-A", program];
  const { code, err } = await finished(["censor", ...args]);
  assertEquals(code, 1);
  assertMatch(
    err,
    /the client does not start: .*; where another program is the client, --peer names/,
  );
});

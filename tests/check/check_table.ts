/**
 * What `ptlib check` says about the transports of others and ours, as a table in Markdown.
 *
 * ```sh
 * deno task check:table          # prints it
 * deno task check:table --write  # puts it into README.md too
 * ```
 *
 * Every program runs in a network namespace: some would connect to the world on their own.
 *
 * @module
 */

import { type Cause, causesOf } from "../../check/causes.ts";
import type { CheckResult } from "../../check/mod.ts";
import { namespaced, namespaceMissing } from "../interop/namespace.ts";
import { writeTable } from "../table_in_file.ts";
import { peer, peerMissing, type PeerName, peerVersion } from "../interop/peers.ts";

const ROOT = new URL("../../", import.meta.url);
const README = new URL("README.md", ROOT);
/** The levels that count; what no tor does is left out. */
const GRADES = ["MUST", "SHOULD", "robustness"] as const;

/** A program: words, and behind them the path of a foreign one where it is foreign. */
interface Program {
  readonly words: readonly string[];
  readonly peer?: PeerName;
}

/** What is checked. */
interface Subject {
  readonly name: string;
  readonly transport: string;
  /** The half that the program is; both where it is left out. */
  readonly half?: "client" | "server";
  readonly program: Program;
  /** The other half, where that is another program. */
  readonly other?: Program;
  /** Options of the server. */
  readonly options?: readonly string[];
}

const OURS = [
  ...[Deno.execPath(), "run", "--no-prompt", "--allow-env=TOR_PT_*,WEBTUNNEL_*"],
  ...["--allow-net", "--allow-read", "--allow-write"],
];

function ours(example: string): Program {
  return { words: [...OURS, `examples/${example}`] };
}

const webtunnel: Program = {
  words: ["sh", "tests/interop/webtunnel_server.sh", "--loopback", ...OURS, "webtunnel/main.ts"],
};
const lyrebird: Program = { words: [], peer: "lyrebird" };
const webtunnelClient: Program = { words: [], peer: "webtunnel-client" };
const webtunnelServer: Program = {
  words: ["sh", "tests/interop/webtunnel_server.sh"],
  peer: "webtunnel-server",
};

const SUBJECTS: readonly Subject[] = [
  {
    name: "ptlib, dummy_client.ts",
    transport: "dummy",
    half: "client",
    program: ours("dummy_client.ts"),
  },
  {
    name: "ptlib, dummy_server.ts",
    transport: "dummy",
    half: "server",
    program: ours("dummy_server.ts"),
  },
  { name: "ptlib, rot13.ts", transport: "rot13", program: ours("rot13.ts") },
  { name: "ptlib, rot0r.ts", transport: "rot13", program: ours("rot0r.ts") },
  { name: "ptlib, secret.ts", transport: "secret", program: ours("secret.ts") },
  {
    name: "ptlib, webtunnel/main.ts",
    transport: "webtunnel",
    program: webtunnel,
    // No reverse proxy says who is there.
    options: ["trusted-hops=0"],
  },
  {
    name: "goptlib, dummy-client",
    transport: "dummy",
    half: "client",
    program: { words: [], peer: "goptlib-dummy-client" },
  },
  {
    name: "goptlib, dummy-server",
    transport: "dummy",
    half: "server",
    program: { words: [], peer: "goptlib-dummy-server" },
  },
  { name: "obfs4proxy", transport: "obfs4", program: { words: [], peer: "obfs4proxy" } },
  { name: "lyrebird", transport: "obfs4", program: lyrebird },
  {
    name: "lyrebird",
    transport: "webtunnel",
    half: "client",
    program: lyrebird,
    other: webtunnelServer,
  },
  {
    name: "webtunnel-client",
    transport: "webtunnel",
    half: "client",
    program: webtunnelClient,
    other: webtunnelServer,
  },
  {
    name: "webtunnel-server",
    transport: "webtunnel",
    half: "server",
    program: webtunnelServer,
    other: webtunnelClient,
  },
  {
    name: "snowflake-client",
    transport: "snowflake",
    half: "client",
    program: { words: [], peer: "snowflake-client" },
  },
];

function missing({ program, other }: Subject): string | null {
  const peers = [program.peer, other?.peer].filter((name) => name !== undefined);
  return peers.map(peerMissing).find((reason) => reason !== null) ?? null;
}

async function commandOf({ words, peer: name }: Program): Promise<string[]> {
  if (name === undefined) return [...words];
  const path = await peer(name);
  if (path === null) throw new Error(peerMissing(name) ?? name);
  return [...words, path];
}

/** The version of its upstream, without that of the package. */
async function versionOf({ program }: Subject): Promise<string> {
  if (program.peer !== undefined) return (await peerVersion(program.peer))?.split("-")[0] ?? "?";
  return JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))).version;
}

/** Runs `ptlib check` where there is no world. */
async function check(subject: Subject): Promise<CheckResult[]> {
  const { transport, half, program, other, options = [] } = subject;
  const { stdout } = await namespaced([
    ...[Deno.execPath(), "run", "--no-prompt", "--allow-all", "cli.ts", "check", "--json"],
    ...["--transport", transport],
    ...half === undefined ? [] : [`--${half}`],
    ...other === undefined ? [] : ["--peer", (await commandOf(other)).join(" ")],
    ...options.flatMap((option) => ["--option", option]),
    "--",
    ...await commandOf(program),
  ], { cwd: ROOT, stdin: "null", stdout: "piped", stderr: "inherit" }).output();
  const { checks, errors } = JSON.parse(new TextDecoder().decode(stdout));
  if (errors > 0) throw new Error(`The checker failed on ${subject.name}`);
  // What no tor does is nothing to hold against anybody in public.
  return checks.filter(({ level }: CheckResult) => level !== "extra");
}

/** How many there are, and which. */
/** The causes of the failures, one behind the other, each with its checks. */
function listed(causes: readonly Cause[]): string {
  const all = causes.map(({ ids }) => ids.join(" + "));
  return all.length === 0 ? "0" : `${all.length}: ${all.join(", ")}`;
}

function row(first: readonly string[], results: readonly CheckResult[]): string {
  const causes = causesOf(results);
  const number = (outcome: string) =>
    String(results.filter((result) => result.outcome === outcome).length);
  const failures = GRADES.map((grade) => listed(causes.filter(({ level }) => level === grade)));
  return cells([...first, number("ok"), ...failures, number("skipped")]);
}

function cells(texts: readonly string[]): string {
  return `| ${texts.join(" | ")} |`;
}

/** The rows of a program, one a half. */
async function rows(subject: Subject): Promise<string[]> {
  const { name, transport, half } = subject;
  const [results, version] = [await check(subject), await versionOf(subject)];
  return (half === undefined ? ["client", "server"] as const : [half]).map((role) =>
    row([`${name} ${version}`, `${transport} ${role}`], results.filter((it) => it.role === role))
  );
}

if (Deno.args.some((arg) => arg !== "--write")) {
  console.error("Usage: deno task check:table [--write]");
  Deno.exit(2);
}
const obstacle = namespaceMissing();
if (obstacle !== null) {
  console.error(`The table ${obstacle}.`);
  Deno.exit(1);
}
const wanted = Deno.args.includes("--write");
const left = SUBJECTS.filter((subject) => missing(subject) !== null);
for (const subject of left) console.error(`${subject.name} is left out: ${missing(subject)}`);
if (wanted && left.length > 0) {
  console.error("README.md stays as it is: its table has every program.");
  Deno.exit(1);
}
const head = ["program", "half", "passed", ...GRADES.map((level) => `${level} failed`), "skipped"];
const lines = [cells(head), cells(["---", "---", "--:", "---", "---", "---", "--:"])];
for (const subject of SUBJECTS) {
  if (!left.includes(subject)) lines.push(...await rows(subject));
}
const table = lines.join("\n");
console.log(table);
if (wanted) await writeTable(README, "check:table", table);

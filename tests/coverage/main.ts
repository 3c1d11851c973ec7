/**
 * `deno task coverage`: how much of the library the tests run, room by room.
 *
 * @module
 */

import { publishedImports, roomOf } from "../rooms.ts";
import { inTemporaryDirectory, runDeno } from "../deno_process.ts";
import { type FileCoverage, percentage, readLcov, sum } from "./lcov.ts";
import { missing, table } from "./report.ts";

/** What part of the library tests have to run, in percent. */
const LINES = 97;
const BRANCHES = 92;

const HELP = `Runs the tests and prints how much of the library they run, as Markdown.

deno task coverage [--missing] [TESTS...]

  TESTS      files or directories of tests; default: all, without the examples in the documentation
  --missing  prints which lines and branches are missing, too
  --help     this text

Programs that tests start count, except those that end by a signal that they do not handle. It ends
with status 1 when a test fails, or when fewer than ${LINES} % of the lines or ${BRANCHES} % of the branches are run.`;

/** How long the tests, and Deno's reckoning, may take, in milliseconds. */
const LIMIT = 3_600_000;

const ROOT = new URL("../../", import.meta.url);

/** Runs the tests, with their output on stderr; whether all passed. */
async function runTests(tests: readonly string[], directory: string): Promise<boolean> {
  const preloads = ["../time_limit.ts", "./programs.ts"]
    .map((file) => `--preload=${new URL(file, import.meta.url).href}`);
  const flags = ["--no-prompt", "--allow-all", "--no-check", "--coverage-raw-data-only"];
  // Under coverage Deno's programs take SIGQUIT for something else.
  const ignored = `--ignore=${new URL("../faults_test.ts", import.meta.url).pathname}`;
  const args = ["test", ...flags, ignored, ...preloads, `--coverage=${directory}`, ...tests];
  const { success } = await runDeno(args, { cwd: ROOT.pathname, limit: LIMIT, show: true });
  return success;
}

/** Removes what a program has left that was killed while it wrote. */
async function removeBroken(directory: string): Promise<void> {
  for await (const { name, isFile } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (!isFile) continue;
    const text = await Deno.readTextFile(path);
    if (!text.trimEnd().endsWith("}")) await Deno.remove(path);
  }
}

/** What the tests have run of the library. */
async function readCoverage(directory: string): Promise<FileCoverage[]> {
  await removeBroken(directory);
  const args = ["coverage", "--lcov", `--include=^${ROOT.href}`, directory];
  const { success, stdout, stderr } = await runDeno(args, { cwd: ROOT.pathname, limit: LIMIT });
  if (!success) throw new Error(`deno coverage failed: ${stderr}`);
  const published = new Set((await publishedImports()).keys());
  return readLcov(stdout, ROOT.pathname).filter(({ file }) => published.has(file));
}

/** The files by rooms, the bottom one first. */
function byRoom(files: readonly FileCoverage[]): Map<string, FileCoverage[]> {
  const order = ["grammar", "reports", "net", "run", "webtunnel", "parent", "check", "cli"];
  return new Map(order.map((room) => [room, files.filter(({ file }) => roomOf(file) === room)]));
}

async function report(args: readonly string[], directory: string): Promise<boolean> {
  const passed = await runTests(args.filter((arg) => arg !== "--missing"), directory);
  const files = await readCoverage(directory);
  console.log(table(byRoom(files)));
  if (args.includes("--missing")) console.log(`\n${missing(files)}`);
  const enough = percentage(sum(files.map(({ lines }) => lines))) >= LINES &&
    percentage(sum(files.map(({ branches }) => branches))) >= BRANCHES;
  if (!passed) console.error("Tests failed.");
  if (!enough) console.error(`That is less than ${LINES} % of lines or ${BRANCHES} % of branches.`);
  return passed && enough;
}

async function main(args: readonly string[]): Promise<number> {
  const wrong = args.find((arg) => arg.startsWith("-") && arg !== "--missing");
  if (wrong === "--help") console.log(HELP);
  else if (wrong !== undefined) {
    console.error(`There is no ${wrong}: see deno task coverage --help`);
  }
  if (wrong !== undefined) return wrong === "--help" ? 0 : 2;
  const good = await inTemporaryDirectory("ptlib-coverage-", (path) => report(args, path));
  return good ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

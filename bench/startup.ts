/**
 * How long the examples take from the start of `deno run` to their DONE line, from their sources and
 * from a bundle, beside an empty program with one listener.
 */

import { clientEnvironment } from "../parent/child_environment.ts";
import { type Listed, written } from "./results.ts";
import { median } from "./statistics.ts";
import type { Workplace } from "./workplace.ts";

const PROGRAMS = ["rot0r", "rot13", "dummy_client"];

/** How long a program may take until DONE, in milliseconds. */
const LONGEST = 30_000;

/** Pins a command to the first processor, where that can be done. */
function pinned(command: readonly string[]): string[] {
  try {
    new Deno.Command("taskset", { args: ["-c", "0", "true"] }).outputSync();
    return ["taskset", "-c", "0", ...command];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return [...command];
  }
}

/** Milliseconds from the start of a program to its line that ends with DONE. */
async function timeToDone(
  [program = "", ...args]: readonly string[],
  { directory, signal }: Workplace,
): Promise<number> {
  const env = clientEnvironment(directory, ["*"], undefined);
  // A program that never says DONE ends, too.
  const end = AbortSignal.any([signal, AbortSignal.timeout(LONGEST)]);
  const command = new Deno.Command(program, {
    args,
    env,
    stdin: "piped",
    stdout: "piped",
    signal: end,
  });
  const start = performance.now();
  const child = command.spawn();
  let said = "";
  for await (const chunk of child.stdout.values({ preventCancel: true })) {
    said += new TextDecoder().decode(chunk);
    if (said.endsWith("DONE\n")) break;
  }
  const milliseconds = performance.now() - start;
  const done = said.endsWith("DONE\n");
  if (done) child.kill("SIGKILL");
  await Promise.all([child.status, child.stdout.cancel(), child.stdin.close().catch(() => {})]);
  if (!done) throw new Error(`${args.at(-1)} ended before DONE, and said: ${said}`);
  return milliseconds;
}

function deno(path: string): string[] {
  const permissions = ["--no-prompt", "--allow-env=TOR_PT_*", "--allow-net=127.0.0.1:0"];
  return pinned([Deno.execPath(), "run", ...permissions, path]);
}

/** Makes one file of a program. */
async function bundled(source: string, directory: string, name: string): Promise<string> {
  const output = `${directory}/${name}.js`;
  const args = ["bundle", "--quiet", "--output", output, source];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (!success) throw new Error(`deno bundle: ${new TextDecoder().decode(stderr)}`);
  return output;
}

/** Measures, and makes the table of the report. */
export async function reportStartUp(workplace: Workplace, runs: number): Promise<Listed> {
  const empty = deno(import.meta.resolve("./empty.ts"));
  const rows: string[][] = [];
  for (const name of PROGRAMS) {
    const source = import.meta.resolve(`../examples/${name}.ts`);
    const ways = [
      [name, deno(source)],
      [`${name}, bundled`, deno(await bundled(source, workplace.directory, name))],
    ] as const;
    for (const [title, program] of ways) {
      const times: [empty: number[], program: number[]] = [[], []];
      await timeToDone(program, workplace); // Fills the caches.
      for (let run = 0; run < runs; run++) {
        times[0].push(await timeToDone(empty, workplace));
        times[1].push(await timeToDone(program, workplace));
      }
      const difference = median(times[1]) - median(times[0]);
      rows.push([title, written(times[0]), written(times[1]), difference.toFixed(1)]);
    }
  }
  return { head: ["", "empty program, ms", "to DONE, ms", "difference, ms"], rows };
}

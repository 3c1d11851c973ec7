/** A program that has nobody behind it, so that no connection through it can stand. */

import { Program, type ProgramStart } from "./example_process.ts";
import type { Findings } from "./fault.ts";
import { seeEnd, seeLog } from "./scene.ts";
import { comesAbout } from "../waiting.ts";

/** How long descriptors may take to come back: a rejected user has 10 s to leave. */
const GIVEN_BACK = 20_000;

/** Starts a program, does something with it, and looks at what it leaves and has said. */
export async function withLoneProgram(
  findings: Findings,
  start: ProgramStart & { directory: string; lines: number; secrets?: readonly string[] },
  use: (program: Program) => Promise<void>,
): Promise<void> {
  await using program = await Program.start(start, start.directory);
  const before = program.descriptors();
  await use(program);
  const back = await comesAbout(GIVEN_BACK, () => program.descriptors() <= before);
  findings.see(back ? "nothing is left open" : `open: ${before}, ${program.descriptors()}`, back);
  const end = await program.end();
  seeLog(findings, end, start.lines, start.secrets);
  seeEnd(findings, end);
}

/** Signals in each phase of a program's life. */

import { clientExample, Program, serverExample } from "./example_process.ts";
import type { Fault, FaultGroup, Findings } from "./fault.ts";
import { carries, clientScene, ends, type Scene, serverScene } from "./scene.ts";
import { CLOSED_PORT } from "./silent_peer.ts";
import { startHalfway } from "./stream_faults.ts";
import { untilRefused } from "../net/until_refused.ts";
import { SOON, within } from "../waiting.ts";

type Half = "client" | "server";

/** Signals by what they mean. */
const SIGNALS = [
  ["SIGINT", "stop"],
  ["SIGTERM", "stop"],
  ["SIGPIPE", "nothing"],
  ["SIGHUP", "death"],
  ["SIGUSR1", "death"],
  ["SIGQUIT", "death"],
] as const;

type Signal = typeof SIGNALS[number][0];
/** What a signal means: a shutdown, nothing, or what the system makes of it. */
type Meaning = typeof SIGNALS[number][1];

const SIGPIPE = 13n;

/** Whether a program ignores SIGPIPE, as Deno does from its beginning. */
async function ignoresSigpipe(pid: number): Promise<boolean> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const [, ignored = "0"] = /^SigIgn:\s+([0-9a-f]+)$/m.exec(status) ?? [];
  return (BigInt(`0x${ignored}`) >> (SIGPIPE - 1n) & 1n) === 1n;
}

/** Looks whether a program has died of a signal. */
async function seeDeath(findings: Findings, program: Program, by: Signal): Promise<void> {
  const { code, signal } = await within(SOON, "The end of the program", program.ended());
  findings.see(signal === null ? `status ${code}` : `${signal} ends it`, signal === by);
}

/** Looks whether a program ends in order. */
async function seeOrderlyEnd(findings: Findings, program: Program): Promise<void> {
  const { code, signal, stderr } = await within(SOON, "The end of the program", program.ended());
  findings.see(signal === null ? `status ${code}` : `${signal} ends it`, code === 0);
  if (stderr !== "") findings.see(`on stderr: ${stderr}`, false);
}

/** How often a phase that is short may be missed. */
const MOST_TRIES = 20;

async function spawnDummy(half: Half, directory: string): Promise<Program> {
  const example = `dummy_${half}.ts`;
  const command = half === "client"
    ? await clientExample(example, [CLOSED_PORT])
    : await serverExample(example);
  const variables = half === "server" ? { ORPORT: "127.0.0.1:1" } : {};
  return Program.spawn({ command, half, transport: "dummy", variables }, directory);
}

/** Sends a signal as soon as Deno runs; whether that was before a word was said. */
async function beforeVersion(
  findings: Findings,
  half: Half,
  directory: string,
  signal: Signal,
): Promise<boolean> {
  await using program = await spawnDummy(half, directory);
  const { pid } = program.child;
  // A signal that comes before Deno takes care of SIGPIPE is the shell's.
  while (!await ignoresSigpipe(pid));
  program.child.kill(signal);
  if (signal === "SIGPIPE") {
    await program.untilDone();
    findings.see("it starts");
    await program.end();
    return true;
  }
  const seen = await program.child.untilEnd();
  if (seen !== "") return false;
  await seeDeath(findings, program, signal);
  return true;
}

/** The dummy program of a half, with a connection that stands. */
async function sceneOf(half: Half, directory: string): Promise<Scene> {
  return half === "client"
    ? await clientScene([], { directory })
    : await serverScene({ directory });
}

async function beginShutdown(program: Program): Promise<void> {
  program.child.kill("SIGTERM");
  await within(SOON, "The end of the listener", untilRefused(program.address[1]));
}

/** How long a shutdown goes on by itself, with a margin, in milliseconds. */
const GRACE = 1_500;

/** Whether a connection in a shutdown ends by a signal, sooner than it would by itself. */
async function seeAtOnce(
  findings: Findings,
  half: Half,
  directory: string,
  signal: Signal,
): Promise<void> {
  let sooner = false;
  // A machine that is busy may be late each time but not always.
  for (let i = 0; i < MOST_TRIES && !sooner; i++) {
    await using scene = await sceneOf(half, directory);
    const start = performance.now();
    await beginShutdown(scene.program);
    scene.program.child.kill(signal);
    const ended = await ends(scene.standing);
    if (!ended) findings.see("the connection stays", false);
    sooner = performance.now() - start < GRACE;
    const { code, signal: by } = await within(SOON, "The end", scene.program.ended());
    if (code !== 0) findings.see(`it ends with ${by ?? code}`, false);
  }
  findings.see(sooner ? "the connection ends at once" : "it ends no sooner", sooner);
}

/** What a signal does in each phase. */
interface Phase {
  readonly when: string;
  readonly halves: readonly Half[];
  readonly must: Readonly<Record<Meaning, string>>;
  attempt(
    findings: Findings,
    how: { half: Half; directory: string; signal: Signal; meaning: Meaning },
  ): Promise<void>;
}

const BOTH: readonly Half[] = ["client", "server"];

const PHASES: readonly Phase[] = [
  {
    when: "before VERSION",
    halves: BOTH,
    must: { stop: "it ends by the signal", nothing: "it starts", death: "it ends by the signal" },
    async attempt(findings, { half, directory, signal }) {
      for (let i = 0; i < MOST_TRIES; i++) {
        if (await beforeVersion(findings, half, directory, signal)) return;
      }
      throw new Error("The program was always too fast");
    },
  },
  {
    when: "between VERSION and DONE",
    halves: ["server"],
    must: { stop: "it ends with status 0", nothing: "it starts", death: "it ends by the signal" },
    async attempt(findings, { directory, signal, meaning }) {
      const { program, secret } = await startHalfway(directory);
      await using _program = program;
      using _secret = secret;
      program.child.kill(signal);
      if (meaning === "stop") return await seeOrderlyEnd(findings, program);
      if (meaning === "death") return await seeDeath(findings, program, signal);
      await secret.write(new TextEncoder().encode("swordfish"));
      secret.close();
      await program.untilDone();
      findings.see("it starts");
    },
  },
  {
    when: "when nobody is there",
    halves: BOTH,
    must: {
      stop: "it ends with status 0",
      nothing: "it goes on",
      death: "it ends by the signal",
    },
    async attempt(findings, { half, directory, signal, meaning }) {
      await using scene = await sceneOf(half, directory);
      const { program } = scene;
      scene.standing.close();
      program.child.kill(signal);
      if (meaning === "stop") return await seeOrderlyEnd(findings, program);
      if (meaning === "death") return await seeDeath(findings, program, signal);
      const serves = await scene.serves();
      findings.see(serves ? "it goes on" : "no new one works", serves);
    },
  },
  {
    when: "with a connection under way",
    halves: BOTH,
    must: {
      stop: "nobody listens, the connection goes on, it ends with status 0 when that has ended",
      nothing: "all go on",
      death: "it ends by the signal, and the connection too",
    },
    async attempt(findings, { half, directory, signal, meaning }) {
      await using scene = await sceneOf(half, directory);
      const { program, standing } = scene;
      program.child.kill(signal);
      if (meaning === "nothing") return await scene.seeSurvival(findings, { lines: [0] });
      if (meaning === "death") {
        findings.see("the connection ends", await ends(standing));
        return await seeDeath(findings, program, signal);
      }
      await within(SOON, "The end of the listener", untilRefused(program.address[1]));
      findings.see("nobody listens");
      const stands = await carries(standing);
      findings.see(stands ? "the connection goes on" : "the connection is dead", stands);
      standing.close();
      await seeOrderlyEnd(findings, program);
    },
  },
  {
    when: "in its shutdown",
    halves: BOTH,
    must: {
      stop: "the connection ends at once, status 0",
      nothing: "the connection goes on, and ends after 2 s, status 0",
      death: "it ends by the signal, and the connection too",
    },
    async attempt(findings, { half, directory, signal, meaning }) {
      if (meaning === "stop") return await seeAtOnce(findings, half, directory, signal);
      await using scene = await sceneOf(half, directory);
      const { program, standing } = scene;
      await beginShutdown(program);
      program.child.kill(signal);
      if (meaning === "nothing") {
        const stands = await carries(standing);
        findings.see(stands ? "the connection goes on" : "the connection is dead", stands);
      }
      const ended = await ends(standing);
      findings.see(ended ? "the connection ends" : "the connection stays", ended);
      if (meaning === "death") return await seeDeath(findings, program, signal);
      await seeOrderlyEnd(findings, program);
    },
  },
];

/** The program in which a phase of a half is tried. */
function programOf({ halves }: Phase, half: Half): string {
  return halves.length === 1 ? "secret.ts server" : `dummy_${half}.ts`;
}

const faults = PHASES.flatMap((phase) =>
  SIGNALS.flatMap(([signal, meaning]) =>
    phase.halves.map((half): Fault => ({
      what: `${signal} ${phase.when}`,
      where: programOf(phase, half),
      must: phase.must[meaning],
      try: (findings, directory) => phase.attempt(findings, { half, directory, signal, meaning }),
    }))
  )
);

export const signals: FaultGroup = { name: "signals", faults };

/** stdin, stdout and stderr that are closed or full, and a parent that dies. */

import { writeAll } from "../../net/mod.ts";
import { clientExample, Program, serverExample } from "./example_process.ts";
import type { Fault, FaultGroup, Findings } from "./fault.ts";
import {
  clientScene,
  ends,
  pairScene,
  replyOf,
  type Scene,
  type SceneOptions,
  SECRET,
  seeEnd,
  serverScene,
} from "./scene.ts";
import { CLOSED_PORT } from "./silent_peer.ts";
import { Cutter } from "./cutter.ts";
import { SOON, within } from "../waiting.ts";

type Half = "client" | "server";

const HALVES: readonly Half[] = ["client", "server"];

/** One of the dummy programs. */
async function dummyScene(half: Half, options: SceneOptions): Promise<Scene> {
  return half === "client" ? await clientScene([], options) : await serverScene(options);
}

/** A fault for each of the dummy programs. */
function eachHalf(
  fault: Pick<Fault, "what" | "must" | "waits">,
  attempt: (findings: Findings, half: Half, directory: string) => Promise<void>,
): Fault[] {
  return HALVES.map((half) => ({
    ...fault,
    where: `dummy_${half}.ts`,
    try: (findings, directory) => attempt(findings, half, directory),
  }));
}

/** How many lines do not fit into a pipe and what the library keeps. */
const MANY = 2_000;
/** How many come at once. */
const AT_ONCE = 25;

async function manyTimes(attempt: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < MANY / AT_ONCE; i++) {
    await Promise.all(Array.from({ length: AT_ONCE }, attempt));
  }
}

/** Reads the lines at last, and looks whether a loss is told behind them. */
async function seeDropped(findings: Findings, program: Program): Promise<void> {
  await program.child.untilMatch(/\d+ messages were dropped/);
  findings.see("it says how many lines were dropped");
  seeEnd(findings, await program.end());
}

const fullStdout: Fault[] = [
  {
    what: `nobody reads stdout, and ${MANY} lines come`,
    where: "dummy_client.ts",
    must: "every request is answered, others are served, the loss is told",
    async try(findings, directory) {
      const closed = CLOSED_PORT;
      await using scene = await clientScene([closed], { directory });
      const { program } = scene;
      let answered = 0;
      await manyTimes(async () => {
        if (await replyOf(program.address, closed) === 5) answered++;
      });
      findings.see(`${answered} are answered`, answered === MANY);
      await scene.seeOthers(findings);
      await scene.seeDescriptors(findings);
      await seeDropped(findings, program);
    },
  },
  {
    what: `nobody reads stdout, and ${MANY} lines come`,
    where: "secret.ts server",
    must: "every stranger is let go, others are served, the loss is told",
    async try(findings, directory) {
      const { scene } = await pairScene(SECRET, Cutter.before, { directory });
      await using _scene = scene;
      const server = scene.programs[1]!;
      const [hostname, port] = server.address;
      let letGo = 0;
      await manyTimes(async () => {
        using stranger = await Deno.connect({ hostname, port });
        await writeAll(stranger, new Uint8Array(64));
        if (await ends(stranger)) letGo++;
      });
      findings.see(`${letGo} are let go`, letGo === MANY);
      await scene.seeOthers(findings);
      await scene.seeDescriptors(findings);
      await seeDropped(findings, server);
    },
  },
];

const closedStdout = eachHalf({
  what: "stdout is closed, and there is something to say",
  must: "others are served, it ends as it should",
}, async (findings, half, directory) => {
  const closed = CLOSED_PORT;
  const variables = { ORPORT: closed.join(":") };
  if (half === "server") {
    const command = await serverExample("dummy_server.ts");
    const start = { command, half, transport: "dummy", variables } as const;
    await using program = await Program.start(start, directory);
    const [hostname, port] = program.address;
    await program.child.closeStdout();
    for (let i = 0; i < 3; i++) {
      using user = await Deno.connect({ hostname, port });
      findings.see("a user is let go", await ends(user));
    }
    seeEnd(findings, await program.end());
    findings.see("it ends");
    return;
  }
  await using scene = await clientScene([closed], { directory });
  await scene.program.child.closeStdout();
  for (let i = 0; i < 3; i++) {
    const reply = await replyOf(scene.program.address, closed);
    findings.see(`reply ${reply}`, reply === 5);
  }
  await scene.seeSurvival(findings, { lines: [0] });
});

/** What is done to stderr before a program starts. */
const STDERR: readonly [what: string, script: (directory: string) => string][] = [
  ["is closed", () => "exec 2>&-"],
  [
    "is a full pipe that nobody reads",
    (directory) => {
      const pipe = `${directory}/full`;
      return `mkfifo ${pipe}; exec 2<>${pipe}; head -c 65536 /dev/zero >&2`;
    },
  ],
];

const stderr = STDERR.flatMap(([what, script]) =>
  eachHalf({
    what: `stderr ${what}`,
    must: "others are served, it ends as it should",
  }, async (findings, half, directory) => {
    const prefix = ["sh", "-c", `${script(directory)}; exec "$@"`, "sh"];
    await using scene = await dummyScene(half, { directory, prefix });
    await scene.seeSurvival(findings, { lines: [0] });
  })
);

/** What is done to stdin before a program starts. */
const STDIN = { closed: "exec 0<&-", "/dev/null": "exec 0</dev/null" } as const;

const meaningless = eachHalf({
  what: "stdin is closed, and TOR_PT_EXIT_ON_STDIN_CLOSE is not set",
  must: "it goes on, and ends by SIGTERM",
}, async (findings, half, directory) => {
  await using scene = await dummyScene(half, { directory, unset: ["EXIT_ON_STDIN_CLOSE"] });
  await scene.program.child.closeStdin();
  await scene.seeOthers(findings);
  await scene.seeDescriptors(findings);
  await scene.seeWords(findings, { lines: [0], by: "SIGTERM" });
});

const meaninglessFromTheStart = Object.entries(STDIN).flatMap(([what, script]) =>
  eachHalf({
    what: `stdin is ${what} from the start, and TOR_PT_EXIT_ON_STDIN_CLOSE is not set`,
    must: "it goes on, and ends by SIGTERM",
  }, async (findings, half, directory) => {
    const prefix = ["sh", "-c", `${script}; exec "$@"`, "sh"];
    const unset = ["EXIT_ON_STDIN_CLOSE"];
    await using scene = await dummyScene(half, { directory, prefix, unset });
    await scene.seeOthers(findings);
    await scene.seeDescriptors(findings);
    await scene.seeWords(findings, { lines: [0], by: "SIGTERM" });
  })
);

/** Starts one of the dummy programs, which may end before it is ready. */
async function spawn(half: Half, directory: string, prefix: readonly string[]): Promise<Program> {
  const example = `dummy_${half}.ts`;
  const command = half === "client"
    ? await clientExample(example, [CLOSED_PORT])
    : await serverExample(example);
  const variables = half === "server" ? { ORPORT: "127.0.0.1:1" } : {};
  return Program.spawn({ command, half, transport: "dummy", variables, prefix }, directory);
}

const early = Object.entries({ ...STDIN, "a pipe that is closed": null })
  .flatMap(([what, script]) =>
    eachHalf({
      what: `stdin is ${what} from the start`,
      must: "it ends with status 0",
    }, async (findings, half, directory) => {
      const prefix = script === null ? [] : ["sh", "-c", `${script}; exec "$@"`, "sh"];
      await using program = await spawn(half, directory, prefix);
      if (script === null) await program.child.closeStdin();
      const end = await within(SOON, "The end", program.ended());
      seeEnd(findings, end);
      findings.see(`status ${end.code}`);
    })
  );

const underWay = eachHalf({
  what: "stdin is closed while a connection is under way",
  must: "the connection ends, it ends with status 0",
}, async (findings, half, directory) => {
  await using scene = await dummyScene(half, { directory });
  await scene.program.child.closeStdin();
  const ended = await ends(scene.standing);
  findings.see(ended ? "the connection ends" : "the connection stays", ended);
  const end = await within(SOON, "The end", scene.program.ended());
  seeEnd(findings, end);
  findings.see(`status ${end.code}`);
});

const beforeDone: Fault = {
  what: "stdin is closed between VERSION and DONE",
  where: "secret.ts server",
  must: "it ends with status 0",
  async try(findings, directory) {
    const { program, secret } = await startHalfway(directory);
    await using _program = program;
    using _secret = secret;
    const end = await within(SOON, "The end", program.end());
    seeEnd(findings, end);
    findings.see(`status ${end.code}`);
  },
};

/** A server that has said VERSION and waits for its secret, which is in a pipe. */
export async function startHalfway(
  directory: string,
): Promise<{ program: Program; secret: Deno.FsFile }> {
  const state = `${directory}/pt_state`;
  const path = `${state}/secret`;
  await Deno.mkdir(state);
  await new Deno.Command("mkfifo", { args: [path] }).output();
  const program = Program.spawn({
    command: await serverExample("secret.ts", { "/var/lib/tor/pt_state": state }),
    half: "server",
    transport: "secret",
    variables: { ORPORT: "127.0.0.1:1" },
  }, directory);
  await program.child.until("VERSION 1");
  // That waits until the program wants to read.
  const secret = await within(SOON, "The wish for a secret", Deno.open(path, { write: true }));
  return { program, secret };
}

/** A parent in between, which can be killed; stdin stays open. */
const PARENT = ["sh", "-c", 'exec 3<&0; "$@" <&3 3<&- & wait', "sh"];

/** The child of a program that is to be killed; disposing of it kills the child, if it has not ended. */
function orphanOf({ child: { pid } }: Program): Disposable {
  const child = Number(Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`));
  return {
    [Symbol.dispose]() {
      try {
        Deno.kill(child, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    },
  };
}

const orphans = [true, false].flatMap((counts) =>
  eachHalf({
    what: `the parent is killed, ${counts ? "and stdin stays open" : "and stdin means nothing"}`,
    must: "the connection ends, and so does the program",
  }, async (findings, half, directory) => {
    const unset = counts ? [] : ["EXIT_ON_STDIN_CLOSE"];
    await using scene = await dummyScene(half, { directory, prefix: PARENT, unset });
    using _orphan = orphanOf(scene.program);
    scene.program.child.kill("SIGKILL");
    const ended = await ends(scene.standing);
    findings.see(ended ? "the connection ends" : "the connection stays", ended);
    // The end of its stdout is the end of whoever has it open.
    await within(SOON, "The end of the program", scene.program.child.untilEnd());
    findings.see("it ends");
  })
);

export const streams: FaultGroup = {
  name: "streams",
  faults: [
    ...fullStdout,
    ...closedStdout,
    ...stderr,
    ...meaningless,
    ...meaninglessFromTheStart,
    ...early,
    ...underWay,
    beforeDone,
    ...orphans,
  ],
};

/**
 * Checks that are made elsewhere: in a network of their own, where a process of ours runs for it.
 *
 * @module
 */

import { nameOf, type Task } from "./catalogue.ts";
import type { Subject } from "./fixture.ts";
import { type Order, type Word, WORKER } from "./inside_worker.ts";
import { inNetworkOf, inOwnNetwork } from "./own_network.ts";
import type { Audience, Scene } from "./scene.ts";
import { quoteForShell } from "../parent/shell.ts";
import { resultWithin } from "../parent/result_within.ts";
import { Skipped, type Verdict } from "./verdict.ts";

const NEEDS = "needs a network of its own";
/** How long the process may take to clear away, in milliseconds, before it is killed. */
const CLEARING = 10_000;

/** Why there can be no such process here; null when it may be tried. */
function whyNot(): string | null {
  if (Deno.build.os !== "linux") return "only Linux has them";
  // What starts itself again would be somebody else's program.
  if (Deno.build.standalone || !/\/check\/inside_worker\.[jt]s$/.test(WORKER)) {
    return "this checker is compiled or bundled, and cannot start itself in one";
  }
  const { state } = Deno.permissions.querySync({ name: "run", command: "unshare" });
  return state === "granted" ? null : "grant --allow-run=unshare for it";
}

function spawn(): Deno.ChildProcess {
  const script = `import { work } from ${JSON.stringify(WORKER)}; await work();`;
  const flags = ["--quiet", "--no-config", "--no-lock", "--cached-only"];
  const [program = "", ...args] = inOwnNetwork([Deno.execPath(), "eval", ...flags, script]);
  try {
    return new Deno.Command(program, {
      args,
      env: { DENO_NO_UPDATE_CHECK: "1", DENO_NO_PACKAGE_JSON: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true, // A Ctrl-C is for us, who end it in order.
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Skipped(`${NEEDS}: install unshare of util-linux`);
  }
}

/** The process. */
class Elsewhere implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #stderr: Promise<string>;

  constructor() {
    const reason = whyNot();
    if (reason !== null) throw new Skipped(`${NEEDS}: ${reason}`);
    this.#child = spawn();
    this.#stdin = this.#child.stdin.getWriter();
    this.#stdin.closed.catch(() => {}); // It may be gone before we close it.
    this.#stderr = this.#child.stderr.text().catch(() => "");
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Tells it what to do, and what it says then. */
  async *words(order: Order): AsyncGenerator<Word, void> {
    const told = new TextEncoder().encode(`${JSON.stringify(order)}\n`);
    this.#stdin.write(told).catch(() => {}); // It says nothing, if it is gone.
    let text = "";
    for await (const piece of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + piece).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line);
    }
  }

  /** Its last words. */
  async complaint(): Promise<string> {
    return (await this.#stderr).trim().split("\n").at(-1) ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stdin.close().catch(() => {}); // It may have ended by itself.
    if (await resultWithin(this.#child.status, CLEARING) === null) this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

/** Has a process do something, which ends with the subject's signal. */
async function withElsewhere(
  { signal, ...subject }: Subject,
  tasks: readonly Task[],
  shown: boolean,
  use: (words: AsyncIterable<Word>, elsewhere: Elsewhere) => Promise<void>,
): Promise<void> {
  const directory = `${subject.directory}/elsewhere`;
  await Deno.mkdir(directory);
  const elsewhere = new Elsewhere();
  const end = () => void elsewhere[Symbol.asyncDispose]();
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  try {
    const order = { subject: { ...subject, directory }, names: tasks.map(nameOf), shown };
    await use(elsewhere.words(order), elsewhere);
  } finally {
    signal.removeEventListener("abort", end);
    await elsewhere[Symbol.asyncDispose]();
  }
}

/** A check that is skipped before any program could say anything. */
function silentlySkipped(reason: string): Verdict {
  return { outcome: "skipped", reason, said: [], otherSaid: [] };
}

/** The same verdict for each of some checks. */
function toAll(tasks: readonly Task[], verdict: Verdict): Map<string, Verdict> {
  return new Map(tasks.map((task) => [nameOf(task), verdict]));
}

/** Makes checks elsewhere. */
export async function judgeElsewhere(
  subject: Subject,
  tasks: readonly Task[],
): Promise<ReadonlyMap<string, Verdict>> {
  const found = new Map<string, Verdict>();
  let complaint = "";
  try {
    await withElsewhere(subject, tasks, false, async (words, elsewhere) => {
      for await (const word of words) if ("verdict" in word) found.set(word.name, word.verdict);
      complaint = await elsewhere.complaint();
    });
  } catch (error) {
    if (error instanceof Skipped) {
      return toAll(tasks, silentlySkipped(error.reason));
    }
    return toAll(tasks, { outcome: "error", problem: String(error) });
  }
  // Who said nothing at all was not there.
  const missing: Verdict = found.size === 0
    ? silentlySkipped(`${NEEDS}: ${complaint}`)
    : { outcome: "error", problem: `It ended in a network of its own: ${complaint}` };
  return new Map([...toAll(tasks, missing), ...found]);
}

/** The scene with a command that starts the program in the same network. */
function enterable(scene: Scene, pid: number): Scene {
  if (scene.command === null) return scene;
  const enter = inNetworkOf(pid).map(quoteForShell).join(" ");
  return { ...scene, command: `${enter} ${scene.command}` };
}

/** Shows one check that is made elsewhere. */
export async function showElsewhere(
  subject: Subject,
  task: Task,
  audience: Audience,
): Promise<void> {
  let shown: Promise<void> | null = null;
  await withElsewhere(subject, [task], true, async (words, elsewhere) => {
    for await (const word of words) {
      if ("told" in word) audience.tell(word.told);
      if (!("scene" in word)) continue;
      shown = audience.show(enterable(word.scene, elsewhere.pid))
        .finally(() => elsewhere[Symbol.asyncDispose]());
      shown.catch(() => {}); // That is for the end.
    }
    if (shown === null) throw new Skipped(`${NEEDS}: ${await elsewhere.complaint()}`);
    await shown;
  }).catch(async (error) => {
    if (!(error instanceof Skipped)) throw error;
    const verdict = silentlySkipped(error.reason);
    await audience.show({
      verdict,
      command: null,
      hand: null,
      ask: null,
      listeners: [],
      otherHalf: [],
    });
  });
}

/**
 * A terminal of a reader, in which the shell blocks of one document are run one after the other, in a
 * directory of its own. There `jsr:@ptlib/ptlib/...` is this checkout, and `ptlib` its command.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import { peer, type PeerName } from "../interop/peers.ts";
import { ROOT } from "./markdown.ts";
import { writeProject } from "./project.ts";

/** For how many milliseconds a command may run, or may take until it is ready. */
const LIMIT = 100_000;

/** The foreign programs that documents name and that are not from Debian's packages. */
const PEERS: readonly PeerName[] = ["lyrebird", "webtunnel-client", "webtunnel-server"];

/** Whether a program is one of these. */
export function isPeer(name: string): name is PeerName {
  return PEERS.some((peer) => peer === name);
}

/** A script of bash that runs Deno, and finds this checkout where a word names ptlib on JSR. */
function denoScript(): string {
  const cases = Object.entries(config.exports).map(([name, path]) =>
    `    jsr:${config.name}${name.slice(1)}) word=${new URL(path, ROOT).pathname} ;;\n`
  );
  return `#!/bin/bash
words=()
for word; do
  case $word in
${cases.join("")}  esac
  words+=("$word")
done
exec '${Deno.execPath()}' "\${words[@]}"
`;
}

/** Sends a line to a port of this machine, and wants to have it back. */
const THROUGH = `#!/bin/bash
set -e
exec 3<>/dev/tcp/127.0.0.1/$1
echo hello >&3
read -r line <&3
[ "$line" = hello ]
`;

/** Where Deno keeps what it has downloaded: nothing is to be downloaded once more for a reader. */
async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** What became of a command. */
export interface Ended {
  /** What it printed, on stdout and stderr, as a terminal shows it. */
  printed: string;
  code: number;
}

/** Something that was started, and the programs that it has started. */
class Job {
  printed = "";
  readonly ended: Promise<Ended>;
  readonly #child: Deno.ChildProcess;
  #wake = Promise.withResolvers<void>();

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.ended = this.#follow();
  }

  async #follow(): Promise<Ended> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.printed += text;
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
    const { code } = await this.#child.status;
    this.#wake.resolve();
    return { printed: this.printed, code };
  }

  /** Waits until it has printed something, and returns what it has printed up to the line's end. */
  async says(pattern: RegExp): Promise<[printed: string, match: RegExpExecArray]> {
    let over = false;
    this.ended.then(() => over = true);
    for (;;) {
      const { promise } = this.#wake;
      const match = pattern.exec(this.printed);
      const end = this.printed.indexOf("\n", (match?.index ?? 0) + (match?.[0].length ?? 0));
      if (match !== null && end !== -1) return [this.printed.slice(0, end + 1), match];
      if (over) throw new Error(`It ended before it said ${pattern}:\n${this.printed}`);
      await promise;
    }
  }

  signal(signal: Deno.Signal): void {
    try {
      Deno.kill(-this.#child.pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Ends it as Ctrl-C does. */
  async end(): Promise<void> {
    this.signal("SIGINT");
    await within(this, this.ended);
  }
}

/** Waits for something that a job does, and kills it when that takes too long. */
async function within<T>(job: Job, promise: Promise<T>): Promise<T> {
  const timer = setTimeout(() => job.signal("SIGKILL"), LIMIT);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

function newDirectory(): Promise<string> {
  return Deno.makeTempDir({ prefix: "ptlib-docs-" });
}

/** The terminal. Disposing of it ends what runs, and removes its files. */
export class Terminal implements AsyncDisposable {
  /** The directory in which it began. */
  readonly home: string;
  /** All that it has. */
  readonly #root: string;
  /** Where its next command runs. */
  #directory: string;
  readonly #programs: string;
  readonly #running: Job[] = [];

  readonly #denoDirectory: string;

  private constructor(root: string, denoDirectory: string) {
    this.#root = root;
    this.#denoDirectory = denoDirectory;
    this.home = `${root}/work`;
    this.#directory = this.home;
    this.#programs = `${root}/programs`;
  }

  /** Opens one, in a new directory. */
  static async open(): Promise<Terminal> {
    const terminal = new Terminal(await newDirectory(), await denoDirectory());
    await Deno.mkdir(terminal.home);
    await Deno.mkdir(terminal.#programs);
    await writeProject(terminal.home);
    const cli = new URL(config.exports["./cli"], ROOT).pathname;
    await terminal.install("deno", denoScript());
    await terminal.install("ptlib", `#!/bin/sh\nexec '${Deno.execPath()}' run -A ${cli} "$@"\n`);
    await terminal.install("through", THROUGH);
    for (const name of PEERS) {
      const path = await peer(name);
      if (path !== null) await Deno.symlink(path, `${terminal.#programs}/${name}`);
    }
    return terminal;
  }

  /** Opens another one, whose directory has what this one has now. */
  async copy(): Promise<Terminal> {
    const terminal = new Terminal(await newDirectory(), this.#denoDirectory);
    terminal.#directory = this.#directory.replace(this.home, terminal.home);
    const args = ["-a", this.home, this.#programs, terminal.#root];
    const { success } = await new Deno.Command("cp", { args }).output();
    if (!success) throw new Error("What a document has written could not be copied");
    return terminal;
  }

  /** Puts a program on the PATH, before all others. */
  async install(name: string, script: string): Promise<void> {
    await Deno.writeTextFile(`${this.#programs}/${name}`, script, { mode: 0o755 });
  }

  #start(script: string): Job {
    const child = new Deno.Command("bash", {
      args: ["-ec", `exec 2>&1; trap 'pwd > "$PTLIB_DOCS_PWD"' EXIT\n${script}`],
      cwd: this.#directory,
      env: {
        PATH: `${this.#programs}:${Deno.env.get("PATH")}`,
        HOME: this.home,
        DENO_DIR: this.#denoDirectory,
        NO_COLOR: "1",
        DENO_NO_UPDATE_CHECK: "1",
        PTLIB_DOCS_PWD: `${this.#programs}/pwd`,
      },
      stdin: "null",
      stdout: "piped",
      detached: true,
    }).spawn();
    return new Job(child);
  }

  /** Runs commands that end. What is changed of the directory stays so. */
  async run(script: string): Promise<Ended> {
    const job = this.#start(script);
    const ended = await within(job, job.ended);
    job.signal("SIGKILL"); // What it left running.
    this.#directory = (await Deno.readTextFile(`${this.#programs}/pwd`)).trim();
    return ended;
  }

  /** Starts a command that goes on running, and waits until it says this. */
  async serve(command: string, ready: RegExp): Promise<[printed: string, match: RegExpExecArray]> {
    const job = this.#start(command);
    this.#running.push(job);
    return await within(job, job.says(ready));
  }

  /** Ends the command that was started last. */
  async interrupt(): Promise<void> {
    await this.#running.pop()?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#running.length > 0) await this.interrupt();
    await Deno.remove(this.#root, { recursive: true });
  }
}

/** Runs `deno`, and ends it together with the programs that it started. */

const running = new Set<Deno.ChildProcess>();

/** How a process ended. */
export interface Ended {
  success: boolean;
  /** Whether it took longer than it may. */
  late: boolean;
  stdout: string;
  stderr: string;
}

function kill(child: Deno.ChildProcess): void {
  try {
    Deno.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Everything that a process says, which can be shown at once as well. */
async function readAll(stream: ReadableStream<Uint8Array>, show: boolean): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    if (show) Deno.stderr.writeSync(bytes);
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

/** How to run it. */
interface RunOptions {
  cwd: string;
  env?: Record<string, string>;
  /** For how many milliseconds at most. */
  limit: number;
  /** Whether its output goes to our stderr as well. */
  show?: boolean;
}

/** Runs `deno` in a directory. */
export async function runDeno(args: readonly string[], options: RunOptions): Promise<Ended> {
  const { cwd, env = {}, limit, show = false } = options;
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { ...env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  running.add(child);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill(child);
  }, limit);
  try {
    const texts = [child.stdout, child.stderr].map((stream) => readAll(stream, show));
    const [stdout = "", stderr = ""] = await Promise.all(texts);
    const { success } = await child.status;
    return { success, late, stdout, stderr };
  } finally {
    clearTimeout(timer);
    running.delete(child);
    kill(child); // What it left running.
  }
}

/** Does something in a directory that goes with it, and with what runs, also when we are stopped. */
export async function inTemporaryDirectory<T>(
  prefix: string,
  use: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix });
  const clean = () => Deno.removeSync(directory, { recursive: true });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      running.forEach(kill);
      clean();
      Deno.exit(130);
    });
  }
  try {
    return await use(directory);
  } finally {
    clean();
  }
}

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

/** Runs `deno` in a directory, for so many milliseconds at most. */
export async function runDeno(
  args: readonly string[],
  { cwd, env = {}, limit }: { cwd: string; env?: Record<string, string>; limit: number },
): Promise<Ended> {
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
    const { success, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    return { success, late, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } finally {
    clearTimeout(timer);
    running.delete(child);
    kill(child); // What it left running.
  }
}

/** Ends everything that runs. */
export function killAll(): void {
  running.forEach(kill);
}

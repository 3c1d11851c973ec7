/**
 * A child and everything that it starts, as one group that is ended together: a shell in front of a
 * program, or what a program leaves running.
 *
 * @module
 */

/** Windows has no groups. */
function hasGroups(): boolean {
  return Deno.build.os !== "windows";
}

/**
 * Starts a child in a group of its own, with pipes and with these variables alone, in our working
 * directory or in another one.
 */
export function spawnGroup(
  [program = "", ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd?: string,
): Deno.ChildProcess {
  return new Deno.Command(program, {
    args,
    env: { ...env },
    ...cwd !== undefined && { cwd },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: hasGroups(),
  }).spawn();
}

function isGone(error: unknown): boolean {
  return error instanceof TypeError || error instanceof Deno.errors.NotFound;
}

/** Sends a signal to a child alone, which may have ended. */
export function killChild(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/**
 * Sends a signal to a child and to what it has started, as far as that lives. To the child alone
 * where there are no groups, or where `--allow-run` has a list.
 */
export function killGroup(child: Deno.ChildProcess, signal: Deno.Signal): void {
  if (!hasGroups()) return killChild(child, signal);
  try {
    Deno.kill(-child.pid, signal);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return killChild(child, signal);
    if (!isGone(error)) throw error;
  }
}

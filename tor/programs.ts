/**
 * The programs of Tor that the private network needs.
 *
 * @module
 */

/** How to get the programs. */
export const INSTALL = "Debian and Ubuntu: apt-get install tor; macOS: brew install tor";

/** Which of the programs are not on the PATH. */
export function missingPrograms(): string[] {
  return ["tor", "tor-gencert"].filter((program) => !isInstalled(program));
}

/** Whether there is a program of this name on the PATH, which may be run. */
export function isInstalled(program: string): boolean {
  try {
    new Deno.Command(program, { args: ["--help"], stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch (error) {
    // A name in --allow-run that is not on the PATH grants nothing.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) {
      return false;
    }
    throw error;
  }
}

/**
 * The commands with which tor starts `examples/rot0r.ts`: the full path of this
 * Deno, and only the permissions that the example's head comment asks for.
 *
 * @module
 */

const PROGRAM = import.meta.resolve("../../examples/rot0r.ts");

/**
 * The client's side.
 *
 * @param peer The `ip:port` of the bridge, or of the upstream proxy in front of it.
 */
export function rot0rClient(peer: string): string[] {
  return deno(`--allow-net=127.0.0.1:0,${peer}`);
}

/**
 * The bridge's side.
 *
 * @param authCookieFile The path of the Extended ORPort's cookie.
 */
export function rot0rServer(authCookieFile: string): string[] {
  return deno("--allow-net=127.0.0.1", `--allow-read=${authCookieFile}`);
}

function deno(...permissions: string[]): string[] {
  return [Deno.execPath(), "run", "--no-prompt", "--allow-env=TOR_PT_*", ...permissions, PROGRAM];
}

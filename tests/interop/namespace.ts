/** A network of its own for programs that must not, or could not, reach any other. Linux only. */

/** An address for documentation, which is nobody's; in the namespace it is this machine's. */
export const PUBLIC = "203.0.113.5";

// What connects to that address comes from 127.0.0.1.
const SETUP = `
  set -e
  ip link set lo up
  ip route add local ${PUBLIC} dev lo src 127.0.0.1
  exec "$@"
`;

/** Runs a command in a network namespace of its own, with loopback and no way out. */
export function namespaced(
  command: readonly string[],
  options: Omit<Deno.CommandOptions, "args"> = {},
): Deno.Command {
  const args = ["--map-root-user", "--net", "sh", "-c", SETUP, "sh", ...command];
  return new Deno.Command("unshare", { ...options, args });
}

/** Why there can be no such namespace here; null when there can. */
export function namespaceMissing(): string | null {
  if (Deno.build.os !== "linux") return "needs Linux";
  try {
    const { success } = namespaced(["true"], { stderr: "null" }).outputSync();
    return success ? null : "needs the right to make a network namespace, and ip of iproute2";
  } catch {
    return "needs unshare of util-linux";
  }
}

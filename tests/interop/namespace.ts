/** A network of its own for programs that must not, or could not, reach any other. Linux only. */

import { inNamespace, type Namespace, namespaceMissing as missing } from "../network_namespace.ts";

/** An address for documentation, which is nobody's; in the namespace it is this machine's. */
export const PUBLIC = "203.0.113.5";

// What connects to that address comes from 127.0.0.1.
const NAMESPACE: Namespace = { setup: `ip route add local ${PUBLIC} dev lo src 127.0.0.1` };

/** Runs a command in a network namespace of its own, with loopback and no way out. */
export function namespaced(
  command: readonly string[],
  options: Omit<Deno.CommandOptions, "args"> = {},
): Deno.Command {
  const [program = "", ...args] = inNamespace(NAMESPACE, command);
  return new Deno.Command(program, { ...options, args });
}

/** Why there can be no such namespace here; null when there can. */
export function namespaceMissing(): string | null {
  return missing(NAMESPACE);
}

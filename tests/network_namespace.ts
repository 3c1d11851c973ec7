/** Network namespaces: a network of its own for a program, with loopback and no way out. Linux only. */

/** What a namespace is made of. */
export interface Namespace {
  /** Lines of shell that set it up, behind loopback. */
  setup: string;
  /** What else is not shared with this machine, as options of `unshare`. */
  unshare?: readonly string[];
}

/** The command that runs another one in such a namespace. */
export function inNamespace(
  { setup, unshare = [] }: Namespace,
  command: readonly string[],
): string[] {
  const script = `set -e\nip link set lo up\n${setup}\nexec "$@"`;
  return ["unshare", "--map-root-user", "--net", ...unshare, "sh", "-c", script, "sh", ...command];
}

/** Why there can be no such namespace here; null when there can. */
export function namespaceMissing(namespace: Namespace): string | null {
  if (Deno.build.os !== "linux") return "needs Linux";
  const [program = "", ...args] = inNamespace(namespace, ["true"]);
  try {
    const { success } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return success ? null : "needs the right to make a network namespace, and ip of iproute2";
  } catch {
    return "needs unshare of util-linux";
  }
}

/** A network on which everybody is silent. */
export const SILENT = { near: "10.7.0.3", far: "10.7.0.4" } as const;

/** Sets it up. */
export const SILENT_NETWORK = `
  ip link add silent0 type veth peer name silent1
  ip address add ${SILENT.near}/24 dev silent0
  ip link set silent0 up
  ip link set silent1 up
  ip neighbour add ${SILENT.far} lladdr 02:00:00:00:00:01 dev silent0
`;

/**
 * Network namespaces for tests that need addresses of their own, or a peer that is silent.
 *
 * @module
 */

import { granted } from "../permitted.ts";
import { FAR, NAME, NEAR, SILENT } from "./bind_namespace.ts";

const NAMESPACE = ["unshare", "--map-root-user", "--net", "--mount"] as const;

const SETUP = `
  set -e
  ip link set lo up
  ip address add ${NEAR.v4}/32 dev lo
  ip address add ${FAR.v4}/32 dev lo
  ip address add ${NEAR.v6}/128 dev lo
  ip address add ${FAR.v6}/128 dev lo
  ip link add silent0 type veth peer name silent1
  ip address add ${SILENT.near}/24 dev silent0
  ip link set silent0 up
  ip link set silent1 up
  ip neighbour add ${SILENT.far} lladdr 02:00:00:00:00:01 dev silent0
  hosts=$(mktemp)
  printf '127.0.0.1 localhost\\n${FAR.v6} ${NAME}\\n${FAR.v4} ${NAME}\\n' > "$hosts"
  mount --bind "$hosts" /etc/hosts
  rm "$hosts"
  # Two questions to a peer that is silent, not nine: half a minute, not one and a half.
  echo 2 > /proc/sys/net/ipv4/tcp_keepalive_probes
  exec "$@"
`;

/** Runs a command in a network namespace of its own, with addresses of ours and no way out. */
function inNamespace(command: readonly string[]): Deno.Command {
  const [program, ...flags] = NAMESPACE;
  return new Deno.Command(program, {
    args: [...flags, "sh", "-c", SETUP, "sh", ...command],
    stderr: "inherit",
  });
}

function whyNoNamespace(): string | null {
  if (!granted(["net", "run", "read"])) return "needs --allow-net --allow-run --allow-read";
  if (Deno.build.os !== "linux") return "needs Linux";
  const [program, ...flags] = NAMESPACE;
  try {
    const args = [...flags, "sh", "-c", SETUP, "sh", "true"];
    const { success } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return success ? null : "needs the right to make a network namespace";
  } catch {
    return "needs unshare of util-linux";
  }
}

const obstacle = whyNoNamespace();

/** Registers a test that needs a network namespace. */
export function namespaced(name: string, fn: () => Promise<void>): void {
  const reason = obstacle === null ? "" : ` [${obstacle}]`;
  Deno.test({ name: `${name}${reason}`, ignore: obstacle !== null, fn });
}

/**
 * Runs a program of this folder in a network namespace of its own.
 *
 * @param file The program. It prints JSON.
 * @param flags What Deno grants it.
 * @returns What it printed.
 */
export async function seenInNamespace(file: string, ...flags: string[]): Promise<unknown> {
  const program = new URL(file, import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "--no-prompt", "--quiet", ...flags, program];
  const { stdout } = await inNamespace(command).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

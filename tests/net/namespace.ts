/**
 * Network namespaces for tests that need addresses of their own, or a peer that is silent.
 *
 * @module
 */

import {
  inNamespace,
  type Namespace,
  namespaceMissing,
  SILENT_NETWORK,
} from "../network_namespace.ts";
import { granted } from "../permitted.ts";
import { FAR, NAME, NEAR } from "./bind_namespace.ts";

const NAMESPACE: Namespace = {
  unshare: ["--mount"],
  setup: `
    ip address add ${NEAR.v4}/32 dev lo
    ip address add ${FAR.v4}/32 dev lo
    ip address add ${NEAR.v6}/128 dev lo
    ip address add ${FAR.v6}/128 dev lo
    ${SILENT_NETWORK}
    hosts=$(mktemp)
    printf '127.0.0.1 localhost\\n${FAR.v6} ${NAME}\\n${FAR.v4} ${NAME}\\n' > "$hosts"
    mount --bind "$hosts" /etc/hosts
    rm "$hosts"
    # Two questions to a peer that is silent, not nine: half a minute, not one and a half.
    echo 2 > /proc/sys/net/ipv4/tcp_keepalive_probes
  `,
};

const obstacle = granted(["net", "run", "read"])
  ? namespaceMissing(NAMESPACE)
  : "needs --allow-net --allow-run --allow-read";

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
 * @param words What it is told.
 * @returns What it printed.
 */
export async function seenInNamespace(
  file: string,
  flags: readonly string[],
  words: readonly string[] = [],
): Promise<unknown> {
  const path = new URL(file, import.meta.url).pathname;
  const deno = [Deno.execPath(), "run", "--no-prompt", "--quiet", ...flags, path, ...words];
  const [program = "", ...args] = inNamespace(NAMESPACE, deno);
  const { stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

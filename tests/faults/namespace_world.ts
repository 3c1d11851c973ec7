/** A network namespace in which some addresses cannot be reached, each in its own way. */

import { inNamespace, type Namespace, SILENT_NETWORK } from "../network_namespace.ts";

/** What cannot be reached, by the way in which the system says so. */
export const CLOSED = {
  /** There is no route. */
  nowhere: "192.0.2.7",
  /** A router says that there is no such host. */
  unreachable: "198.51.100.8",
  /** A firewall forbids it. */
  prohibited: "198.51.100.9",
  /** The route ends in a black hole of this machine's. */
  blackholed: "198.51.100.10",
} as const;

const NAMESPACE: Namespace = {
  setup: `
    ip route add unreachable ${CLOSED.unreachable}
    ip route add prohibit ${CLOSED.prohibited}
    ip route add blackhole ${CLOSED.blackholed}
    ${SILENT_NETWORK}
  `,
};

/** The command that runs another one there. */
export function inClosedWorld(command: readonly string[]): string[] {
  return inNamespace(NAMESPACE, command);
}

/** A network namespace in which some addresses cannot be reached, each in its own way. */

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

/** Who gets everything and answers nothing. */
export const SILENT = "10.7.0.4";

const SETUP = `
  set -e
  ip link set lo up
  ip route add unreachable ${CLOSED.unreachable}
  ip route add prohibit ${CLOSED.prohibited}
  ip route add blackhole ${CLOSED.blackholed}
  ip link add silent0 type veth peer name silent1
  ip address add 10.7.0.3/24 dev silent0
  ip link set silent0 up
  ip link set silent1 up
  ip neighbour add ${SILENT} lladdr 02:00:00:00:00:01 dev silent0
  exec "$@"
`;

/** The command that runs another one there. */
export function inNamespace(command: readonly string[]): string[] {
  return ["unshare", "--map-root-user", "--net", "sh", "-c", SETUP, "sh", ...command];
}

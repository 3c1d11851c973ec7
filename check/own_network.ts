/**
 * A network of the checker's own: loopback with a few more addresses that are nobody's, and no way
 * out. What is not loopback can be tried there, without a packet that leaves this machine. Linux
 * only.
 *
 * @module
 */

/** An address of each family. */
interface Pair {
  readonly v4: string;
  readonly v6: string;
}

/** Where connections arrive in it (RFC 5737, RFC 3849: for documentation). */
export const DESTINATION: Pair = { v4: "192.0.2.1", v6: "2001:db8::1" };
/** Where they are to come from. */
export const SOURCE: Pair = { v4: "192.0.2.2", v6: "2001:db8::2" };

// There may be no IPv6: what needs it finds out.
const SETUP = [
  "set -e",
  "ip link set lo up",
  ...[DESTINATION, SOURCE].flatMap(({ v4, v6 }) => [
    `ip address add ${v4}/32 dev lo`,
    `ip address add ${v6}/128 dev lo nodad || true`,
  ]),
  'exec "$@"',
].join("; ");

/**
 * The command that runs another one in such a network, and with it ends whatever that has left
 * running.
 */
export function inOwnNetwork(command: readonly string[]): string[] {
  const unshare = ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"];
  return [...unshare, "sh", "-c", SETUP, "sh", ...command];
}

/** The command that runs another one in the network of a process that was started so. */
export function inNetworkOf(pid: number): string[] {
  return ["nsenter", "--preserve-credentials", "--user", "--net", "--target", String(pid)];
}

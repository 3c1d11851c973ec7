/**
 * What nDPI says, a free engine that names protocols, where it is installed (Debian's libndpi-bin).
 *
 * @module
 */

import type { Finding, Judgement, RuleInfo } from "./finding.ts";
import type { Flow } from "./flow.ts";
import { toPcap } from "./pcap.ts";

const PROGRAM = "ndpiReader";

/** What the finding is about. */
export const ndpiRule: RuleInfo = {
  id: "ndpi",
  title: "nDPI has no name for it, or that of a tunnel",
  threshold: "half of the connections have none or such a one, with HTTPS inside",
  source: "nDPI (ntop), by ndpiReader, as of the version installed here, 2012 and later",
  limits:
    "It looks for what it knows, so that Unknown says only that it knows nothing like it; a " +
    "name may be a guess.",
  remedy: "be a protocol that it knows, to the last byte",
};

/** Names of what gets through where something is blocked, also as what is in another protocol. */
const TUNNEL = RegExp(
  "(?:^|\\.)(?:Tor|Psiphon|WireGuard|SOCKS|IPSec|HotspotShield|UltraSurf|SoftEther|TINC|Tailscale|" +
    "HTTP_(?:Connect|Proxy)|\\w*VPN\\w*)$",
  "i",
);

/** What it prints of one protocol: the name and how many connections have it. */
const LINE = /^\t(\S+)\s+packets: \d+\s+bytes: \d+\s+flows: (\d+)/gm;

/**
 * Reads what ndpiReader prints.
 *
 * @param output All of it.
 * @returns The names of protocols, and how many connections each has.
 */
export function parseNdpi(output: string): Map<string, number> {
  return new Map(Array.from(output.matchAll(LINE), ([, name, flows]) => [name!, Number(flows)]));
}

/** Judges by the names. */
export function judgeNames(names: ReadonlyMap<string, number>): Judgement {
  const total = [...names.values()].reduce((sum, flows) => sum + flows, 0);
  const odd = [...names].filter(([name]) => name === "Unknown" || TUNNEL.test(name))
    .reduce((sum, [, flows]) => sum + flows, 0);
  const figure = [...names].map(([name, flows]) => `${name}: ${flows}`).join(", ");
  if (total === 0) return { sight: "unclear", figure: "it found no connections" };
  return { sight: odd * 2 >= total ? "seen" : "clear", figure };
}

/**
 * Asks nDPI for the names of connections. The program gets a capture in a directory that is removed
 * after it.
 *
 * @param flows The connections.
 * @returns The finding; `null` where ndpiReader is not installed.
 *
 * @example
 * ```ts
 * import { askNdpi, observe } from "@ptlib/ptlib/censor";
 *
 * async function nameOf(command: string[], transport: string): Promise<string | undefined> {
 *   const { through } = await observe(command, { transport, probes: false });
 *   return (await askNdpi(through.https ?? []))?.figure;
 * }
 * ```
 */
export async function askNdpi(flows: readonly Flow[]): Promise<Finding | null> {
  const directory = await Deno.makeTempDir({ prefix: "censor-" });
  try {
    const file = `${directory}/flows.pcap`;
    await Deno.writeFile(file, toPcap(flows));
    const command = new Deno.Command(PROGRAM, { args: ["-i", file], stderr: "null" });
    const { stdout } = await command.output();
    return { ...ndpiRule, ...judgeNames(parseNdpi(new TextDecoder().decode(stdout))) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return null;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

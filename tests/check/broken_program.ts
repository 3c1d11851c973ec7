/** The transport with a fault, and what the checks report about it. */

import { check, checks } from "../../check/mod.ts";
import { namespaceMissing } from "../network_namespace.ts";

const path = new URL("./broken_pt.ts", import.meta.url).pathname;

/**
 * The longest wait. A fault that shows by silence costs that much, and a good program on a busy
 * machine must start within it.
 */
const TIMEOUT = 5_000;

/** The names of the checks. */
export const ids: readonly string[] = [...new Set(checks.map(({ id }) => id))];

/** What can be seen only in a network of its own. */
const IN_NETWORK = /^(?:(?:client|server)\/)?outbound-used/;

/** Why there is no such network here; null where there is. */
export const networkMissing: string | null = namespaceMissing({
  setup: "ip address add 192.0.2.1/32 dev lo",
  unshare: ["--pid", "--fork"],
});

/** Whether a check, or a fault, shows nothing here. */
export function skippedHere(name: string): boolean {
  return networkMissing !== null && IN_NETWORK.test(name);
}

const ALL: readonly string[] = [
  ...ids,
  "bindaddr-honoured:said",
  "env-error-text:word",
  "ext-client-hash:last",
  "ext-transport-form:nul",
  "ext-useraddr-form:range",
  "extended-empty:used",
  "method-loopback:ipv6",
  "method-loopback:unsaid",
  "options-escaped:used",
  "outbound-empty:used",
  "outbound-used-ipv6:mixed",
  "outbound-used:refused",
  "proxy-fails-closed:http",
  "proxy-fails-closed:socks4a",
  "relay-bytes:last",
  "socks-granted-form:version",
  "state-only:used",
  "state-only:work",
];

/** The faults that show here: one for each check, and what else some of them have to find. */
export const faults: readonly string[] = ALL.filter((fault) => !skippedHere(fault));

/** The checks that have to report a fault, and no others. */
export function reporters(fault: string): string[] {
  const [id] = fault.split(":");
  const own = checks.filter((check) => check.id === id).map(({ role }) => `${role}/${id}`);
  // What only a SOCKS4 listener can do wrong is found beside that it is one.
  return id?.startsWith("socks4-") ? ["client/method-socks5", ...own] : own;
}

/** The command that starts the transport, with a fault or without. */
export function program(fault?: string): string[] {
  const flags = ["--no-check", "--quiet", "--allow-all"];
  const command = [Deno.execPath(), "run", ...flags, path];
  return fault === undefined ? command : [...command, "--fault", fault];
}

/** The checks that fail on the transport with a fault. */
export async function reported(fault: string, only?: RegExp): Promise<string[]> {
  const options = { transport: "dummy", beside: "second", only, timeout: TIMEOUT };
  const found: string[] = [];
  for await (const { outcome, role, id } of check(program(fault), options)) {
    if (outcome === "failed") found.push(`${role}/${id}`);
  }
  return found;
}

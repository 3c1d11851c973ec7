/**
 * Every check there is, in the order in which they are reported.
 *
 * @module
 */

import type { Check } from "./definition.ts";
import { environmentChecks } from "./environment_checks.ts";
import { extOrPortAuthenticationChecks } from "./ext_orport_authentication_checks.ts";
import { extOrPortCommandChecks } from "./ext_orport_command_checks.ts";
import { lineChecks } from "./line_checks.ts";
import { outboundChecks } from "./outbound_checks.ts";
import { proxyChecks } from "./proxy_checks.ts";
import { relayChecks } from "./relay_checks.ts";
import { shutdownChecks } from "./shutdown_checks.ts";
import { socks4Checks } from "./socks4_checks.ts";
import { socksNegotiationChecks } from "./socks_negotiation_checks.ts";
import { socksRequestChecks } from "./socks_request_checks.ts";
import { socksRobustnessChecks } from "./socks_robustness_checks.ts";
import type { Role } from "./verdict.ts";
import { versionChecks } from "./version_checks.ts";

/** A check on one of the halves that it can be made on. */
export interface Task {
  readonly check: Check;
  readonly role: Role;
}

const CHECKS: readonly Check[] = [
  ...versionChecks,
  ...environmentChecks,
  ...outboundChecks,
  ...lineChecks,
  ...proxyChecks,
  ...socksNegotiationChecks,
  ...socksRequestChecks,
  ...socksRobustnessChecks,
  ...socks4Checks,
  ...relayChecks,
  ...extOrPortAuthenticationChecks,
  ...extOrPortCommandChecks,
  ...shutdownChecks,
];

/** Every check, those of the client first. */
export const catalogue: readonly Task[] = (["client", "server"] as const).flatMap((role) =>
  CHECKS.filter(({ roles }) => roles.includes(role)).map((check) => ({ check, role }))
);

/** The name of a check on a half, which no other has. */
export function nameOf({ check, role }: Task): string {
  return `${role}/${check.id}`;
}

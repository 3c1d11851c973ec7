/**
 * What Deno has to grant beyond listening, looked at before the parent is told that all is well: who
 * is missing something learns the flag now, and not with each connection that fails.
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import type { OrPorts, ProxyInfo } from "../config.ts";
import { OperatorError } from "./program.ts";

function check(descriptor: Deno.PermissionDescriptor, what: string, flag: string): void {
  if (Deno.permissions.querySync(descriptor).state === "granted") return;
  throw new OperatorError(`Deno was not granted to ${what}: add ${flag}`);
}

function checkNet(host: string, whose: string): void {
  check({ name: "net", host }, `connect to ${whose}`, `--allow-net=${host}`);
}

/** Checks the way of a client to its upstream proxy. */
export function checkProxyGrant({ host, port }: Readonly<ProxyInfo>): void {
  checkNet(formatAddress([host, port]), "the upstream proxy");
}

/** Checks the way of a server to tor. */
export function checkOrPortGrants({ orport, ext_orport, auth_cookie_file }: OrPorts): void {
  if (ext_orport === null) {
    if (orport !== null) checkNet(formatAddress(orport), "tor's ORPort");
    return;
  }
  checkNet(formatAddress(ext_orport), "tor's Extended ORPort");
  if (auth_cookie_file === null) return;
  const what = "read the cookie of tor's Extended ORPort";
  check({ name: "read", path: auth_cookie_file }, what, `--allow-read=${auth_cookie_file}`);
}

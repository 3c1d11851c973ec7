/**
 * What Deno has to grant beyond listening, looked at before the parent is told that all is well: who
 * is missing something learns the flag now, and not with each connection that fails.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import type { OrPorts, ProxyInfo } from "../config.ts";
import { OperatorError } from "./program.ts";

function check(descriptor: Deno.PermissionDescriptor, what: string, flag: string): void {
  if (Deno.permissions.querySync(descriptor).state === "granted") return;
  throw new OperatorError(`Deno was not granted to ${what}: add ${flag}`);
}

function checkNet(address: Readonly<Address>, whose: string, flag = formatAddress(address)): void {
  const host = formatAddress(address);
  check({ name: "net", host }, `connect to ${whose}`, `--allow-net=${flag}`);
}

/** Checks the way to one of tor's ports, which tor chooses anew at each start. */
function checkTorPort(address: Readonly<Address>, whose: string): void {
  checkNet(address, whose, formatAddress(address).replace(/:\d+$/, ""));
}

/** Checks the way of a client to its upstream proxy. */
export function checkProxyGrant({ host, port }: Readonly<ProxyInfo>): void {
  checkNet([host, port], "the upstream proxy");
}

/** Checks the way of a server to tor. */
export function checkOrPortGrants({ orport, ext_orport, auth_cookie_file }: OrPorts): void {
  if (ext_orport === null) {
    if (orport !== null) checkTorPort(orport, "tor's ORPort");
    return;
  }
  checkTorPort(ext_orport, "tor's Extended ORPort");
  if (auth_cookie_file === null) return;
  const what = "read the cookie of tor's Extended ORPort";
  check({ name: "read", path: auth_cookie_file }, what, `--allow-read=${auth_cookie_file}`);
}

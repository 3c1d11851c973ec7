/**
 * Where a server of a transport really listens: what it reports may be another place.
 *
 * @module
 */

import { type Address, ipToBytes } from "../address.ts";

/** Whether a host means all addresses. */
export function isUnspecified(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function isSameHost(asked: string, reported: string): boolean {
  if (isUnspecified(asked) && isUnspecified(reported)) return true; // Go listens on :: for 0.0.0.0.
  return ipToBytes(asked)?.join() === ipToBytes(reported)?.join();
}

/**
 * Tells where a server listens. Some programs report where clients shall believe it to be: WebTunnel's
 * make up an address.
 *
 * @param asked Where it was told to listen; port 0 is a port of its choice.
 * @param reported What it says.
 * @returns The place; `null` where nobody knows the port.
 */
export function listeningPlace(
  asked: Readonly<Address>,
  reported: Readonly<Address>,
): Readonly<Address> | null {
  if (asked[1] !== 0) return asked;
  return isSameHost(asked[0], reported[0]) ? [asked[0], reported[1]] : null;
}

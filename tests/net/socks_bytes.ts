/** The bytes of a SOCKS5 client, right or wrong (RFC 1928, RFC 1929). */

import { type Address, ipToBytes } from "../../address.ts";
import { bytes } from "./scripted_peer.ts";

/** A greeting that offers no authentication. */
export const NO_AUTH = [5, 1, 0];

/** A greeting that offers user name and password. */
export const PASSWORD = [5, 1, 2];

/** A reply to a request, all ten bytes of it. */
export function reply(code: number): number[] {
  return [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
}

/** The fields of RFC 1929. */
export function fields(user: Iterable<number>, password: Iterable<number>): number[] {
  const [first, second] = [[...user], [...password]];
  return [1, first.length, ...first, second.length, ...second];
}

/** The fields that hold these arguments, spread over them as tor does it. */
export function argsFields(args: string): number[] {
  const all = [...bytes(args)];
  return fields(all.slice(0, 255), all.length > 255 ? all.slice(255) : [0]);
}

/** A request to connect to a target: an IP address or a name. */
export function connectRequest([host, port]: Address): number[] {
  const ip = ipToBytes(host);
  const name = [...bytes(host)];
  const address = ip === null ? [3, name.length, ...name] : [ip.length === 4 ? 1 : 4, ...ip];
  return [5, 1, 0, ...address, port >> 8, port & 255];
}

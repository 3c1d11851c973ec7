/**
 * The reply of a SOCKS5 listener (RFC 1928 section 6), with an address of any type.
 *
 * @module
 */

import { concat } from "../net/conn.ts";
import type { Probe } from "./probe.ts";

const [IPV4, NAME, IPV6] = [1, 3, 4];
const PORT = 2;

/**
 * Takes a whole reply.
 *
 * What is wrong in it is for one check: an address of a type that does not exist is taken for one
 * of IPv4, which is what a rejection of ten bytes has.
 *
 * @throws {Failed} When it does not come whole.
 */
export async function receiveReply(probe: Probe): Promise<Uint8Array<ArrayBuffer>> {
  const expected = "a whole SOCKS reply: 05 REP 00 ATYP, an address and a port";
  const head = await probe.receive(4, expected);
  if (head[3] !== NAME) {
    const length = head[3] === IPV6 ? 16 : 4;
    return concat(head, await probe.receive(length + PORT, expected));
  }
  const length = await probe.receive(1, expected);
  return concat(head, length, await probe.receive((length[0] ?? 0) + PORT, expected));
}

/** Whether tor reads a reply: it refuses another version, reserved byte or type of address. */
export function isReply(reply: Uint8Array): boolean {
  const [version, , reserved, type = 0] = reply;
  return version === 5 && reserved === 0 && [IPV4, NAME, IPV6].includes(type);
}

/**
 * Who a client is, as reverse proxies say it.
 *
 * @module
 */

import { type Address, ipToBytes } from "../address.ts";
import { type HttpHead, listOf } from "./http_head.ts";

/** The port that is said of each of these clients, as the official server does: none is known. */
const ANY_PORT = 60_000;

/** Reads an entry: an IP address, which may have brackets and a port. */
function readIp(entry: string): string | null {
  const [, inBrackets, v4] = /^(?:\[([^\]]*)\](?::\d+)?|([^:]*):\d+)$/.exec(entry) ?? [];
  const ip = inBrackets ?? v4 ?? entry;
  return ipToBytes(ip) === null ? null : ip;
}

/**
 * Finds the client in `X-Forwarded-For`. Each reverse proxy puts the address that it sees behind what
 * it was sent, which anybody can make up: so many entries from the end are trusted as there are
 * proxies.
 *
 * @param head The request's.
 * @param hops How many reverse proxies there are, at least 1.
 * @returns The client's address; `null` where they do not say it.
 */
export function forwardedFor(head: HttpHead, hops: number): Address | null {
  const entries = listOf(head, "x-forwarded-for");
  const ip = readIp(entries.at(-hops) ?? entries[0] ?? "");
  return ip === null ? null : [ip, ANY_PORT];
}

/**
 * The head by which a service learns who its client is, when the connection comes from somebody in
 * between (HAProxy's PROXY protocol, versions 1 and 2).
 *
 * @module
 */

import { type Address, ipToBytes, unmappedIp } from "../address.ts";

/**
 * A version of HAProxy's PROXY protocol: 1 is a line of text, 2 is bytes.
 *
 * @example
 * ```ts
 * import type { ProxyProtocol } from "@ptlib/ptlib/parent";
 *
 * const version: ProxyProtocol = 2;
 * ```
 */
export type ProxyProtocol = 1 | 2;

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const VERSION_2_PROXY = 0x21;
/** TCP over IPv4 and over IPv6, by the length of an address. */
const FAMILIES: Readonly<Record<number, number>> = { 4: 0x11, 16: 0x21 };

/** The two ends of a client's connection, in one family. */
interface Ends {
  client: Readonly<Address>;
  server: Readonly<Address>;
}

/** The address that the client has connected to, as far as it is known: a listener has none of its family. */
function endsOf(client: Readonly<Address>, [host, port]: Readonly<Address>): Ends {
  const [from, to] = [unmappedIp(client[0]) ?? "", unmappedIp(host) ?? ""];
  const sameFamily = ipToBytes(from)?.length === ipToBytes(to)?.length;
  const unspecified = from.includes(":") ? "::" : "0.0.0.0";
  return { client: [from, client[1]], server: [sameFamily ? to : unspecified, port] };
}

function formatText(ends: Ends | null): Uint8Array {
  const words = ends === null ? ["PROXY", "UNKNOWN"] : [
    "PROXY",
    ends.client[0].includes(":") ? "TCP6" : "TCP4",
    ends.client[0],
    ends.server[0],
    ends.client[1],
    ends.server[1],
  ];
  return new TextEncoder().encode(`${words.join(" ")}\r\n`);
}

function formatBytes(ends: Ends | null): Uint8Array {
  if (ends === null) return Uint8Array.of(...SIGNATURE, VERSION_2_PROXY, 0, 0, 0);
  const hosts = [ends.client, ends.server].flatMap(([host]) => [...ipToBytes(host) ?? []]);
  const ports = [ends.client, ends.server].flatMap(([, port]) => [port >> 8, port & 0xff]);
  const family = FAMILIES[hosts.length / 2] ?? 0;
  const length = hosts.length + ports.length;
  return Uint8Array.of(...SIGNATURE, VERSION_2_PROXY, family, 0, length, ...hosts, ...ports);
}

/**
 * Writes the head of a connection.
 *
 * @param version Which version of the protocol the service reads.
 * @param client The client's numeric address and port; `null` where nobody knows it.
 * @param server Where the client has connected to: the address that is listened on.
 * @returns What the service reads before the client's first byte.
 */
export function formatProxyHead(
  version: ProxyProtocol,
  client: Readonly<Address> | null,
  server: Readonly<Address>,
): Uint8Array {
  const ends = client === null ? null : endsOf(client, server);
  return version === 1 ? formatText(ends) : formatBytes(ends);
}

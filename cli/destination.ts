/**
 * Addresses to connect to, as a person writes them: numeric, or with a name.
 *
 * @module
 */

import { type Address, canBeName, ipToBytes, parseAddress } from "../address.ts";
import { type ProxyInfo, readProxy } from "../config.ts";

/** Whether a host is a name of letters, digits, hyphens, underscores and dots. */
function isName(host: string): boolean {
  return ipToBytes(host) === null && canBeName(host) && /^\w[\w.-]{0,252}$/.test(host);
}

/**
 * Reads `IP:PORT` or `NAME:PORT`.
 *
 * @param text The address.
 * @returns The host, which may be a name, and the port.
 * @throws {SyntaxError} When it is malformed, or the port is 0.
 */
export function parseDestination(text: string): Address {
  const colon = text.lastIndexOf(":");
  const host = colon === -1 ? "" : text.slice(0, colon);
  const named = isName(host);
  const [ip, port] = parseAddress(named ? `0.0.0.0${text.slice(colon)}` : text);
  if (port === 0) throw new SyntaxError("nobody listens on port 0");
  return [named ? host : ip, port];
}

/** The address of a proxy's name. Programs are told a numeric one. */
async function lookUp(name: string): Promise<string> {
  const { lookup } = await import("node:dns/promises");
  const addresses = await lookup(name, { all: true }).catch((cause) => {
    throw new SyntaxError("its host cannot be found: no such name", { cause });
  });
  // Many a proxy listens on 127.0.0.1 and not on ::1, the other address of localhost.
  const { address } = addresses.find(({ family }) => family === 4) ?? addresses[0]!;
  return address.includes(":") ? `[${address}]` : address;
}

/**
 * Reads the URL of a proxy: as the transport reads `TOR_PT_PROXY`, but also with a name, with
 * `socks5h`, which is what `socks5` means here, and with a slash at the end.
 *
 * @param text The URL.
 * @returns The proxy, by its numeric address.
 * @throws {SyntaxError} When it is no such URL, or its name cannot be resolved.
 */
export async function readProxyUrl(text: string): Promise<ProxyInfo> {
  const url = text.replace(/^socks5h:/i, "socks5:").replace(/\/$/, "");
  const [, before = "", host = "", port = ""] = /^(\w+:\/\/(?:.*@)?)(.*)(:.*)$/s.exec(url) ?? [];
  const numeric = isName(host) ? `${before}${await lookUp(host)}${port}` : url;
  try {
    const proxy = readProxy(() => numeric);
    if (proxy === null) throw new SyntaxError("it is empty");
    return proxy;
  } catch (error) {
    // The variable that the message names is not what the user wrote.
    throw error instanceof Error && error.cause instanceof SyntaxError ? error.cause : error;
  }
}

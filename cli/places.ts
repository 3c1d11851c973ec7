/**
 * Where `ptlib` listens and connects to, as a person writes it: an address, a name, a Unix socket.
 *
 * @module
 */

import { type Address, canBeName, ipToBytes, parseAddress } from "../address.ts";
import type { UnixSocket } from "../parent/mod.ts";

/** Whether a host is a name of letters, digits, hyphens, underscores and dots. */
export function isName(host: string): boolean {
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

/**
 * Reads `unix:PATH`, or something else.
 *
 * @param text What may be a Unix socket.
 * @param parse Reads the text where it is none.
 * @returns What it says.
 * @throws {SyntaxError} When there is no path, or what the other reader throws.
 */
export function parseUnixOr(
  text: string,
  parse: (text: string) => Address,
): Address | UnixSocket {
  if (!text.startsWith("unix:")) return parse(text);
  const path = text.slice("unix:".length);
  if (path === "" || path.includes("\0")) throw new SyntaxError("there is no path after unix:");
  return { path };
}

/** A place as {@linkcode parseUnixOr} reads it. */
export function formatPlace(place: Readonly<Address> | UnixSocket): string {
  if ("path" in place) return `unix:${place.path}`;
  const [host, port] = place;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

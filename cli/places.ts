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

/** What `ptlib server` writes for the host that it cannot know. */
const PLACEHOLDER = "SERVER";

/** Says of an address what the parsers of addresses cannot know. */
function checkShape(text: string): void {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new SyntaxError("it is a URL: write HOST:PORT alone, without http:// and the like");
  }
  if (/^\d+$/.test(text)) {
    throw new SyntaxError(`there is no host before the port, as in 127.0.0.1:${text}`);
  }
}

/**
 * Checks that the server's address was put in place of `SERVER`, which `ptlib server` prints.
 *
 * @param host The host of an address.
 * @throws {SyntaxError} When it was not.
 */
export function checkReplaced(host: string): void {
  if (host !== PLACEHOLDER) return;
  throw new SyntaxError("SERVER is a placeholder: put the server's address there");
}

/**
 * Reads `IP:PORT` to listen on.
 *
 * @param text The address.
 * @returns The host and the port, which may be 0.
 * @throws {SyntaxError} When it is malformed.
 */
export function parseListen(text: string): Address {
  checkShape(text);
  return parseAddress(text);
}

/**
 * Reads `IP:PORT` or `NAME:PORT`.
 *
 * @param text The address.
 * @returns The host, which may be a name, and the port.
 * @throws {SyntaxError} When it is malformed, or the port is 0.
 */
export function parseDestination(text: string): Address {
  checkShape(text);
  const colon = text.lastIndexOf(":");
  const host = colon === -1 ? "" : text.slice(0, colon);
  checkReplaced(host);
  const named = isName(host);
  if (!named && colon !== -1 && !/^\[.*\]$/s.test(host) && ipToBytes(host)?.length !== 4) {
    throw new SyntaxError("the host is neither a name nor an IP address (IPv6 goes in brackets)");
  }
  const [ip, port] = parseAddress(named ? `0.0.0.0${text.slice(colon)}` : text);
  if (port === 0) throw new SyntaxError("nobody listens on port 0");
  return [named ? host : ip, port];
}

/** How many bytes the system takes as the path of a Unix socket: one less than its field has. */
const MOST_PATH_BYTES = ["linux", "android"].includes(Deno.build.os) ? 107 : 103;

/**
 * Reads `unix:PATH`, or something else.
 *
 * @param text What may be a Unix socket.
 * @param parse Reads the text where it is none.
 * @returns What it says.
 * @throws {SyntaxError} When there is no path or a long one, or what the other reader throws.
 */
export function parseUnixOr(
  text: string,
  parse: (text: string) => Address,
): Address | UnixSocket {
  if (!text.startsWith("unix:")) return parse(text);
  const path = text.slice("unix:".length);
  if (path === "" || path.includes("\0")) throw new SyntaxError("there is no path after unix:");
  const { length } = new TextEncoder().encode(path);
  if (length > MOST_PATH_BYTES) {
    throw new SyntaxError(
      `the path has ${length} bytes, and the system takes up to ${MOST_PATH_BYTES}: take a shorter one`,
    );
  }
  return { path };
}

/** A place as {@linkcode parseUnixOr} reads it. */
export function formatPlace(place: Readonly<Address> | UnixSocket): string {
  if ("path" in place) return `unix:${place.path}`;
  const [host, port] = place;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What is wrong with the path of a socket; null where nothing is seen. */
async function faultOfPath(path: string, error: Error): Promise<Error | null> {
  if (error instanceof Deno.errors.NotFound) {
    const end = path.lastIndexOf("/");
    return end < 1 ? null : new Error(`there is no directory ${path.slice(0, end)}`);
  }
  const info = await Deno.stat(path).catch(() => null);
  if (info?.isDirectory) return new Error("it is a directory");
  return info?.isFile ? new Error("it is a file that is no socket") : null;
}

/**
 * Finds out why nobody can listen at a place.
 *
 * @param place The place.
 * @param error What the system said.
 * @returns The same in words that help, where there are some.
 */
export async function faultOfPlace(
  place: Readonly<Address> | UnixSocket,
  error: Error,
): Promise<Error> {
  const isPath = "path" in place;
  const fault = isPath ? await faultOfPath(place.path, error) : null;
  if (fault !== null) return fault;
  if (error instanceof Deno.errors.AddrInUse) return new Error("another program listens there");
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return new Error("this machine has no such address");
  }
  if (!(error instanceof Deno.errors.PermissionDenied)) return error;
  return isPath
    ? new Error("this user may not write there")
    : new Error("this user may not listen there: take a port from 1024 on");
}

/**
 * Reads the `TOR_PT_*` variables of pt-spec section 3.2, one function for each, and parses them
 * strictly.
 *
 * The argument `read` is optional: a function that reads one variable, for tests. The default is
 * {@linkcode readEnvironment}. Errors name the variable and never repeat an address.
 *
 * @module
 */

import { type Address, ipToBytes, parseAddress } from "./address.ts";
import { parseServerOptions } from "./args.ts";

// Whatever needs Deno imports this file, first of all. Another runtime shall hear a sentence.
if (typeof Deno === "undefined") {
  throw new Error(
    "This part of @ptlib/ptlib needs Deno (https://deno.com). " +
      "In other runtimes @ptlib/ptlib/address, /args, /bridge_line and /line can be used",
  );
}

/**
 * The environment is not what a managed proxy needs: not started by tor, or configured wrongly.
 *
 * When {@linkcode client.init} or {@linkcode server.init} throws it, the parent has already been
 * told: exit with a status other than 0.
 *
 * @example
 * ```ts
 * import { EnvError } from "@ptlib/ptlib/config";
 * import { checkClientMode } from "@ptlib/ptlib/util";
 *
 * try {
 *   checkClientMode();
 * } catch (error) {
 *   if (!(error instanceof EnvError)) throw error;
 *   console.error(`Start me from tor: ${error.message}`);
 * }
 * ```
 */
export class EnvError extends Error {
  /** The name of the class. */
  override readonly name: string = "EnvError";
}

/**
 * `TOR_PT_PROXY` is not an upstream proxy that can be used.
 *
 * @example
 * ```ts
 * import { EnvError, ProxyError } from "@ptlib/ptlib/config";
 *
 * if (!(new ProxyError("no port") instanceof EnvError)) throw new Error();
 * ```
 */
export class ProxyError extends EnvError {
  /** The name of the class. */
  override readonly name: string = "ProxyError";
}

/**
 * Reads one environment variable; `undefined` where it is unset.
 *
 * @example
 * ```ts
 * import { readStateLocation, type ReadVariable } from "@ptlib/ptlib/config";
 *
 * const variables: ReadVariable = (name) => name === "TOR_PT_STATE_LOCATION" ? "/tmp/s" : undefined;
 * if (readStateLocation(variables) !== "/tmp/s") throw new Error();
 * ```
 */
export type ReadVariable = (name: string) => string | undefined;

/**
 * The upstream proxy of `TOR_PT_PROXY`, through which alone a client may connect.
 *
 * @example
 * ```ts
 * import type { ProxyInfo } from "@ptlib/ptlib/config";
 *
 * const proxy: ProxyInfo = { scheme: "socks5", host: "127.0.0.1", port: 1080 };
 * ```
 */
export interface ProxyInfo {
  /** How the proxy is spoken to. */
  scheme: "http" | "socks4a" | "socks5";
  /** The proxy's IP address, without brackets. */
  host: string;
  /** The proxy's port. */
  port: number;
  /** The user's name, where there is one. */
  user?: string;
  /** The password, where there is one. */
  password?: string;
}

/**
 * The source addresses of outgoing connections, one for each family.
 *
 * @example
 * ```ts
 * import type { OutboundBindAddresses } from "@ptlib/ptlib/config";
 *
 * const bindAddress: OutboundBindAddresses = { v4: "203.0.113.7", v6: null };
 * ```
 */
export interface OutboundBindAddresses {
  /** The source address of IPv4 connections, `null` where the system chooses. */
  v4: string | null;
  /** The source address of IPv6 connections without brackets, `null` where the system chooses. */
  v6: string | null;
}

/**
 * Reads a variable from the process's environment.
 *
 * @param name The variable's name.
 * @returns Its value; `undefined` where it is unset.
 * @throws {EnvError} When Deno has no permission to read it, or it is not valid UTF-8.
 *
 * @example
 * ```ts
 * import { readEnvironment } from "@ptlib/ptlib/config";
 *
 * readEnvironment("TOR_PT_STATE_LOCATION");
 * ```
 */
export function readEnvironment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (cause) {
    // This cause repeats the value, which may hold an address or a password.
    if (cause instanceof Deno.errors.InvalidData) throw new EnvError(`${name} is not valid UTF-8`);
    if (!(cause instanceof Deno.errors.NotCapable)) throw cause;
    throw new EnvError(`${name} may not be read: run deno with --allow-env=TOR_PT_*`, { cause });
  }
}

/** A variable's value, with an empty one taken for an unset one: parents send "" for unused. */
function optional(name: string, read: ReadVariable): string | null {
  return read(name) || null;
}

function required(name: string, read: ReadVariable): string {
  const value = optional(name, read);
  if (value === null) {
    throw new EnvError(`${name} is not set: a pluggable transport is started by tor`);
  }
  return value;
}

/** Runs a parser over a variable's value, and names the variable where it fails. */
function parseVariable<T>(name: string, value: string, parse: (value: string) => T): T {
  try {
    return parse(value);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new EnvError(`${name} is malformed: ${cause.message}`, { cause });
  }
}

function parseDestination(text: string): Address {
  const address = parseAddress(text);
  if (address[1] === 0) throw new SyntaxError("the port is not a number from 1 to 65535");
  return address;
}

function readDestination(name: string, read: ReadVariable): Address | null {
  const value = optional(name, read);
  return value === null ? null : parseVariable(name, value, parseDestination);
}

/** The path of a variable, which must be absolute: the PT's working directory is anybody's guess. */
function parsePath(path: string): string {
  const absolute = Deno.build.os === "windows"
    ? /^(?:[a-zA-Z]:[\\/]|\\\\)/.test(path)
    : path.startsWith("/");
  if (!absolute) throw new SyntaxError("it is not an absolute path");
  return path;
}

/**
 * Tells whether the parent speaks version 1 of the protocol, the only one there is
 * (`TOR_PT_MANAGED_TRANSPORT_VER`, pt-spec section 3.2.1).
 *
 * @param read Reads a variable.
 * @returns Whether `1` is among the versions offered.
 * @throws {EnvError} When the variable is unset.
 *
 * @example
 * ```ts
 * import { readVersionOffer } from "@ptlib/ptlib/config";
 *
 * if (readVersionOffer(() => "11,2")) throw new Error();
 * ```
 */
export function readVersionOffer(read: ReadVariable = readEnvironment): boolean {
  return required("TOR_PT_MANAGED_TRANSPORT_VER", read).split(",").includes("1");
}

/**
 * Reads the directory in which the transport may keep files (`TOR_PT_STATE_LOCATION`, pt-spec
 * section 3.2.1). It may not exist yet.
 *
 * @param read Reads a variable.
 * @returns The directory's absolute path.
 * @throws {EnvError} When the variable is unset or the path is not absolute.
 *
 * @example
 * ```ts
 * import { readStateLocation } from "@ptlib/ptlib/config";
 *
 * if (Deno.build.os !== "windows") readStateLocation(() => "/var/lib/tor/pt_state");
 * ```
 */
export function readStateLocation(read: ReadVariable = readEnvironment): string {
  const name = "TOR_PT_STATE_LOCATION";
  return parseVariable(name, required(name, read), parsePath);
}

/**
 * Tells whether a closed stdin means that the transport shall end
 * (`TOR_PT_EXIT_ON_STDIN_CLOSE`, pt-spec section 3.2.1).
 *
 * @param read Reads a variable.
 * @returns Whether the variable is exactly `1`.
 * @throws {EnvError} When Deno has no permission to read it.
 *
 * @example
 * ```ts
 * import { readExitOnStdinClose } from "@ptlib/ptlib/config";
 *
 * if (!readExitOnStdinClose(() => "1")) throw new Error();
 * ```
 */
export function readExitOnStdinClose(read: ReadVariable = readEnvironment): boolean {
  return optional("TOR_PT_EXIT_ON_STDIN_CLOSE", read) === "1";
}

/** The address in `text` when it is of the family with `length` bytes. */
function parseSource(text: string, length: 4 | 16): string {
  const host = length === 16 ? /^\[(.*)\]$/.exec(text)?.[1] : text;
  if (host === undefined || ipToBytes(host)?.length !== length) {
    const form = length === 16 ? "IPv6 address in square brackets" : "IPv4 address";
    throw new SyntaxError(`it is not an ${form}`);
  }
  return host;
}

function readSource(family: "V4" | "V6", read: ReadVariable): string | null {
  const name = `TOR_PT_OUTBOUND_BIND_ADDRESS_${family}`;
  const value = optional(name, read);
  if (value === null) return null;
  return parseVariable(name, value, (text) => parseSource(text, family === "V4" ? 4 : 16));
}

/**
 * Reads the source addresses of outgoing connections (`TOR_PT_OUTBOUND_BIND_ADDRESS_V4` and
 * `_V6`, pt-spec section 3.2.1).
 *
 * @param read Reads a variable.
 * @returns An address for each family, `null` where none is set.
 * @throws {EnvError} When one is not an IP address of its family.
 *
 * @example
 * ```ts
 * import { readOutboundBindAddresses } from "@ptlib/ptlib/config";
 *
 * const { v4, v6 } = readOutboundBindAddresses(() => undefined);
 * if (v4 !== null || v6 !== null) throw new Error();
 * ```
 */
export function readOutboundBindAddresses(
  read: ReadVariable = readEnvironment,
): OutboundBindAddresses {
  return { v4: readSource("V4", read), v6: readSource("V6", read) };
}

/**
 * Tells which half of a transport the parent wants: the one whose list of transports it set.
 *
 * @param read Reads a variable.
 * @returns `"client"` or `"server"`.
 * @throws {EnvError} When neither list is set, or both are.
 *
 * @example
 * ```ts
 * import { readMode } from "@ptlib/ptlib/config";
 *
 * const mode = readMode((name) => name === "TOR_PT_CLIENT_TRANSPORTS" ? "rot13" : undefined);
 * if (mode !== "client") throw new Error();
 * ```
 */
export function readMode(read: ReadVariable = readEnvironment): "client" | "server" {
  const client = optional("TOR_PT_CLIENT_TRANSPORTS", read) !== null;
  const server = optional("TOR_PT_SERVER_TRANSPORTS", read) !== null;
  const names = "TOR_PT_CLIENT_TRANSPORTS and TOR_PT_SERVER_TRANSPORTS";
  if (client && server) throw new EnvError(`${names} are both set: a process is one or the other`);
  if (!client && !server) {
    throw new EnvError(`${names} are both unset: a pluggable transport is started by tor`);
  }
  return client ? "client" : "server";
}

/** The names of `supported` that `value` asks for, in its order, each once. */
function choose(value: string, supported: readonly string[]): string[] {
  return [...new Set(value.split(","))].filter((name) => supported.includes(name));
}

/**
 * Reads which transports a client shall start (`TOR_PT_CLIENT_TRANSPORTS`, pt-spec section
 * 3.2.2). `*` asks for all of them (proposal 180).
 *
 * @param supported The transports the program has.
 * @param read Reads a variable.
 * @returns Those that are asked for; unknown names are ignored.
 * @throws {EnvError} When the variable is unset.
 *
 * @example
 * ```ts
 * import { readClientTransports } from "@ptlib/ptlib/config";
 *
 * const names = readClientTransports(["rot13", "rot26"], () => "obfs4,rot26");
 * if (names.join() !== "rot26") throw new Error();
 * ```
 */
export function readClientTransports(
  supported: readonly string[],
  read: ReadVariable = readEnvironment,
): string[] {
  const value = required("TOR_PT_CLIENT_TRANSPORTS", read);
  return value.split(",").includes("*") ? [...new Set(supported)] : choose(value, supported);
}

/** One character of UTF-8 in percent-encoding, as its first byte says how long it is. */
const ENCODED_CHARACTER =
  /%[0-7][\da-f]|%[cd][\da-f]%[89ab][\da-f]|%e[\da-f](?:%[89ab][\da-f]){2}|%f[0-7](?:%[89ab][\da-f]){3}/gi;

function percentDecode(text: string): string {
  // tor inserts user and password raw, so what does not decode stands for itself.
  return text.replace(ENCODED_CHARACTER, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

const utf8 = new TextEncoder();

/** Why the credentials do not fit the scheme, or null when they do. */
function credentialFault({ scheme, user, password }: ProxyInfo): string | null {
  if (user === undefined) return null;
  if (user === "") return "the user's name is empty";
  switch (scheme) {
    case "socks4a":
      if (password !== undefined) return "socks4a knows no password";
      return user.includes("\0") ? "socks4a knows no NUL in a user id" : null;
    case "http":
      return user.includes(":") ? "HTTP knows no colon in a user's name" : null;
    case "socks5": {
      const lengths = [user, password ?? ""].map((text) => utf8.encode(text).length);
      const fits = lengths.every((length) => length >= 1 && length <= 255);
      return fits ? null : "socks5 wants a user and a password of 1 to 255 bytes each";
    }
  }
}

function parseUserInfo(text: string): { user: string; password?: string } {
  const colon = text.indexOf(":");
  if (colon === -1) return { user: percentDecode(text) };
  return {
    user: percentDecode(text.slice(0, colon)),
    password: percentDecode(text.slice(colon + 1)),
  };
}

function parseProxy(uri: string): ProxyInfo {
  const [, scheme, authority = ""] = /^([a-z0-9+.-]+):\/\/(.*)/is.exec(uri) ?? [];
  const known = (["http", "socks4a", "socks5"] as const).find((s) => s === scheme?.toLowerCase());
  if (known === undefined) throw new SyntaxError("the scheme is not http, socks4a or socks5");
  // A raw password may hold "@", "/" and "?": only the last "@" ends the user information.
  const at = authority.lastIndexOf("@");
  const userInfo = at === -1 ? {} : parseUserInfo(authority.slice(0, at));
  const [host, port] = parseDestination(authority.slice(at + 1));
  const proxy = { scheme: known, host, port, ...userInfo };
  const fault = credentialFault(proxy);
  if (fault !== null) throw new SyntaxError(fault);
  return proxy;
}

/**
 * Reads the upstream proxy (`TOR_PT_PROXY`, pt-spec section 3.2.2):
 * `scheme://[user[:password]@]ip:port` with the scheme `http`, `socks4a` or `socks5`.
 *
 * User and password may be percent-encoded or, as tor writes them, raw.
 *
 * @param read Reads a variable.
 * @returns The proxy, `null` where none is configured.
 * @throws {ProxyError} When the variable is set and is no such proxy.
 *
 * @example
 * ```ts
 * import { readProxy } from "@ptlib/ptlib/config";
 *
 * const proxy = readProxy(() => "socks5://me:p%40ss@127.0.0.1:1080");
 * if (proxy?.password !== "p@ss") throw new Error();
 * ```
 */
export function readProxy(read: ReadVariable = readEnvironment): ProxyInfo | null {
  const name = "TOR_PT_PROXY";
  const value = optional(name, read);
  if (value === null) return null;
  try {
    return parseProxy(value);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new ProxyError(`${name} is malformed: ${cause.message}`, { cause });
  }
}

function parseBindAddresses(value: string): Map<string, Address> {
  const addresses = new Map<string, Address>();
  for (const item of value.split(",")) {
    const dash = item.indexOf("-");
    if (dash < 1) throw new SyntaxError("an item is not name-ip:port");
    const name = item.slice(0, dash);
    if (addresses.has(name)) throw new SyntaxError("a transport has two addresses");
    addresses.set(name, parseAddress(item.slice(dash + 1)));
  }
  return addresses;
}

/**
 * Reads which transports a server shall start and where each binds (`TOR_PT_SERVER_TRANSPORTS`
 * and `TOR_PT_SERVER_BINDADDR`, pt-spec section 3.2.3).
 *
 * @param supported The transports the program has.
 * @param read Reads a variable.
 * @returns The address of each transport that is asked for, in an object without prototype, so
 * that any name is safe. Port 0 is a port of the system's choice, and
 * a transport without an address of its own gets `["0.0.0.0", 0]`.
 * @throws {EnvError} When the first variable is unset or the second is malformed.
 *
 * @example
 * ```ts
 * import { readServerTransports } from "@ptlib/ptlib/config";
 *
 * const transports = readServerTransports(["rot13"], (name) =>
 *   name === "TOR_PT_SERVER_TRANSPORTS" ? "rot13" : "rot13-127.0.0.1:4443");
 * if (transports["rot13"]?.[1] !== 4443) throw new Error();
 * ```
 */
export function readServerTransports(
  supported: readonly string[],
  read: ReadVariable = readEnvironment,
): Record<string, Address> {
  const names = choose(required("TOR_PT_SERVER_TRANSPORTS", read), supported);
  const variable = "TOR_PT_SERVER_BINDADDR";
  const value = optional(variable, read);
  const addresses = value === null ? null : parseVariable(variable, value, parseBindAddresses);
  const transports: Record<string, Address> = Object.create(null);
  for (const name of names) transports[name] = addresses?.get(name) ?? ["0.0.0.0", 0];
  return transports;
}

/**
 * Reads the options of server transports (`TOR_PT_SERVER_TRANSPORT_OPTIONS`, pt-spec section
 * 3.2.3).
 *
 * @param read Reads a variable.
 * @returns The options of each transport that has some, in an object without prototype.
 * @throws {EnvError} When the variable is malformed.
 *
 * @example
 * ```ts
 * import { readServerOptions } from "@ptlib/ptlib/config";
 *
 * const options = readServerOptions(() => "secret:key=banana");
 * if (options["secret"]?.get("key") !== "banana") throw new Error();
 * ```
 */
export function readServerOptions(
  read: ReadVariable = readEnvironment,
): Record<string, URLSearchParams> {
  const name = "TOR_PT_SERVER_TRANSPORT_OPTIONS";
  return parseVariable(name, optional(name, read) ?? "", parseServerOptions);
}

/**
 * Where a server sends what it unwrapped: the parent's ports.
 *
 * @example
 * ```ts
 * import type { OrPorts } from "@ptlib/ptlib/config";
 *
 * const plain: OrPorts = { orport: ["127.0.0.1", 9001], ext_orport: null, auth_cookie_file: null };
 * ```
 */
export interface OrPorts {
  /** tor's ORPort; `null` where it has none. */
  orport: Address | null;
  /** tor's Extended ORPort; `null` where it has none. */
  ext_orport: Address | null;
  /** The file with the cookie for the Extended ORPort; `null` where there is no such port. */
  auth_cookie_file: string | null;
}

/**
 * Reads where a server connects to (`TOR_PT_ORPORT`, `TOR_PT_EXTENDED_SERVER_PORT` and
 * `TOR_PT_AUTH_COOKIE_FILE`, pt-spec section 3.2.3).
 *
 * @param read Reads a variable.
 * @returns The ports; at least one of them is there.
 * @throws {EnvError} When neither is set, one is malformed, or the extended one has no cookie
 * file.
 *
 * @example
 * ```ts
 * import { readOrPorts } from "@ptlib/ptlib/config";
 *
 * const ports = readOrPorts((name) => name === "TOR_PT_ORPORT" ? "127.0.0.1:9001" : undefined);
 * if (ports.orport?.[1] !== 9001) throw new Error();
 * ```
 */
export function readOrPorts(read: ReadVariable = readEnvironment): OrPorts {
  const orport = readDestination("TOR_PT_ORPORT", read);
  const ext_orport = readDestination("TOR_PT_EXTENDED_SERVER_PORT", read);
  const file = "TOR_PT_AUTH_COOKIE_FILE";
  // tor sets the file even while `ExtORPort auto` is not open yet.
  if (ext_orport !== null) {
    const auth_cookie_file = parseVariable(file, required(file, read), parsePath);
    return { orport, ext_orport, auth_cookie_file };
  }
  if (orport === null) {
    throw new EnvError(
      "TOR_PT_ORPORT and TOR_PT_EXTENDED_SERVER_PORT are both unset: there is nowhere to send to",
    );
  }
  return { orport, ext_orport, auth_cookie_file: null };
}

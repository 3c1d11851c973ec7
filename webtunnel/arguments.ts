/**
 * The arguments of a bridge line of WebTunnel.
 *
 * @module
 */

import { type Address, canBeName, ipToBytes } from "../address.ts";
import { WebTunnelError } from "./webtunnel_error.ts";

/** What a bridge line says of TLS. */
export interface BridgeTls {
  /** The names under which the bridge can be had: one of them is sent (SNI). */
  names: readonly string[];
  /** The name that is verified; `null` for the one that is sent. */
  verified: string | null;
  /** The certificates that the server may have, in place of any name. */
  pins: readonly string[];
}

/** What a bridge line says. */
export interface Bridge {
  /** Where to connect. */
  address: Address;
  /** The value of the request's `Host`. */
  host: string;
  /** The path of the request, escaped. */
  path: string;
  /** `null` for a URL that begins with `http`. */
  tls: BridgeTls | null;
}

function wrong(message: string, cause?: unknown): WebTunnelError {
  return new WebTunnelError("bridge-line", `The bridge line is wrong: ${message}`, { cause });
}

/** A host name as it is looked up; the text itself where it is in ASCII. */
function asciiName(text: string): string {
  // `URL` takes line ends out and splits at others, so that something else would come of them.
  if (/^\p{ASCII}*$|[\0-,/:-@[-`{-\x7f]/u.test(text)) return text;
  return URL.parse(`http://${text}`)?.hostname ?? "";
}

/** Whether it is a name as DNS has it (RFC 1035 section 2.3.4), with underscores as sites use them. */
function isName(text: string): boolean {
  const label = /^\w(?:[\w-]{0,61}\w)?$/;
  return text.length < 255 && text.replace(/\.$/, "").split(".").every((word) => label.test(word));
}

/** Reads a name, or an IP address that has brackets where it is of IPv6. */
function readHost(text: string, what: string): string {
  const [, inBrackets] = /^\[(.*)\]$/s.exec(text) ?? [];
  if (inBrackets !== undefined) {
    if (ipToBytes(inBrackets)?.length === 16) return inBrackets;
    throw wrong(`${what} has something in brackets that is not an IPv6 address`);
  }
  if (ipToBytes(text)?.length === 4) return text;
  const name = asciiName(text);
  if (isName(name) && canBeName(name)) return name;
  throw wrong(`${what} has neither a name nor an IP address (IPv6 goes in brackets)`);
}

function readPort(text: string, what: string): number {
  const port = Number(text);
  if (/^[0-9]+$/.test(text) && port >= 1 && port <= 65535) return port;
  throw wrong(`the port of ${what} is not a number from 1 to 65535`);
}

/**
 * Reads `host:port`, where the host is a name or an IP address.
 *
 * @param text What to read.
 * @param what Where it stands, for the error's message.
 * @param defaultPort What it is without a port; `null` where it needs one.
 * @returns The host without brackets, and the port.
 * @throws {WebTunnelError} A `bridge-line`, when it is anything else.
 */
export function readAuthority(text: string, what: string, defaultPort: number | null): Address {
  const [, host = "", port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (host === "") throw wrong(`${what} has no host, or one without brackets that needs them`);
  if (port) return [readHost(host, what), readPort(port, what)];
  if (defaultPort === null) throw wrong(`${what} has no port`);
  return [readHost(host, what), defaultPort];
}

const utf8 = new TextEncoder();

/** Undoes percent-encoding, byte by byte. */
function unescaped(path: string): Uint8Array {
  const bytes: number[] = [];
  for (const [piece, hex] of path.matchAll(/%([0-9a-f]{2})|[^%]+/gi)) {
    if (hex === undefined) bytes.push(...utf8.encode(piece));
    else bytes.push(parseInt(hex, 16));
  }
  return Uint8Array.from(bytes);
}

/**
 * Escapes a path as both official clients do: one that could stand in a URL stays as it is, which
 * `URL` would not let it, and of any other each byte is escaped anew.
 */
function escapedPath(path: string): string {
  if (/%(?![0-9a-f]{2})/i.test(path)) throw wrong("url= has a % without two digits behind it");
  if (/^[\w.~!$&'()*+,;=:@/[\]%-]*$/.test(path)) return path || "/";
  const escape = (byte: number) => {
    const char = String.fromCharCode(byte);
    if (/[\w.~$&+,/:;=@-]/.test(char)) return char;
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  };
  return Array.from(unescaped(path), escape).join("");
}

/** Reads the URL: whether it is one of TLS, where it leads, and its escaped path. */
function readUrl(url: string): { isTls: boolean; address: Address; path: string } {
  const [, scheme, authority = "", path = "", more = ""] =
    /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(.*)$/is.exec(url) ?? [];
  const isTls = scheme?.toLowerCase() === "https";
  if (!isTls && scheme?.toLowerCase() !== "http") {
    throw wrong("url= begins with neither https:// nor http://");
  }
  if (authority.includes("@")) throw wrong("url= has a user before the host, which is never sent");
  if (more.startsWith("?")) throw wrong("url= has a query behind ?, which is never sent");
  if (more.startsWith("#")) throw wrong("url= has a fragment behind #, which is never sent");
  const address = readAuthority(authority, "url=", isTls ? 443 : 80);
  return { isTls, address, path: escapedPath(path) };
}

/** Reads a pin: SHA-256 in Base64, as it is written with padding. */
function readPin(text: string): string {
  try {
    const hash = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
    if (hash.length === 32) return hash.toBase64();
  } catch (cause) {
    throw wrong("cert= is not Base64 with its = at the end", cause);
  }
  throw wrong("cert= is not the pin of a certificate: it has other than 32 bytes");
}

/** Those that say something of TLS. */
const OF_TLS = ["servername", "sni-imitation", "cert-domain", "cert"] as const;

function readTls(args: URLSearchParams, host: string): BridgeTls {
  const name = (key: string) => {
    const text = args.get(key);
    return text === null ? null : readHost(text, `${key}=`);
  };
  const imitated = name("sni-imitation");
  if (imitated !== null && ipToBytes(imitated) !== null) {
    throw wrong("sni-imitation= is an IP address, which cannot be sent as a name");
  }
  const names = args.get("servername")?.split(",").map((text) => readHost(text, "servername="));
  const pin = args.get("cert");
  return {
    names: [...new Set(names ?? [imitated ?? host])],
    verified: name("cert-domain") ?? (imitated === null ? null : host),
    pins: pin === null ? [] : [readPin(pin)],
  };
}

/**
 * Reads the arguments of a bridge line. Of a key that comes twice the first value counts, and what
 * is not known is passed over.
 *
 * @param args The arguments.
 * @returns What they say.
 * @throws {WebTunnelError} A `bridge-line`, which names the argument and not its value.
 */
export function readBridge(args: URLSearchParams): Bridge {
  const url = args.get("url");
  if (!url) throw wrong("there is no url=https://..., which stands at its end");
  const { isTls, address, path } = readUrl(url);
  const [host] = address;
  const addr = args.get("addr");
  const ofTls = OF_TLS.find((key) => args.has(key));
  if (!isTls && ofTls !== undefined) {
    throw wrong(`${ofTls}= needs a url= that begins with https://`);
  }
  return {
    address: addr === null ? address : readAuthority(addr, "addr=", null),
    host,
    path,
    tls: isTls ? readTls(args, host) : null,
  };
}

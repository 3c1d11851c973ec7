/**
 * Bridge lines, as bridges are handed from person to person and as a torrc has them:
 * `obfs4 192.0.2.7:443 FINGERPRINT cert=... iat-mode=0`.
 *
 * They are read and written by the rules of tor's own parser, but for what it guesses: a port with
 * a leading zero, and an IPv6 address without brackets, of which it takes the port for a group.
 *
 * @module
 */

import { type Address, formatAddress, ipToBytes, parseAddress } from "./address.ts";
import { MOST_ARGUMENT_BYTES } from "./args.ts";
import { isTransportName } from "./grammar.ts";

/** What a line without a port means, for tor too. */
const DEFAULT_PORT = 443;

/**
 * What a bridge line says.
 *
 * @example
 * ```ts
 * import type { BridgeLine } from "@ptlib/ptlib/bridge_line";
 *
 * const needsTransport = ({ transport }: BridgeLine) => transport !== null;
 * ```
 */
export interface BridgeLine {
  /** The name of the transport; `null` for a bridge that is connected to without one. */
  transport: string | null;
  /** Where the bridge listens. Some transports put a placeholder here. */
  address: Address;
  /** The fingerprint of the bridge's identity, 40 hexadecimal digits in upper case. */
  fingerprint: string | null;
  /** What the transport needs to know, such as a certificate, in its order; keys may repeat. */
  args: URLSearchParams;
}

/** The address of a line. tor takes no name there, because to resolve it would give the bridge away. */
function parseBridgeAddress(word: string): Address {
  const hasNoPort = /^(?:[^:]*|\[[^\]]*\])$/.test(word);
  try {
    const address = parseAddress(hasNoPort ? `${word}:${DEFAULT_PORT}` : word);
    if (address[1] === 0) throw new SyntaxError("nobody listens on port 0");
    return address;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new SyntaxError(`the address is malformed: ${cause.message}`, { cause });
  }
}

/** Reads a fingerprint; null where it is none. */
function parseFingerprint(text: string): string | null {
  // tor shows fingerprints with a $ in other places, and so do web pages.
  const digits = text.replace(/^\$/, "").toUpperCase();
  return /^[0-9A-F]{40}$/.test(digits) ? digits : null;
}

function isArgument(word: string): boolean {
  return word.indexOf("=") > 0;
}

function parseArgument(word: string, index: number): [key: string, value: string] {
  if (!isArgument(word)) {
    throw new SyntaxError(`argument ${index + 1} is not KEY=VALUE`);
  }
  const equals = word.indexOf("=");
  return [word.slice(0, equals), word.slice(equals + 1)];
}

/** What is wrong with arguments that SOCKS5 cannot carry; null where it can. */
function lengthFault(args: URLSearchParams): string | null {
  // The form in which tor sends them.
  const sent = Array.from(args, (pair) => pair.join("=").replace(/[\\;]/g, "\\$&")).join(";");
  const { length } = new TextEncoder().encode(sent);
  if (length <= MOST_ARGUMENT_BYTES) return null;
  return `the arguments have ${length} bytes; SOCKS5 carries up to ${MOST_ARGUMENT_BYTES}`;
}

/** What follows the address of a bridge with a transport. */
function parseRest(words: readonly string[]): Pick<BridgeLine, "fingerprint" | "args"> {
  const [first] = words;
  const fingerprint = first === undefined || isArgument(first) ? null : parseFingerprint(first);
  if (first !== undefined && !isArgument(first) && fingerprint === null) {
    throw new SyntaxError(
      "what follows the address is neither a fingerprint of 40 hexadecimal digits nor KEY=VALUE",
    );
  }
  const args = new URLSearchParams(words.slice(fingerprint === null ? 0 : 1).map(parseArgument));
  const fault = lengthFault(args);
  if (fault !== null) throw new SyntaxError(fault);
  return { fingerprint, args };
}

/** What follows the address of a bridge without one: a fingerprint, perhaps in groups of digits. */
function parseGroups(words: readonly string[]): Pick<BridgeLine, "fingerprint" | "args"> {
  if (words.some(isArgument)) {
    throw new SyntaxError("there are arguments, but no transport's name before the address");
  }
  const fingerprint = words.length === 0 ? null : parseFingerprint(words.join(""));
  if (words.length > 0 && fingerprint === null) {
    throw new SyntaxError("what follows the address is not a fingerprint of 40 hexadecimal digits");
  }
  return { fingerprint, args: new URLSearchParams() };
}

/** The words of a line, without the keyword of a torrc. */
function wordsOf(line: string): string[] {
  const text = line.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
  if (/\p{Cc}/u.test(text.replaceAll("\t", " "))) {
    throw new SyntaxError("there is a control character in it, such as the end of a line");
  }
  const words = text.split(/[ \t]+/).filter((word) => word !== "");
  return isKeyword(words[0]) ? words.slice(1) : words;
}

/** Whether a word is the `Bridge` of a torrc, in which case does not matter. */
function isKeyword(word: string | undefined): boolean {
  return word?.toLowerCase() === "bridge";
}

/**
 * Reads a bridge line: `[Bridge] [TRANSPORT] IP:PORT [FINGERPRINT] [KEY=VALUE]...`.
 *
 * Words are separated by spaces or tabs. The host is a numeric address, IPv6 in brackets; without a
 * port it is 443. The fingerprint may have a `$` before it, and may be in groups where there is no
 * transport. A value may hold `=`, and no character of it is an escape. The arguments may have 510
 * bytes as they are sent in SOCKS5, where `;` and `\` take two.
 *
 * @param line The line.
 * @returns What it says.
 * @throws {SyntaxError} When the line is malformed. The message names the part, and repeats nothing
 * of it.
 *
 * @example
 * ```ts
 * import { parseBridgeLine } from "@ptlib/ptlib/bridge_line";
 *
 * const { transport, address, args } = parseBridgeLine(
 *   "Bridge obfs4 192.0.2.7:443 0123456789ABCDEF0123456789ABCDEF01234567 cert=a+b/c= iat-mode=0",
 * );
 * if (transport !== "obfs4" || address[1] !== 443) throw new Error();
 * if (args.get("cert") !== "a+b/c=") throw new Error();
 * ```
 */
export function parseBridgeLine(line: string): BridgeLine {
  const [first, ...rest] = wordsOf(line);
  if (first === undefined) throw new SyntaxError("there is nothing in it");
  if (!isTransportName(first)) {
    if (!/[.:[]/.test(first)) {
      throw new SyntaxError(
        "the transport's name has more than letters, digits and _, or begins with a digit",
      );
    }
    return { transport: null, address: parseBridgeAddress(first), ...parseGroups(rest) };
  }
  const [address, ...others] = rest;
  if (address === undefined) {
    throw new SyntaxError("there is no address after the transport's name");
  }
  return { transport: first, address: parseBridgeAddress(address), ...parseRest(others) };
}

/** What is wrong with arguments that a line cannot hold; null where it can. */
function argumentFault(args: URLSearchParams): string | null {
  for (const [key, value] of args) {
    if (key === "" || key.includes("=")) return "the key of an argument is empty or holds =";
    if (/[\p{Cc} ]/u.test(key + value)) {
      return "an argument holds a space or a control character, and there is no escape for them";
    }
  }
  return lengthFault(args);
}

/**
 * Writes a bridge line: `[TRANSPORT] IP:PORT [FINGERPRINT] [KEY=VALUE]...`.
 *
 * In a torrc it stands after `Bridge`, and in double quotes where it has a `#`, which begins a
 * comment there.
 *
 * @param line The parts. What is `null` or missing is left out.
 * @returns The line, which {@linkcode parseBridgeLine} reads. It has no `Bridge` before it, but for
 * a transport of that name.
 * @throws {TypeError} When a part cannot stand in a line: a name that is none, a host that is not
 * numeric, port 0, a fingerprint that is not 40 hexadecimal digits, arguments without a transport,
 * with a space in them, or with more than 510 bytes.
 *
 * @example
 * ```ts
 * import { formatBridgeLine } from "@ptlib/ptlib/bridge_line";
 *
 * const line = formatBridgeLine({
 *   transport: "obfs4",
 *   address: ["2001:db8::7", 443],
 *   args: [["cert", "a+b/c="], ["iat-mode", "0"]],
 * });
 * if (line !== "obfs4 [2001:db8::7]:443 cert=a+b/c= iat-mode=0") throw new Error();
 * ```
 */
export function formatBridgeLine(line: {
  readonly transport?: string | null | undefined;
  readonly address: Readonly<Address>;
  readonly fingerprint?: string | null | undefined;
  readonly args?: Iterable<readonly [string, string]> | undefined;
}): string {
  const { transport = null, fingerprint = null } = line;
  const args = new URLSearchParams(Array.from(line.args ?? [], ([key, value]) => [key, value]));
  const fault = formatFault(transport, line.address, fingerprint, args);
  if (fault !== null) throw new TypeError(`This cannot be a bridge line: ${fault}`);
  return [
    ...isKeyword(transport ?? undefined) ? ["Bridge"] : [],
    ...transport === null ? [] : [transport],
    formatAddress(line.address),
    ...fingerprint === null ? [] : [fingerprint.toUpperCase()],
    ...Array.from(args, (pair) => pair.join("=")),
  ].join(" ");
}

function formatFault(
  transport: string | null,
  [host, port]: Readonly<Address>,
  fingerprint: string | null,
  args: URLSearchParams,
): string | null {
  if (transport !== null && !isTransportName(transport)) {
    return "the transport's name has more than letters, digits and _, or begins with a digit";
  }
  if (ipToBytes(host) === null) return "the host is not a numeric IP address without brackets";
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return "the port is not a whole number from 1 to 65535";
  }
  if (fingerprint !== null && !/^[0-9A-F]{40}$/i.test(fingerprint)) {
    return "the fingerprint is not 40 hexadecimal digits";
  }
  if (transport === null && args.size > 0) return "there are arguments, but no transport's name";
  return argumentFault(args);
}

export type { Address } from "./address.ts";

/**
 * What a pluggable transport says, line by line: the pure parser of its stdout (pt-spec section
 * 3.3).
 *
 * It reads as tor does: words after those that are known are ignored, and so are unknown
 * keywords, which come out as `unknown`. Whether a line is allowed *now* is not asked here.
 *
 * @module
 */

import { type Address, parseAddress } from "../address.ts";
import { parseSmethodArgs } from "../args.ts";
import { isTransportName, SEVERITIES, type Severity, unquoteCString } from "../grammar.ts";

/**
 * A `CMETHOD` line: where a client transport takes SOCKS connections (pt-spec section 3.3.2).
 *
 * @example
 * ```ts
 * import type { ClientMethod } from "@ptlib/ptlib/line";
 *
 * const method: Pick<ClientMethod, "socksVersion" | "address"> = {
 *   socksVersion: 5,
 *   address: ["127.0.0.1", 32145],
 * };
 * ```
 */
export interface ClientMethod {
  /** Which line it is. */
  kind: "cmethod";
  /** The transport's name. */
  transport: string;
  /** The version of SOCKS that is spoken there. */
  socksVersion: 4 | 5;
  /** Where to connect. */
  address: Address;
}

/**
 * An `SMETHOD` line: where a server transport takes its clients (pt-spec section 3.3.3).
 *
 * @example
 * ```ts
 * import { formatSocksArgs } from "@ptlib/ptlib/args";
 * import type { ServerMethod } from "@ptlib/ptlib/line";
 *
 * const whatClientsNeed = (method: ServerMethod) => formatSocksArgs(method.args);
 * ```
 */
export interface ServerMethod {
  /** Which line it is. */
  kind: "smethod";
  /** The transport's name. */
  transport: string;
  /** Where it listens. */
  address: Address;
  /** What clients need to know, such as a certificate. */
  args: URLSearchParams;
}

/**
 * A line that says that something failed. The text is the program's own: it may hold control
 * characters, so do not print it to a terminal unescaped.
 *
 * @example
 * ```ts
 * import { parseLine } from "@ptlib/ptlib/line";
 *
 * const message = parseLine("ENV-ERROR TOR_PT_STATE_LOCATION is not set");
 * if (message.kind !== "env-error" || !message.message.endsWith("not set")) throw new Error();
 * ```
 */
export interface FailureMessage {
  /** Which line it is. */
  kind: "version-error" | "env-error" | "proxy-error";
  /** The program's words; may be empty. */
  message: string;
}

/**
 * A line that says that one transport could not be started: `CMETHOD-ERROR` or `SMETHOD-ERROR`.
 *
 * @example
 * ```ts
 * import { parseLine } from "@ptlib/ptlib/line";
 *
 * const message = parseLine("CMETHOD-ERROR rot13 no port is free");
 * if (message.kind !== "cmethod-error" || message.transport !== "rot13") throw new Error();
 * ```
 */
export interface MethodFailureMessage {
  /** Which line it is. */
  kind: "cmethod-error" | "smethod-error";
  /** The transport's name. */
  transport: string;
  /** The program's words; may be empty. */
  message: string;
}

/**
 * A `LOG` line (pt-spec section 3.3.4).
 *
 * @example
 * ```ts
 * import { parseLine } from "@ptlib/ptlib/line";
 *
 * const message = parseLine('LOG SEVERITY=notice MESSAGE="the cookie is \\"stale\\""');
 * if (message.kind !== "log" || message.message !== 'the cookie is "stale"') throw new Error();
 * ```
 */
export interface LogMessage {
  /** Which line it is. */
  kind: "log";
  /** How much it matters. */
  severity: Severity;
  /** The text, which can hold any character. */
  message: string;
}

/**
 * A `STATUS TRANSPORT=...` line (pt-spec section 3.3.5).
 *
 * What it calls the transport is the program's own text, as the values are: a string or a CString,
 * which need not be a name that the parent has asked for.
 *
 * @example
 * ```ts
 * import { parseLine } from "@ptlib/ptlib/line";
 *
 * const message = parseLine("STATUS TRANSPORT=snowflake CONNECT=Success");
 * if (message.kind !== "status" || message.values.get("CONNECT") !== "Success") throw new Error();
 * ```
 */
export interface StatusMessage {
  /** Which line it is. */
  kind: "status";
  /** What the program calls the transport; usually its name, but it can hold any character. */
  transport: string;
  /** Everything else, in its order. */
  values: URLSearchParams;
}

/**
 * A `STATUS TYPE=version` line: which program this is (pt-spec section 3.3.5).
 *
 * @example
 * ```ts
 * import { parseLine } from "@ptlib/ptlib/line";
 *
 * const message = parseLine('STATUS TYPE=version IMPLEMENTATION="rot0r" VERSION="1.2.3"');
 * if (message.kind !== "status-version" || message.version !== "1.2.3") throw new Error();
 * ```
 */
export interface StatusVersionMessage {
  /** Which line it is. */
  kind: "status-version";
  /** The program's name. */
  implementation: string;
  /** The program's version. */
  version: string;
}

/**
 * A line whose keyword says nothing to a parent of version 1, which must ignore it.
 *
 * @example
 * ```ts
 * import { parseLine } from "@ptlib/ptlib/line";
 *
 * const message = parseLine("WEATHER sunny and dry");
 * if (message.kind !== "unknown" || message.rest !== "sunny and dry") throw new Error();
 * ```
 */
export interface UnknownMessage {
  /** Which line it is. */
  kind: "unknown";
  /** The first word. */
  keyword: string;
  /** What follows the space after it. */
  rest: string;
}

/**
 * A line of a transport's stdout, told apart by `kind`.
 *
 * @example
 * ```ts
 * import type { Message } from "@ptlib/ptlib/line";
 *
 * function endsStartUp(message: Message): boolean {
 *   return message.kind === "cmethods-done" || message.kind === "smethods-done";
 * }
 * ```
 */
export type Message =
  | { kind: "version"; version: string }
  | { kind: "proxy-done" | "cmethods-done" | "smethods-done" }
  | FailureMessage
  | ClientMethod
  | ServerMethod
  | MethodFailureMessage
  | LogMessage
  | StatusMessage
  | StatusVersionMessage
  | UnknownMessage;

/** Cuts off the first word; the second piece is what follows the space after it. */
function cutWord(text: string): [word: string, rest: string] {
  const space = text.indexOf(" ");
  return space === -1 ? [text, ""] : [text.slice(0, space), text.slice(space + 1)];
}

/** The words of a line; tor takes several spaces for one. */
function words(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

function transportName(word: string | undefined): string {
  if (word !== undefined && isTransportName(word)) return word;
  throw new SyntaxError("there is no valid transport name");
}

function methodAddress(word: string | undefined): Address {
  if (word === undefined) throw new SyntaxError("there is no address");
  const address = parseAddress(word);
  if (address[1] === 0) throw new SyntaxError("the port is 0: nobody can connect there");
  return address;
}

function expectDone(rest: string): void {
  if (words(rest).join(" ") !== "DONE") throw new SyntaxError("the word after it is not DONE");
}

function parseVersion(rest: string): Message {
  const [version, ...more] = words(rest);
  if (version === undefined || more.length > 0) throw new SyntaxError("it names no single version");
  return { kind: "version", version };
}

function parseClientMethod(rest: string): ClientMethod {
  const [name, protocol, address] = words(rest);
  const transport = transportName(name);
  if (protocol !== "socks4" && protocol !== "socks5") {
    throw new SyntaxError("the protocol is neither socks4 nor socks5");
  }
  const socksVersion = protocol === "socks4" ? 4 : 5;
  return { kind: "cmethod", transport, socksVersion, address: methodAddress(address) };
}

function parseServerMethod(rest: string): ServerMethod {
  const [name, address, ...options] = words(rest);
  const text = options.find((option) => option.startsWith("ARGS:"))?.slice("ARGS:".length) ?? "";
  return {
    kind: "smethod",
    transport: transportName(name),
    address: methodAddress(address),
    args: parseSmethodArgs(text),
  };
}

function parseMethodFailure(kind: MethodFailureMessage["kind"], rest: string): Message {
  const [name, message] = cutWord(rest);
  return { kind, transport: transportName(name), message };
}

/** Reads `K=V K=V`, where a value is a CString or a bare word. */
function parseValues(text: string): URLSearchParams {
  const values = new URLSearchParams();
  const pair = / *([a-zA-Z0-9_-]+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: +|$)/gsy;
  while (pair.lastIndex < text.length) {
    const [, key, value] = pair.exec(text) ?? [];
    if (key === undefined || value === undefined) {
      throw new SyntaxError("it is not a row of KEY=VALUE, each value quoted or without spaces");
    }
    values.append(key, unquoteCString(value));
  }
  return values;
}

function parseLog(rest: string): LogMessage {
  const values = parseValues(rest);
  const severity = SEVERITIES.find((known) => known === values.get("SEVERITY"));
  const message = values.get("MESSAGE");
  if (severity === undefined) throw new SyntaxError("it has none of the five values of SEVERITY");
  if (message === null) throw new SyntaxError("it has no MESSAGE");
  return { kind: "log", severity, message };
}

function parseStatusVersion(values: URLSearchParams): StatusVersionMessage {
  const [implementation, version] = [values.get("IMPLEMENTATION"), values.get("VERSION")];
  if (implementation === null) throw new SyntaxError("it has no IMPLEMENTATION");
  if (version === null) throw new SyntaxError("it has no VERSION");
  return { kind: "status-version", implementation, version };
}

function parseStatus(rest: string): Message {
  const values = parseValues(rest);
  const type = values.get("TYPE");
  if (type === "version") return parseStatusVersion(values);
  const transport = values.get("TRANSPORT");
  if (transport === null) {
    if (type !== null) return { kind: "unknown", keyword: "STATUS", rest };
    throw new SyntaxError("it has no TRANSPORT");
  }
  values.delete("TRANSPORT");
  if (values.size === 0) throw new SyntaxError("it has nothing but TRANSPORT");
  return { kind: "status", transport, values };
}

function parseDone(kind: "proxy-done" | "cmethods-done" | "smethods-done", rest: string): Message {
  expectDone(rest);
  return { kind };
}

const PARSERS: ReadonlyMap<string, (rest: string) => Message> = new Map([
  ["VERSION", parseVersion],
  ["VERSION-ERROR", (message) => ({ kind: "version-error", message })],
  ["ENV-ERROR", (message) => ({ kind: "env-error", message })],
  ["PROXY", (rest) => parseDone("proxy-done", rest)],
  ["PROXY-ERROR", (message) => ({ kind: "proxy-error", message })],
  ["CMETHOD", parseClientMethod],
  ["CMETHOD-ERROR", (rest) => parseMethodFailure("cmethod-error", rest)],
  ["CMETHODS", (rest) => parseDone("cmethods-done", rest)],
  ["SMETHOD", parseServerMethod],
  ["SMETHOD-ERROR", (rest) => parseMethodFailure("smethod-error", rest)],
  ["SMETHODS", (rest) => parseDone("smethods-done", rest)],
  ["LOG", parseLog],
  ["STATUS", parseStatus],
]);

/**
 * Reads one line of a transport's stdout (pt-spec section 3.3).
 *
 * @param line The line without its line feed.
 * @returns What it says. A line with an unknown keyword, or a `STATUS` of an unknown type, is
 * `unknown`; a parent ignores it.
 * @throws {SyntaxError} When the line does not begin with a keyword, or a known keyword is not
 * followed by what belongs there. The message names the keyword and never repeats an address.
 *
 * @example
 * ```ts
 * import { parseLine } from "@ptlib/ptlib/line";
 *
 * const message = parseLine("CMETHOD obfs4 socks5 127.0.0.1:32145");
 * if (message.kind !== "cmethod" || message.address[1] !== 32145) throw new Error();
 * ```
 */
export function parseLine(line: string): Message {
  const [keyword, rest] = cutWord(line);
  if (!/^[a-zA-Z0-9_-]+$/.test(keyword)) {
    throw new SyntaxError("A line does not begin with a keyword");
  }
  const parse = PARSERS.get(keyword);
  if (parse === undefined) return { kind: "unknown", keyword, rest };
  try {
    if (rest.includes("\0")) throw new SyntaxError("there is a NUL in it");
    return parse(rest);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new SyntaxError(`The line ${keyword} is malformed: ${cause.message}`, { cause });
  }
}

export type { Address } from "../address.ts";
export type { Severity } from "../grammar.ts";
export { LineReader } from "./line_reader.ts";

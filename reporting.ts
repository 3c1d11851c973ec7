/**
 * The lines out: the one place that prints, and the order of lines that tor enforces.
 *
 * tor kills a transport that names a method before `VERSION` or after the `DONE` line, or answers
 * for a proxy late or twice (pt-spec section 3.3), so each of these throws here before anything is
 * written, as far as it is known here: after `init()` of this module instance, and after the end.
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";
import {
  EnvError,
  ProxyError,
  readBindAddresses,
  readExitOnStdinClose,
  readVersionOffer,
} from "./config.ts";
import { checkTransportName, printable } from "./grammar.ts";

/** The two halves of a transport. */
export type Role = "client" | "server";

/** How far this process is with its parent, as far as this instance of the module knows. */
interface Negotiation {
  /**
   * Who may report: a role after a successful `init`, `nobody` after one that failed, `anybody`
   * where there was none. A Worker reports for its main thread, a wrapper has its own negotiation.
   */
  reporter: Role | "anybody" | "nobody";
  /** Whether the parent still waits for an answer about its upstream proxy. */
  proxyAnswerDue: boolean;
  methodReported: boolean;
  /** The function that had the last word; null while methods can be reported. */
  endedBy: "reportEnd" | "reportProxyError" | null;
}

const START: Readonly<Negotiation> = {
  reporter: "anybody",
  proxyAnswerDue: false,
  methodReported: false,
  endedBy: null,
};

let negotiation: Negotiation = { ...START };

const utf8 = new TextEncoder();

/** Prints one protocol line, whole and at once. */
export function printLine(line: string): void {
  let rest = utf8.encode(`${line}\n`);
  while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
}

class VersionError extends EnvError {}

/** What the parent is told when the environment cannot be used. */
function refusal(error: unknown): string[] {
  if (error instanceof VersionError) return ["VERSION-ERROR no-version"];
  // The proxy is read last, so everything else was fine.
  if (error instanceof ProxyError) return ["VERSION 1", `PROXY-ERROR ${printable(error.message)}`];
  if (error instanceof EnvError) return [`ENV-ERROR ${printable(error.message)}`];
  return [];
}

/**
 * Reads the whole environment, then says `VERSION 1`, or instead what is wrong with it: after
 * `VERSION 1` tor takes no `ENV-ERROR` any more. Each call starts a new negotiation, though tor
 * takes only one from a process.
 */
export function negotiate<T extends object>(
  role: Role,
  supported: readonly string[],
  readRest: () => T,
): T {
  supported.forEach(checkTransportName);
  negotiation = { ...START, reporter: "nobody" };
  let info: T;
  try {
    if (!readVersionOffer()) {
      throw new VersionError("TOR_PT_MANAGED_TRANSPORT_VER does not offer version 1");
    }
    // Only for their errors: the connections read these two when they need them.
    readBindAddresses();
    readExitOnStdinClose();
    info = readRest();
  } catch (error) {
    refusal(error).forEach(printLine);
    throw error;
  }
  printLine("VERSION 1");
  const proxyAnswerDue = "proxy" in info && info.proxy !== null;
  negotiation = { ...START, reporter: role, proxyAnswerDue };
  return info;
}

/** Throws where it is known that the parent would take no report. */
function checkReporting(role: Role): void {
  const { reporter, endedBy } = negotiation;
  if (reporter !== role && reporter !== "anybody") {
    throw new Error(`Nothing can be reported before ${role}.init() has succeeded`);
  }
  if (endedBy !== null) throw new Error(`Nothing can be reported after ${role}.${endedBy}()`);
}

const METHODS = { client: "CMETHOD", server: "SMETHOD" } as const;

/** The address in a method's line: where somebody listens, so never port 0. */
export function methodAddress(address: Readonly<Address>): string {
  if (address[1] === 0) {
    throw new TypeError("A method is reported with the port that was really bound, not 0");
  }
  return formatAddress(address);
}

/** Prints the line of a transport that listens (pt-spec section 3.3.2 and 3.3.3). */
export function printMethod(role: Role, name: string, words: readonly string[]): void {
  checkTransportName(name);
  checkReporting(role);
  printLine([METHODS[role], name, ...words].join(" "));
  negotiation.methodReported = true;
}

/** Prints the line of a transport that does not (pt-spec section 3.3.2 and 3.3.3). */
export function printMethodError(role: Role, name: string, message: string): void {
  checkTransportName(name);
  checkReporting(role);
  printLine(`${METHODS[role]}-ERROR ${name} ${printable(message)}`);
  negotiation.methodReported = true;
}

/** Throws where it is known that the parent would take no answer about a proxy. */
function checkProxyAnswer(): void {
  checkReporting("client");
  if (negotiation.reporter === "anybody") return;
  if (!negotiation.proxyAnswerDue) {
    throw new Error("There is no upstream proxy to answer for, or it has been answered for");
  }
  if (negotiation.methodReported) {
    throw new Error("The upstream proxy is answered for before the first method is reported");
  }
}

/** Prints the answer about the upstream proxy; after a `PROXY-ERROR` nothing else is taken. */
export function printProxyAnswer(line: string, accepted: boolean): void {
  checkProxyAnswer();
  printLine(line);
  if (negotiation.reporter === "anybody") return;
  negotiation.proxyAnswerDue = false;
  if (!accepted) negotiation.endedBy = "reportProxyError";
}

/** Prints `CMETHODS DONE` or `SMETHODS DONE`. */
export function printDone(role: Role, line: string): void {
  checkReporting(role);
  printLine(line);
  negotiation.endedBy = "reportEnd";
}

/** Prints a line that is only allowed while methods are being reported. */
export function printBeforeDone(line: string): void {
  const { endedBy } = negotiation;
  if (endedBy !== null) throw new Error(`This can only be reported before ${endedBy}()`);
  printLine(line);
}

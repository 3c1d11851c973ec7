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
  readExitOnStdinClose,
  readOutboundBindAddresses,
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

function writeNow(output: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(output.writeSync(rest));
}

/** Prints one protocol line, whole and at once. */
export function printLine(line: string): void {
  writeNow(Deno.stdout, utf8.encode(`${line}\n`));
}

/** How many bytes may wait for a reader. */
const MOST_WAITING = 64 * 1024;

/**
 * Writes lines without waiting for whoever reads them. What does not fit in the bound is dropped,
 * and a line says how much when there is room again. An output that breaks gets nothing more.
 */
export class LineWriter {
  readonly #output: { write(bytes: Uint8Array): Promise<number> };
  readonly #wordLoss: (dropped: number) => string;
  #waiting: Uint8Array[] = [];
  #length = 0;
  #dropped = 0;
  #writing: Promise<void> | null = null;
  #broken = false;

  /** Writes to `output`, and puts a loss into words by `wordLoss`. */
  constructor(
    output: { write(bytes: Uint8Array): Promise<number> },
    wordLoss: (dropped: number) => string,
  ) {
    this.#output = output;
    this.#wordLoss = wordLoss;
  }

  /** Has a line written, or drops it. */
  push(line: string): void {
    if (this.#broken) return;
    const bytes = utf8.encode(`${line}\n`);
    // Whoever has lost some reads that before anything newer.
    if (this.#dropped > 0 || this.#length + bytes.length > MOST_WAITING) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(bytes);
    this.#length += bytes.length;
    this.#writing ??= this.#writeAll();
  }

  /** Drops everything from now on. */
  break(): void {
    this.#broken = true;
    this.#waiting = [];
  }

  async #writeAll(): Promise<void> {
    try {
      for (let bytes; (bytes = this.#waiting.shift()) !== undefined;) {
        for (let rest = bytes; rest.length > 0;) {
          rest = rest.subarray(await this.#output.write(rest));
        }
        this.#length -= bytes.length;
        if (this.#waiting.length === 0 && this.#dropped > 0) this.#tellLoss();
      }
    } catch {
      this.break(); // Nobody reads it any more.
    }
    this.#writing = null;
  }

  #tellLoss(): void {
    const bytes = utf8.encode(`${this.#wordLoss(this.#dropped)}\n`);
    this.#dropped = 0;
    this.#waiting.push(bytes);
    this.#length += bytes.length;
  }

  /** Resolves when nothing waits any more, or after a time in milliseconds. */
  async flush(milliseconds: number): Promise<void> {
    if (this.#writing === null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    await Promise.race([this.#writing, promise]);
    clearTimeout(timer);
  }
}

/**
 * How many bytes go out at once, so that a program's last words are not lost. Any pipe takes as many
 * without a reader.
 */
const AT_ONCE = 4_096;

/** Writes the first lines whole and at once, and all others as a {@linkcode LineWriter}. */
export class FirstLinesAtOnce extends LineWriter {
  readonly #output: { writeSync(bytes: Uint8Array): number };
  #left = AT_ONCE;

  /** Writes to `output`, and puts a loss into words by `wordLoss`. */
  constructor(
    output: { write(bytes: Uint8Array): Promise<number>; writeSync(bytes: Uint8Array): number },
    wordLoss: (dropped: number) => string,
  ) {
    super(output, wordLoss);
    this.#output = output;
  }

  /** Writes a line, has it written, or drops it. */
  override push(line: string): void {
    const bytes = utf8.encode(`${line}\n`);
    this.#left -= bytes.length;
    if (this.#left < 0) return super.push(line);
    try {
      writeNow(this.#output, bytes);
    } catch {
      this.break(); // Nobody reads it any more; stdin and the parent's death say when to end.
      this.#left = 0;
    }
  }
}

const later = new FirstLinesAtOnce(
  {
    write: (bytes) => Deno.stdout.write(bytes),
    writeSync: (bytes) => Deno.stdout.writeSync(bytes),
  },
  (dropped) => `LOG SEVERITY=notice MESSAGE="${dropped} messages were dropped: nobody read them"`,
);

/** Prints a line that may come at any time. After the DONE line it waits for no reader. */
export function printAnytime(line: string): void {
  if (negotiation.endedBy === "reportEnd") later.push(line);
  else printLine(line);
}

/**
 * Waits until what was printed is written.
 *
 * @param milliseconds How long at most.
 */
export function flushLines(milliseconds: number): Promise<void> {
  return later.flush(milliseconds);
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
    readOutboundBindAddresses();
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

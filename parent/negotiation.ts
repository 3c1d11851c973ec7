/**
 * The parent's half of the negotiation: which line may come when, and what came of it (pt-spec
 * section 3.3). It knows no process.
 *
 * @module
 */

import { printable } from "../grammar.ts";
import { LaunchError, type LaunchFailure } from "./launch_error.ts";
import {
  type ClientMethod,
  type LogMessage,
  type Message,
  parseLine,
  type ServerMethod,
  type StatusMessage,
  type StatusVersionMessage,
} from "./line.ts";

/**
 * What a transport says beside the negotiation, at any time.
 *
 * @example
 * ```ts
 * import type { TransportMessage } from "@ptlib/ptlib/parent";
 *
 * function isTrouble(message: TransportMessage): boolean {
 *   return message.kind === "log" && message.severity === "error";
 * }
 * ```
 */
export type TransportMessage = LogMessage | StatusMessage | StatusVersionMessage;

/** What tells the lines of a client from those of a server. */
export interface RoleLines<M extends ClientMethod | ServerMethod> {
  readonly done: "cmethods-done" | "smethods-done";
  readonly failure: "cmethod-error" | "smethod-error";
  /** The line as a method of this half, null when it is none. */
  method(message: Message): M | null;
}

/** The lines of a client. */
export const CLIENT: RoleLines<ClientMethod> = {
  done: "cmethods-done",
  failure: "cmethod-error",
  method: (message) => message.kind === "cmethod" ? message : null,
};

/** The lines of a server. */
export const SERVER: RoleLines<ServerMethod> = {
  done: "smethods-done",
  failure: "smethod-error",
  method: (message) => message.kind === "smethod" ? message : null,
};

/** The name of a line, as its sender wrote it. */
function keyword(message: Message): string {
  return message.kind.toUpperCase().replace(/-DONE$/, " DONE");
}

/** What an error says after the program's own words, or in place of them. */
function withWords(message: string): string {
  return message === "" ? "" : `: ${message}`;
}

function fail(reason: LaunchFailure, sentence: string): never {
  throw new LaunchError(reason, sentence);
}

/** Parses a line; null for one that a parent ignores, as tor does. */
function parse(line: string): Message | null {
  try {
    return parseLine(line);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    // Neither a stray word nor a broken log line harms the negotiation.
    if (!/^(?:VERSION|ENV-ERROR|PROXY|[CS]METHODS?)(?:-ERROR)?(?: |$)/.test(line)) return null;
    throw new LaunchError("line", cause.message, [], { cause });
  }
}

/** Follows what one program says from its first line on. */
export class Negotiation<M extends ClientMethod | ServerMethod> {
  /** The transports that were started, by name. No prototype, so any name is safe. */
  readonly methods: Record<string, M> = Object.create(null);
  /** Why the others were not, by name. No prototype. */
  readonly failures: Record<string, string> = Object.create(null);
  readonly #role: RoleLines<M>;
  readonly #transports: readonly string[];
  #proxyAnswerDue: boolean;
  #versionAccepted = false;
  #done = false;

  constructor(role: RoleLines<M>, transports: readonly string[], withProxy: boolean) {
    this.#role = role;
    this.#transports = transports;
    this.#proxyAnswerDue = withProxy;
  }

  /** Whether all methods have been reported. */
  get done(): boolean {
    return this.#done;
  }

  /**
   * Takes the next line.
   *
   * @param line The line, `null` for one that was too long.
   * @returns What it announces, `null` when it is part of the negotiation or to be ignored.
   * @throws {LaunchError} When the program has failed.
   */
  receive(line: string | null): TransportMessage | null {
    if (line === null) {
      return this.#done ? null : fail("line", "it said a line without an end");
    }
    const message = parse(line);
    if (message === null) return null;
    switch (message.kind) {
      case "unknown":
        return null;
      case "log":
      case "status":
      case "status-version":
        return message;
      case "version":
      case "version-error":
      case "env-error":
        if (this.#versionAccepted) fail("order", `it said ${keyword(message)} after VERSION`);
        this.#beforeVersion(message);
        return null;
      default:
        if (!this.#versionAccepted) fail("order", `it said ${keyword(message)} before VERSION`);
        if (this.#done) fail("order", `it said ${keyword(message)} after the DONE line`);
        this.#beforeDone(message);
        return null;
    }
  }

  #beforeVersion(message: Message) {
    switch (message.kind) {
      case "version-error":
        return fail("version", `it does not speak version 1${withWords(message.message)}`);
      case "env-error":
        return fail("environment", `it cannot use its environment${withWords(message.message)}`);
      case "version":
        if (message.version !== "1") fail("version", "it chose a version that was not offered");
        this.#versionAccepted = true;
    }
  }

  #beforeDone(message: Message): void {
    const method = this.#role.method(message);
    if (method !== null) {
      this.#answer(method.transport);
      this.methods[method.transport] = method;
      return;
    }
    switch (message.kind) {
      case "proxy-error":
        return fail("proxy", `it cannot use the upstream proxy${withWords(message.message)}`);
      case "proxy-done":
        if (!this.#proxyAnswerDue) fail("order", "it said PROXY DONE without being asked");
        this.#proxyAnswerDue = false;
        return;
      case this.#role.failure:
        this.#answer(message.transport);
        this.failures[message.transport] = printable(message.message);
        return;
      case this.#role.done:
        return this.#finish();
      default:
        fail("order", `it said ${keyword(message)}, which belongs to the other half`);
    }
  }

  /** Checks that an answer about this transport is due. */
  #answer(transport: string): void {
    if (!this.#transports.includes(transport)) {
      fail("transport", `it reported ${transport}, which was not asked for`);
    }
    if (transport in this.methods || transport in this.failures) {
      fail("transport", `it reported ${transport} twice`);
    }
  }

  #finish(): void {
    if (this.#proxyAnswerDue) {
      fail("proxy", "it never said PROXY DONE, so it would connect around the upstream proxy");
    }
    for (const transport of this.#transports) {
      if (transport in this.methods || transport in this.failures) continue;
      this.failures[transport] = "the program does not have this transport";
    }
    if (Object.keys(this.methods).length === 0) {
      const reasons = Object.entries(this.failures).map((failure) => failure.join(": "));
      fail("no-method", `it started no transport: ${reasons.join("; ")}`);
    }
    this.#done = true;
  }
}

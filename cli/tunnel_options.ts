/**
 * The options that `ptlib client` and `ptlib server` share, from the command line or from a file.
 *
 * @module
 */

import type { ParseArgsOptionsConfig } from "node:util";
import type { Address } from "../address.ts";
import type { UnixSocket } from "../parent/mod.ts";
import { formatPlace, parseDestination, parseListen, parseUnixOr } from "./places.ts";
import { repeatedKey } from "./repeated_key.ts";
import { type OptionValues, parseTransportName, splitArguments, UsageError } from "./command.ts";

/** What one tunnel was asked for. */
export class TunnelRequest {
  /** The program and its arguments. */
  readonly program: readonly string[];
  /** Which tunnel of a file it is; `undefined` for that of the command line. */
  readonly number: number | undefined;
  readonly #values: OptionValues;
  readonly #where: string;

  /**
   * Checks that there is a program.
   *
   * @param values The options by their long names.
   * @param program The program and its arguments.
   * @param where What stands before the name of an option in an error.
   * @param number Which tunnel of a file it is.
   */
  constructor(
    values: OptionValues,
    program: readonly string[],
    where: string,
    number?: number | undefined,
  ) {
    this.#values = values;
    this.#where = where;
    this.number = number;
    this.program = program;
    if (program.length === 0) {
      throw new UsageError(
        where === ""
          ? "There is no program: put it after --, as in -- obfs4proxy"
          : `${where}: there is no program: put it into "command", as in ["obfs4proxy"]`,
      );
    }
  }

  /** An error about one option. */
  fault(name: string, what: string): UsageError {
    return new UsageError(
      this.#where === "" ? `--${name} ${what}` : `${this.#where}: ${name} ${what}`,
    );
  }

  /** The value of an option, `undefined` where it is missing. */
  optional(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  /** The value of an option that must be there. */
  required(name: string): string {
    const value = this.optional(name);
    if (value === undefined || value === "") throw this.fault(name, "is missing");
    return value;
  }

  /** The name of the transport. */
  transport(): string {
    return this.parse("transport", this.required("transport"), parseTransportName);
  }

  /** The values of an option that may come several times. */
  all(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
  }

  /** Reads the value of an option. */
  parse<T>(name: string, text: string, parse: (text: string) => T): T {
    try {
      return parse(text);
    } catch (cause) {
      throw this.#malformed(name, cause);
    }
  }

  /** The same where reading takes time. */
  async parseLater<T>(
    name: string,
    text: string,
    parse: (text: string) => Promise<T>,
  ): Promise<T> {
    try {
      return await parse(text);
    } catch (cause) {
      throw this.#malformed(name, cause);
    }
  }

  #malformed(name: string, cause: unknown): unknown {
    return cause instanceof SyntaxError
      ? this.fault(name, `is malformed: ${cause.message}`)
      : cause;
  }

  /** The address to listen on; port 0 means any. */
  listen(): Address {
    return this.parse("listen", this.required("listen"), parseListen);
  }

  /** The same, or a Unix socket. */
  listenAnywhere(): Address | UnixSocket {
    const parse = (text: string) => parseUnixOr(text, parseListen);
    return this.parse("listen", this.required("listen"), parse);
  }

  /** An address to connect to; the host may be a name. */
  destination(name: string): Address {
    return this.parse(name, this.required(name), parseDestination);
  }

  /** The same, or a Unix socket. */
  destinationAnywhere(name: string): Address | UnixSocket {
    const parse = (text: string) => parseUnixOr(text, parseDestination);
    return this.parse(name, this.required(name), parse);
  }

  /** The variables that the program is to get. */
  environment(): Record<string, string> {
    const pairs = this.all("env").map((text) => this.parse("env", text, parseVariable));
    return Object.fromEntries(pairs);
  }
}

/** Reads `NAME=VALUE`, or `NAME` for a variable of ours. */
function parseVariable(text: string): [name: string, value: string] {
  const [, name, value] = /^([a-zA-Z_]\w*)(?:=(.*))?$/s.exec(text) ?? [];
  if (name === undefined) throw new SyntaxError("it is neither NAME nor NAME=VALUE");
  // Whoever changed these could send the program around its proxy.
  if (/^TOR_PT_(?!OUTBOUND_BIND_ADDRESS_V[46]$)/i.test(name)) {
    throw new SyntaxError(`${name} is one that ptlib sets itself, by its options`);
  }
  const chosen = value ?? Deno.env.get(name);
  if (chosen === undefined) throw new SyntaxError(`the variable ${name} is not set here`);
  if (chosen.includes("\0")) throw new SyntaxError(`${name} has a NUL in its value`);
  return [name, chosen];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** Reads one tunnel of a file, whose keys are the long options and `command`. */
function tunnelOfFile(
  tunnel: unknown,
  path: string,
  number: number,
  options: ParseArgsOptionsConfig,
): TunnelRequest {
  const where = `Tunnel ${number} of ${path}`;
  if (!isRecord(tunnel)) throw new UsageError(`${where} is not an object`);
  const { command = [], ...values } = tunnel;
  if (!isStrings(command)) throw new UsageError(`${where}: command is not an array of strings`);
  const checked: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(values)) {
    const known = Object.hasOwn(options, name) ? options[name] : undefined;
    if (known === undefined) {
      const all = [...Object.keys(options), "command"].join(", ");
      throw new UsageError(`${where}: ${name} is not an option; there are ${all}`);
    }
    if (known.multiple ? !isStrings(value) : typeof value !== "string") {
      const type = known.multiple ? "an array of strings" : "a string";
      throw new UsageError(`${where}: ${name} is not ${type}`);
    }
    checked[name] = value as string | string[];
  }
  return new TunnelRequest(checked, command, where, number);
}

/** Checks that no two tunnels listen at one place: the second could not be started. */
function checkPlaces(requests: readonly TunnelRequest[]): void {
  const taken = new Map<string, number | undefined>();
  for (const request of requests) {
    const place = request.listenAnywhere();
    const text = formatPlace(place);
    const other = taken.get(text);
    if (other !== undefined) throw request.fault("listen", `is that of tunnel ${other}, too`);
    if ("path" in place || place[1] !== 0) taken.set(text, request.number);
  }
}

async function readConfig(
  path: string,
  options: ParseArgsOptionsConfig,
): Promise<TunnelRequest[]> {
  let text: string;
  let config: unknown;
  try {
    text = await Deno.readTextFile(path);
    config = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    if (!(cause instanceof SyntaxError)) {
      throw new UsageError(`--config cannot be read: ${cause.message}`, { cause });
    }
    throw new UsageError(`${path} is not JSON: ${cause.message}`, { cause });
  }
  const repeated = repeatedKey(text);
  if (repeated !== null) {
    throw new UsageError(`${path} has ${repeated} twice in one object; the first would be lost`);
  }
  const { tunnels, ...others } = isRecord(config) ? config : {};
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new UsageError(`${path} has ${other} beside "tunnels", where nothing else is known`);
  }
  if (!Array.isArray(tunnels) || tunnels.length === 0) {
    throw new UsageError(`${path} has no array "tunnels" with something in it`);
  }
  const requests = tunnels.map((tunnel, index) => tunnelOfFile(tunnel, path, index + 1, options));
  checkPlaces(requests);
  return requests;
}

/** Options of a command that are not one tunnel's. */
const COMMAND_OPTIONS = {
  config: { type: "string" },
  restart: { type: "boolean" },
  verbose: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** What `--help` says of them. */
export const COMMAND_HELP =
  `  --restart          start a program again that dies, after 1 s, then 2 s and so
                     on, a minute at most; the other tunnels stay. Without it,
                     ptlib ends with status 1
  --verbose          tell the time, and what the program logs as info and debug
  --json             tell it for machines: an object a line, on stdout

It runs until Ctrl-C or SIGTERM (status 0).`;

/** What a command was asked for. */
export interface CommandRequest {
  tunnels: TunnelRequest[];
  /** Whether a program that dies is started again. */
  restart: boolean;
  /** Whether everything that a program says is told, with the time. */
  verbose: boolean;
  /** Whether it is told in JSON. */
  json: boolean;
}

/**
 * Reads which tunnels to open, and how.
 *
 * @param args The arguments of the command.
 * @param options The options of one tunnel; those of the command are added.
 * @returns The tunnels: those of the file that `--config` names, or the one of the arguments.
 * @throws {UsageError} When the arguments or the file are wrong.
 */
export async function readTunnels(
  args: readonly string[],
  options: ParseArgsOptionsConfig,
): Promise<CommandRequest> {
  const { values, program } = splitArguments(args, { ...options, ...COMMAND_OPTIONS });
  const { config, restart, verbose, json, ...own } = values;
  const manner = { restart: restart === true, verbose: verbose === true, json: json === true };
  if (typeof config !== "string") {
    return { ...manner, tunnels: [new TunnelRequest(own, program, "")] };
  }
  if (Object.keys(own).length > 0 || program.length > 0) {
    throw new UsageError("--config stands alone: the file says everything about the tunnels");
  }
  return { ...manner, tunnels: await readConfig(config, options) };
}

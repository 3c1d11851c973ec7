/**
 * The options that `ptlib client` and `ptlib server` share, from the command line or from a file.
 *
 * @module
 */

import type { ParseArgsOptionsConfig } from "node:util";
import { type Address, parseAddress } from "../address.ts";
import { parseDestination } from "./destination.ts";
import { type OptionValues, parseTransportName, splitArguments, UsageError } from "./command.ts";

/** What one tunnel was asked for. */
export class TunnelRequest {
  /** The program and its arguments. */
  readonly program: readonly string[];
  readonly #values: OptionValues;
  readonly #where: string;

  /**
   * Checks that there is a program.
   *
   * @param values The options by their long names.
   * @param program The program and its arguments.
   * @param where What stands before the name of an option in an error.
   */
  constructor(values: OptionValues, program: readonly string[], where: string) {
    this.#values = values;
    this.#where = where;
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
    return this.parse("listen", this.required("listen"), parseAddress);
  }

  /** An address to connect to; the host may be a name. */
  destination(name: string): Address {
    return this.parse(name, this.required(name), parseDestination);
  }
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
  where: string,
  options: ParseArgsOptionsConfig,
): TunnelRequest {
  if (!isRecord(tunnel)) throw new UsageError(`${where} is no object`);
  const { command = [], ...values } = tunnel;
  if (!isStrings(command)) throw new UsageError(`${where}: command is no array of strings`);
  const checked: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(values)) {
    const known = name === "config" ? undefined : options[name];
    if (known === undefined) throw new UsageError(`${where}: ${name} is no option`);
    if (known.multiple ? !isStrings(value) : typeof value !== "string") {
      const type = known.multiple ? "array of strings" : "string";
      throw new UsageError(`${where}: ${name} is no ${type}`);
    }
    checked[name] = value as string | string[];
  }
  return new TunnelRequest(checked, command, where);
}

async function readConfig(
  path: string,
  options: ParseArgsOptionsConfig,
): Promise<TunnelRequest[]> {
  let config: unknown;
  try {
    config = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    if (!(cause instanceof SyntaxError)) {
      throw new UsageError(`--config cannot be read: ${cause.message}`, { cause });
    }
    throw new UsageError(`${path} is no JSON: ${cause.message}`, { cause });
  }
  const tunnels = isRecord(config) ? config["tunnels"] : undefined;
  if (!Array.isArray(tunnels) || tunnels.length === 0) {
    throw new UsageError(`${path} has no array "tunnels" with something in it`);
  }
  return tunnels.map((tunnel, index) =>
    tunnelOfFile(tunnel, `Tunnel ${index + 1} of ${path}`, options)
  );
}

/**
 * Reads which tunnels to open.
 *
 * @param args The arguments of the command.
 * @param options The options of one tunnel; `config` is added.
 * @returns The tunnels: those of the file that `--config` names, or the one of the arguments.
 * @throws {UsageError} When the arguments or the file are wrong.
 */
export async function readTunnels(
  args: readonly string[],
  options: ParseArgsOptionsConfig,
): Promise<TunnelRequest[]> {
  const { values, program } = splitArguments(args, { ...options, config: { type: "string" } });
  const path = values["config"];
  if (typeof path !== "string") return [new TunnelRequest(values, program, "")];
  if (Object.keys(values).length > 1 || program.length > 0) {
    throw new UsageError("--config stands alone: the file says everything");
  }
  return await readConfig(path, options);
}

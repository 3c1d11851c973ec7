/**
 * What a command of `ptlib` is, and how its arguments are read.
 *
 * @module
 */

import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { isTransportName } from "../grammar.ts";

/** One command of `ptlib`. */
export interface Command {
  /** What it does, in a few words, for the list of commands. */
  readonly summary: string;
  /** What `ptlib NAME --help` prints. */
  readonly help: string;
  /**
   * Runs it.
   *
   * @param args The arguments after its name.
   * @returns The exit status: 0 for success.
   * @throws {UsageError} When the arguments are wrong.
   */
  run(args: readonly string[]): Promise<number>;
}

/** The command line is wrong; the message says how, and names the option. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name: string = "UsageError";
}

/** Options by their long names; one that may come several times is an array. */
export type OptionValues = Readonly<
  Record<string, string | boolean | (string | boolean)[] | undefined>
>;

/** An option that came a second time, although it has one value; null without one. */
function repeated(
  tokens: readonly { kind: string; name?: string }[],
  options: ParseArgsOptionsConfig,
): string | null {
  const seen = new Set<string>();
  for (const { kind, name } of tokens) {
    if (kind !== "option" || name === undefined || options[name]?.multiple === true) continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return null;
}

/** The words of a command that is one text. */
export function splitWords(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

/** The program: what stands after `--`, or the words of `--program`. */
function programOf(after: readonly string[] | null, values: OptionValues): string[] {
  const { program } = values;
  if (typeof program !== "string") return [...after ?? []];
  if (after === null) return splitWords(program);
  throw new UsageError("--program and a program after -- exclude each other");
}

/**
 * Splits arguments into options and the program.
 *
 * @param args The arguments of a command.
 * @param options What options there are.
 * @returns The options, and the program with its arguments: what stands after `--`, or the words of
 * `--program` where there is such an option. Empty where there is neither.
 * @throws {UsageError} When an option is unknown, lacks its value or comes once too often, or a word
 * stands alone.
 */
export function splitArguments(
  args: readonly string[],
  options: ParseArgsOptionsConfig,
): { values: OptionValues; program: string[] } {
  const end = args.indexOf("--");
  const own = end === -1 ? [...args] : args.slice(0, end);
  try {
    const { values, tokens } = parseArgs({ args: own, options, strict: true, tokens: true });
    const name = repeated(tokens, options);
    if (name !== null) throw new UsageError(`--${name} is there twice; it may come once`);
    return { values, program: programOf(end === -1 ? null : args.slice(end + 1), values) };
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    // What node says of a stray word does not help, and it is nearly always this.
    const stray = /^Unexpected argument '(.*)'\. /.exec(cause.message)?.[1];
    const remedy =
      `nothing is expected at ${stray}: the program goes after --, as in -- obfs4proxy`;
    throw new UsageError(stray === undefined ? cause.message : remedy, { cause });
  }
}

/** Reads the name of a transport. */
export function parseTransportName(text: string): string {
  if (isTransportName(text)) return text;
  throw new SyntaxError("a transport's name has only letters, digits and _, and no digit first");
}

/** Splits `K=V`, an option of a transport. */
export function parseOption(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new SyntaxError("it is not K=V");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

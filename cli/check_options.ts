/**
 * The command line of `ptlib check`.
 *
 * @module
 */

import { type CheckInfo, type CheckOptions, checks } from "../check/check.ts";
import { quoteForShell } from "../parent/shell.ts";
import { parseArguments } from "./bridge_options.ts";
import { type OptionValues, splitWords, UsageError } from "./command.ts";
import { chooseTransport, readTransportName } from "./program_transports.ts";

/** The options, as `splitArguments` takes them. */
export const OPTIONS = {
  client: { type: "boolean" },
  server: { type: "boolean" },
  transport: { type: "string" },
  program: { type: "string" },
  beside: { type: "string" },
  peer: { type: "string" },
  option: { type: "string", multiple: true },
  args: { type: "string" },
  env: { type: "string", multiple: true },
  patience: { type: "string" },
  only: { type: "string" },
  "by-hand": { type: "string" },
  list: { type: "boolean" },
  failures: { type: "boolean" },
  json: { type: "boolean" },
  junit: { type: "string" },
} as const;

/** The longest patience, in seconds. */
const LONGEST_PATIENCE = 600;

function readPattern(text: string | undefined): RegExp | undefined {
  if (text === undefined) return undefined;
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new UsageError(`--only is not a regular expression: ${text}`, { cause });
  }
}

/** The value of an option that is a text. */
export function text(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

function texts(values: OptionValues, name: string): string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((text) => typeof text === "string") : [];
}

function readOption(text: string): [string, string] {
  const end = text.indexOf("=");
  if (end < 1) throw new UsageError(`--option is not K=V: ${text}`);
  return [text.slice(0, end), text.slice(end + 1)];
}

function readArguments(text: string): Iterable<[string, string]> {
  if (text === "") return [];
  try {
    return parseArguments(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UsageError(`--args is malformed: ${cause.message}`, { cause });
  }
}

function readVariable(name: string): string {
  const value = Deno.env.get(name);
  if (value === undefined) throw new UsageError(`--env names a variable that is not set: ${name}`);
  return value;
}

/** Seconds, as milliseconds. */
function readPatience(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (seconds > 0 && seconds <= LONGEST_PATIENCE) return seconds * 1000;
  throw new UsageError(`--patience is not a number of seconds up to ${LONGEST_PATIENCE}: ${text}`);
}

function readBeside(name: string | undefined): string | undefined {
  return name === undefined ? undefined : readTransportName(name, "--beside");
}

/** Which checks are wanted. */
export interface Choice {
  role: "client" | "server" | undefined;
  only: RegExp | undefined;
  chosen: CheckInfo[];
}

/** Reads which checks are wanted. */
export function readChoice(values: OptionValues): Choice {
  const [client, server] = [values["client"] === true, values["server"] === true];
  if (client && server) {
    throw new UsageError("--client and --server exclude each other; without either, both count");
  }
  const role = client ? "client" : server ? "server" : undefined;
  const only = readPattern(text(values, "only"));
  const chosen = checks.filter((check) =>
    (role ?? check.role) === check.role && only?.test(`${check.role}/${check.id}`) !== false
  );
  if (chosen.length === 0) throw new UsageError("no check matches --only");
  return { role, only, chosen };
}

/** Reads what is checked, and how. */
export async function readOptions(
  values: OptionValues,
  program: readonly string[],
): Promise<CheckOptions> {
  if (program.length === 0) throw new UsageError("there is no program after --");
  const { role, only } = readChoice(values);
  const peer = text(values, "peer");
  return {
    transport: await chooseTransport(text(values, "transport"), program, "to check"),
    beside: readBeside(text(values, "beside")),
    role,
    peer: peer === undefined ? undefined : splitWords(peer),
    serverOptions: texts(values, "option").map(readOption),
    args: readArguments(text(values, "args") ?? ""),
    env: Object.fromEntries(texts(values, "env").map((name) => [name, readVariable(name)])),
    timeout: readPatience(text(values, "patience")),
    only,
  };
}

/** Reads which check somebody wants to see; null without `--by-hand`. */
export function readByHand(values: OptionValues): CheckInfo | null {
  const name = text(values, "by-hand");
  if (name === undefined) return null;
  const found = readChoice(values).chosen.filter(({ role, id }) =>
    id === name || `${role}/${id}` === name
  );
  const [one, other] = found;
  if (one !== undefined && other === undefined) return one;
  const why = one === undefined
    ? `is not a check: ${name}; --list tells what there is`
    : `fits two checks: ${found.map(({ role, id }) => `${role}/${id}`).join(" and ")}`;
  throw new UsageError(`--by-hand ${why}`);
}

/** The command that shows a check again, with its other side. */
export function byHandCommand(
  { role, id }: CheckInfo,
  values: OptionValues,
  transport: string,
  program: readonly string[],
): string {
  const single = ["beside", "peer", "args", "patience"].flatMap((name) => {
    const value = text(values, name);
    return value === undefined ? [] : [`--${name}`, value];
  });
  const several = ["option", "env"].flatMap((name) =>
    texts(values, name).flatMap((value) => [`--${name}`, value])
  );
  const words = ["--by-hand", `${role}/${id}`, "--transport", transport, ...single, ...several];
  return ["ptlib", "check", ...words, "--", ...program].map(quoteForShell).join(" ");
}

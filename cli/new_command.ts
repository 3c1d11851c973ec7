/**
 * `ptlib new`: a project with a transport that works, to begin with.
 *
 * @module
 */

import { isTransportName } from "../grammar.ts";
import { type Command, splitArguments, UsageError } from "./command.ts";
import { KINDS, projectFiles, type ProjectKind } from "./project_files.ts";
import { print } from "./terminal.ts";

const OPTIONS = { kind: { type: "string" } } as const;

const HELP = `Usage: ptlib new [--kind bytes|frames|tls] NAME

Writes a small project that works at once into the new directory NAME: a
transport of that name, its tests, a torrc, and a deno.json with the tasks test,
check, tor, censor and bundle. What the transport does is yours to change.

  --kind bytes      changes each byte by itself (default)
  --kind frames     sends messages with padding
  --kind tls        TLS with a certificate of its own, whose pin is published

NAME has only letters, digits and _, and no digit first.

Example: ptlib new --kind frames mumble && cd mumble && deno task test`;

function isKind(text: string): text is ProjectKind {
  return KINDS.some((kind) => kind === text);
}

function readKind(text: string): ProjectKind {
  if (isKind(text)) return text;
  throw new UsageError(`--kind is one of ${KINDS.join(", ")}, and not ${text}`);
}

function readName(words: readonly string[]): string {
  const [name, ...more] = words;
  if (!name) throw new UsageError("there is no NAME, as in ptlib new mumble");
  if (more.length > 0) {
    throw new UsageError(`nothing is expected behind ${name}: ${more.join(" ")}`);
  }
  // An object's literal takes __proto__ for something else.
  if (isTransportName(name) && name !== "__proto__") return name;
  throw new UsageError(`NAME has only letters, digits and _, and no digit first, unlike ${name}`);
}

/** Where this package is, if it did not come from a registry. */
function ownDirectory(): string | null {
  const root = new URL("../", import.meta.url);
  return root.protocol === "file:" ? decodeURIComponent(root.pathname).replace(/\/$/, "") : null;
}

/** Makes the directory, which must be new: nothing is overwritten. */
async function makeDirectory(name: string): Promise<void> {
  try {
    await Deno.mkdir(name);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    throw new UsageError(`there is something named ${name} here already`, { cause });
  }
}

async function run(args: readonly string[]): Promise<number> {
  // The name stands alone, where no other command has a word.
  const standsAlone = (word: string, index: number) =>
    !word.startsWith("-") && args[index - 1] !== "--kind";
  const words = args.filter(standsAlone);
  const { values } = splitArguments(args.filter((word, i) => !standsAlone(word, i)), OPTIONS);
  const kind = readKind(String(values["kind"] ?? "bytes"));
  const name = readName(words);
  const files = await projectFiles(name, kind, ownDirectory());
  await makeDirectory(name);
  for (const [path, { text, mode }] of files) {
    await Deno.writeTextFile(`${name}/${path}`, text, { mode });
    print(`${name}/${path}`);
  }
  print(`
Now:
  cd ${name}
  deno task test     # the contract of connections, and both halves as processes
  deno task check    # what the specifications say, and what it does
  deno task tor      # between a Tor client and a Tor bridge; needs tor
  deno task censor   # what published rules of censors see of it
  deno task bundle   # one file, to be installed`);
  return 0;
}

/** The command `ptlib new`. */
export const newCommand: Command = {
  summary: "writes a project with a transport that works, to begin with",
  help: HELP,
  run,
};

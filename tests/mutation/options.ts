/** The command line of the mutation run. */

/** What is asked for on the command line of `deno task mutation`. */
export const HELP =
  `Puts one small fault after another into the library, and counts those that the tests find.

deno task mutation [FILES...] [--minutes N] [--every K] [--only IDS] [--tests FILES]
                   [--jobs N] [--json FILE]

  FILES        published files, or the beginnings of their paths, such as net/; default: all of the
               bottom rooms, net/ and run/
  --minutes N  stops after so long, with what it has
  --every K    only every K-th mutant
  --only IDS   only these mutants, by the numbers that a report names, with commas between
  --tests T    only these files of tests, or beginnings of their paths, with commas between
  --jobs N     how many are tried at a time; default: 1
  --json FILE  writes what became of each mutant there, too
  --help       this text

It prints how far it is on stderr and a report in Markdown on stdout. It ends with status 1 when
fewer than 90 % are found, or when one is missed that tests/mutation/survivors.json gives no reason
for.`;

/** Something on the command line is wrong. */
export class UsageError extends Error {}

/** What to do. */
export interface Options {
  /** The beginnings of the paths of the files that get faults. */
  files: readonly string[];
  minutes: number;
  every: number;
  /** The mutants to try, by number; all where there are none. */
  only: readonly string[];
  /** The beginnings of the paths of the files of tests to use; all where there are none. */
  tests: readonly string[];
  jobs: number;
  json: string | null;
}

function positive(text: string, option: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new UsageError(`${option} wants a positive number`);
  return value;
}

function count(text: string, option: string): number {
  const value = positive(text, option);
  if (!Number.isInteger(value)) throw new UsageError(`${option} wants a whole number`);
  return value;
}

/** Reads the command line; null where it asks for help. */
export function parseOptions(args: readonly string[]): Options | null {
  const files: string[] = [];
  const parsed: Options = {
    files,
    minutes: Infinity,
    every: 1,
    only: [],
    tests: [],
    jobs: 1,
    json: null,
  };
  const words = args.flatMap((arg) => /^--[a-z]+=/.test(arg) ? arg.split(/=(.*)/s, 2) : [arg]);
  while (words.length > 0) {
    const word = words.shift() ?? "";
    if (word === "--help") return null;
    if (!word.startsWith("-")) {
      files.push(word);
      continue;
    }
    const value = words.shift();
    if (value === undefined) throw new UsageError(`${word} wants a value`);
    if (word === "--minutes") parsed.minutes = positive(value, word);
    else if (word === "--every") parsed.every = count(value, word);
    else if (word === "--only") parsed.only = value.split(",");
    else if (word === "--tests") parsed.tests = value.split(",");
    else if (word === "--jobs") parsed.jobs = count(value, word);
    else if (word === "--json") parsed.json = value;
    else throw new UsageError(`there is no ${word}`);
  }
  return parsed;
}

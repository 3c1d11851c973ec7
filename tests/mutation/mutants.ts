/**
 * Makes the mutants: Stryker's instrumenter writes all of a file's into one text, each behind a
 * switch.
 */

import { createInstrumenter } from "npm:@stryker-mutator/instrumenter@10.1.1";
import { createInjector } from "npm:typed-inject@5.0.0";

/** One small fault. */
export interface Mutant {
  /** Its number. */
  id: string;
  file: string;
  /** The first line of what it changes, from 1. */
  line: number;
  /** The kind of the change, by Stryker's name. */
  kind: string;
  /** The text that is changed, on one line. */
  from: string;
  /** What it becomes, on one line. */
  to: string;
  /** The line that it starts on, without what is around it. */
  text: string;
}

/** A file as the instrumenter takes and returns it. */
interface SourceFile {
  name: string;
  content: string;
  mutate: boolean;
}

/** Places count from 0. */
interface Place {
  line: number;
  column: number;
}

interface StrykerMutant {
  id: string;
  fileName: string;
  mutatorName: string;
  replacement: string;
  location: { start: Place; end: Place };
}

interface Instrumenter {
  instrument(files: readonly SourceFile[], options: unknown): Promise<
    { files: SourceFile[]; mutants: StrykerMutant[] }
  >;
}

const SILENT = {
  isDebugEnabled: () => false,
  isTraceEnabled: () => false,
  trace: () => {},
  debug: () => {},
  info: () => {},
  warn: console.warn,
  error: console.error,
};

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function slice(content: string, { start, end }: StrykerMutant["location"]): string {
  const lines = content.split("\n").slice(start.line, end.line + 1);
  lines[lines.length - 1] = lines.at(-1)?.slice(0, end.column) ?? "";
  lines[0] = lines[0]?.slice(start.column) ?? "";
  return lines.join("\n");
}

function describe(mutant: StrykerMutant, content: string): Mutant {
  const { id, fileName, mutatorName, replacement, location } = mutant;
  return {
    id,
    file: fileName,
    line: location.start.line + 1,
    kind: mutatorName,
    from: oneLine(slice(content, location)),
    to: oneLine(replacement),
    text: oneLine(content.split("\n")[location.start.line] ?? ""),
  };
}

/** The mutants of these files of `root`, and the files with the mutants in them. */
export async function makeMutants(root: URL, names: readonly string[]): Promise<
  { mutants: Mutant[]; files: Map<string, string> }
> {
  const sources = await Promise.all(names.map(async (name) => ({
    name,
    content: await Deno.readTextFile(new URL(name, root)),
    mutate: true,
  })));
  const injector = createInjector().provideValue("logger", SILENT);
  // Its types want Stryker's core, which is not needed here.
  const instrumenter = injector.injectFunction(createInstrumenter as never) as Instrumenter;
  const options = { plugins: null, noHeader: false, excludedMutations: [], ignorers: [] };
  const made = await instrumenter.instrument(sources, options);
  const contents = new Map(sources.map(({ name, content }) => [name, content]));
  return {
    mutants: made.mutants.map((mutant) => describe(mutant, contents.get(mutant.fileName) ?? "")),
    files: new Map(made.files.map(({ name, content }) => [name, content])),
  };
}

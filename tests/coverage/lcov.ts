/** Reads coverage as `deno coverage --lcov` writes it. */

/** What the tests have run of a file. */
export interface FileCoverage {
  /** Its path from the root. */
  file: string;
  /** How many lines and branches there are, and how many were run. */
  lines: Share;
  branches: Share;
  /** The lines that were not run, and those of which a branch was not taken. */
  missingLines: number[];
  missingBranches: number[];
}

/** A part of a whole. */
export interface Share {
  of: number;
  covered: number;
}

/** The parts together. */
export function sum(shares: readonly Share[]): Share {
  const total: Share = { of: 0, covered: 0 };
  for (const { of, covered } of shares) {
    total.of += of;
    total.covered += covered;
  }
  return total;
}

/** How many of a hundred; all of nothing. */
export function percentage({ of, covered }: Share): number {
  return of === 0 ? 100 : 100 * covered / of;
}

/** A line, or a branch of it, and whether it was run. */
interface Place {
  line: number;
  covered: boolean;
}

/** What is said of a file. */
interface Section {
  path: string;
  lines: Place[];
  branches: Place[];
}

/** All that is said, file by file. */
export function readSections(text: string): Section[] {
  return text.split("end_of_record").flatMap((section) => {
    const [, path] = /^SF:(.*)$/m.exec(section) ?? [];
    if (path === undefined) return [];
    const lines = [...section.matchAll(/^DA:(\d+),(\d+)/gm)]
      .map(([, line, hits]) => ({ line: Number(line), covered: hits !== "0" }));
    const branches = [...section.matchAll(/^BRDA:(\d+),\d+,\d+,(\d+|-)$/gm)]
      .map(([, line, hits]) => ({ line: Number(line), covered: hits !== "0" && hits !== "-" }));
    return [{ path, lines, branches }];
  });
}

function summary({ path, lines, branches }: Section, root: string): FileCoverage {
  const share = (of: Place[]): Share => ({
    of: of.length,
    covered: of.filter(({ covered }) => covered).length,
  });
  const missing = (of: Place[]): number[] => [
    ...new Set(of.filter(({ covered }) => !covered).map(({ line }) => line)),
  ];
  return {
    file: path.slice(root.length),
    lines: share(lines),
    branches: share(branches),
    missingLines: missing(lines),
    missingBranches: missing(branches),
  };
}

/** The files below a directory whose path ends with a slash. */
export function readLcov(text: string, root: string): FileCoverage[] {
  return readSections(text)
    .filter(({ path }) => path.startsWith(root))
    .map((section) => summary(section, root));
}

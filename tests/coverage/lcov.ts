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

function readSection(section: string, root: string): FileCoverage | null {
  const [, path] = /^SF:(.*)$/m.exec(section) ?? [];
  if (path === undefined || !path.startsWith(root)) return null;
  const lines = [...section.matchAll(/^DA:(\d+),(\d+)/gm)]
    .map(([, line, hits]) => ({ line: Number(line), covered: hits !== "0" }));
  const branches = [...section.matchAll(/^BRDA:(\d+),\d+,\d+,(\d+|-)$/gm)]
    .map(([, line, hits]) => ({ line: Number(line), covered: hits !== "0" && hits !== "-" }));
  const share = (of: { covered: boolean }[]): Share => ({
    of: of.length,
    covered: of.filter(({ covered }) => covered).length,
  });
  const missing = (of: { line: number; covered: boolean }[]): number[] => [
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
  return text.split("end_of_record").flatMap((section) => readSection(section, root) ?? []);
}

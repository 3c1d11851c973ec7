/** What was measured: kept as figures in `results.json`, and how they are written in Markdown. */

import { format } from "./format.ts";
import { median, medianRatio, table } from "./statistics.ts";

/** All values of each figure, by its title. */
export type Values = Record<string, number[]>;

/** What came of contestants that took turns; the first is compared with each of the others. */
export interface Measured {
  contestants: string[];
  /** Those of each contestant. */
  values: Values[];
}

/** A table that compares nothing. */
export interface Listed {
  head: string[];
  rows: string[][];
}

/** One part of the report. */
export interface Part {
  title: string;
  /** The day, the machine, the versions. */
  ground: string;
  tables: (Measured | Listed)[];
}

/** The parts by their names. */
export type Results = Record<string, Part>;

const JSON_FILE = new URL("results.json", import.meta.url);

function digitsOf(values: readonly number[]): number {
  const middle = median(values);
  return middle < 10 ? 2 : middle < 100 ? 1 : 0;
}

/** A median, with as many digits as mean something. */
export function writtenMedian(values: readonly number[]): string {
  return median(values).toFixed(digitsOf(values));
}

/** A median with minimum and maximum. */
export function written(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
    .map((value) => value.toFixed(digitsOf(values)));
  return `${writtenMedian(values)} (${least}–${most})`;
}

function compare({ contestants, values: [first, ...others] }: Measured): string {
  const head = ["", ...contestants, ...contestants.slice(1).map((name) => `/ ${name}`)];
  // A direct connection has no programs that could take processor time.
  const rows = Object.entries(first!).map(([title, ours]) => [
    title,
    ...[first!, ...others].map(({ [title]: values }) => values ? written(values) : ""),
    ...others.map(({ [title]: values }) => values ? medianRatio(ours, values).toFixed(2) : ""),
  ]);
  return table(head, rows);
}

/** A part in Markdown. */
export function writePart({ title, ground, tables }: Part): string {
  const texts = tables.map((one) => "head" in one ? table(one.head, one.rows) : compare(one));
  return [`## ${title}`, ground, ...texts].join("\n\n");
}

/** All parts in Markdown. */
export function writePage(results: Results): string {
  const text = [
    "# What it costs",
    "Written by `deno task bench --write`. Each cell is a median with minimum and maximum; the ratios " +
    "are medians of those in turns that followed one another.",
    ...Object.values(results).map(writePart),
  ].join("\n\n");
  return `${text}\n`;
}

/** What was measured before; nothing where nothing was kept. */
export async function readResults(): Promise<Results> {
  try {
    return JSON.parse(await Deno.readTextFile(JSON_FILE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Old results with new ones in place of those of the same names, in the order of `names`. */
export function merge(old: Results, parts: Results, names: readonly string[]): Results {
  const all = { ...old, ...parts };
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(all, name)).map((name) => [name, all[name]!]),
  );
}

/** More digits than these are noise. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}

/** Keeps results in place of all that was kept. */
export async function keepResults(results: Results): Promise<void> {
  await Deno.writeTextFile(JSON_FILE, `${JSON.stringify(results, rounded)}\n`);
  await format(JSON_FILE);
}

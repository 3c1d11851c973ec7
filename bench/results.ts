/** What was measured: kept as figures in `results.json`, and written from there into `RESULTS.md`. */

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
const MARKDOWN_FILE = new URL("RESULTS.md", import.meta.url);

/** A median with minimum and maximum. */
export function written(values: readonly number[]): string {
  const middle = median(values);
  const digits = middle < 10 ? 2 : middle < 100 ? 1 : 0;
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

function writtenRatio(a: readonly number[], b: readonly number[]): string {
  const ratio = medianRatio(a, b);
  return Number.isFinite(ratio) ? ratio.toFixed(2) : ""; // No program takes no processor time.
}

function compare({ contestants, values: [first, ...others] }: Measured): string {
  const head = ["", ...contestants, ...contestants.slice(1).map((name) => `/ ${name}`)];
  const rows = Object.entries(first!).map(([title, ours]) => [
    title,
    ...[first!, ...others].map((values) => written(values[title]!)),
    ...others.map((values) => writtenRatio(ours, values[title]!)),
  ]);
  return table(head, rows);
}

/** A part in Markdown. */
export function writePart({ title, ground, tables }: Part): string {
  const texts = tables.map((one) => "head" in one ? table(one.head, one.rows) : compare(one));
  return [`## ${title}`, ground, ...texts].join("\n\n");
}

/** What was measured before. */
export async function readResults(): Promise<Results> {
  return JSON.parse(await Deno.readTextFile(JSON_FILE));
}

/** Keeps parts in place of those of the same names; the order is that of `names`. */
export async function keep(parts: Results, names: readonly string[]): Promise<Results> {
  const all = { ...await readResults(), ...parts };
  const results = Object.fromEntries(
    names.filter((name) => name in all).map((name) => [name, all[name]!]),
  );
  await Deno.writeTextFile(JSON_FILE, `${JSON.stringify(results)}\n`);
  const text = [
    "# What it costs",
    "Written by `deno task bench --write`. Each cell is a median with minimum and maximum; the ratios " +
    "are medians of those in turns that followed one another.",
    ...Object.values(results).map(writePart),
  ].join("\n\n");
  await Deno.writeTextFile(MARKDOWN_FILE, `${text}\n`);
  const { pathname } = MARKDOWN_FILE;
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", pathname] }).output();
  return results;
}

/** What the command line asks for, and what this machine allows. */

/** What is to be done. */
export interface Options {
  minutes: number;
  held: number;
  churning: number;
  seed: number;
  /** Files to write: pages by `.html`, small plots by `.svg`. */
  reports: readonly string[];
  /** Why fewer connections are held than by default; null where they are not. */
  fewer: string | null;
}

/** Something on the command line is wrong, or this machine cannot do it. */
export class UsageError extends Error {}

const HELD = 9_000;
const CHURNING = 1_000;

/** Descriptors that a program has beside its connections, and room for those that are just ending. */
const BASE = 120;

/** Of those that churn, so many never get through the handshake: one descriptor in the client. */
export function strangersOf(churning: number): number {
  return Math.floor(churning / 5);
}

/** Of those that churn, so many belong to a process that is stopped and killed over and over. */
export function doomedOf(churning: number): number {
  return Math.min(20, Math.floor(churning / 10));
}

/** How many descriptors the client needs; the other programs need fewer. */
export function descriptorsFor(held: number, churning: number): number {
  const strangers = strangersOf(churning);
  return 2 * (held + churning - strangers) + strangers + BASE;
}

/** How many descriptors a child of this process may have. Deno itself raises the soft limit. */
export function hardLimit(): number {
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const [, limit] = /^Max open files +\S+ +(\S+)/m.exec(limits) ?? [];
  return limit === "unlimited" ? Infinity : Number(limit);
}

function number(text: string, option: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= least && Number.isFinite(value)) return value;
  throw new UsageError(`${option} takes a number from ${least} on, but got ${text}`);
}

function wholeNumber(text: string, option: string): number {
  const value = number(text, option, 0);
  if (Number.isInteger(value)) return value;
  throw new UsageError(`${option} takes a whole number, but got ${text}`);
}

/** Fits what was asked for into a limit of descriptors. */
export function fit(
  asked: { held: number | null; churning: number | null },
  limit: number,
): Pick<Options, "held" | "churning" | "fewer"> {
  const most = (churning: number) => Math.floor((limit - descriptorsFor(0, churning)) / 2);
  const churning = asked.churning ?? Math.min(CHURNING, Math.max(0, Math.floor(limit / 20)));
  const held = asked.held ?? Math.max(0, Math.min(HELD, most(churning)));
  const needed = descriptorsFor(held, churning);
  if (needed > limit) {
    throw new UsageError(
      `${held} + ${churning} connections need ${needed} descriptors a process, and ${limit} are ` +
        `allowed: raise the hard limit (ulimit -Hn ${needed}, as root), or hold fewer with --held`,
    );
  }
  const isDefault = held === (asked.held ?? HELD) && churning === (asked.churning ?? CHURNING);
  const fewer = isDefault
    ? null
    : `${held} + ${churning} connections instead of ${HELD} + ${CHURNING}: ulimit -Hn is ${limit}`;
  return { held, churning, fewer };
}

/** Reads the command line; null where it asks for help. */
export function parseOptions(args: readonly string[], limit: number): Options | null {
  const asked: { held: number | null; churning: number | null } = { held: null, churning: null };
  const rest = { minutes: 2, seed: Math.floor(Math.random() * 2 ** 31), reports: [] as string[] };
  const words = args.flatMap((arg) => {
    const [, option, value] = /^(--[a-z]+)=(.*)$/s.exec(arg) ?? [];
    return option === undefined || value === undefined ? [arg] : [option, value];
  });
  while (words.length > 0) {
    const option = words.shift() ?? "";
    if (option === "--help" || option === "-h") return null;
    if (!["--minutes", "--held", "--churning", "--seed", "--report"].includes(option)) {
      throw new UsageError(`there is no ${option}`);
    }
    const value = words.shift();
    if (value === undefined) throw new UsageError(`${option} wants a value`);
    if (option === "--minutes") rest.minutes = number(value, option, 0.1);
    else if (option === "--held") asked.held = wholeNumber(value, option);
    else if (option === "--churning") asked.churning = wholeNumber(value, option);
    else if (option === "--seed") rest.seed = wholeNumber(value, option);
    else if (/\.(html|svg)$/.test(value)) rest.reports.push(value);
    else throw new UsageError(`--report takes a file that ends with .html or .svg, not ${value}`);
  }
  return { ...rest, ...fit(asked, limit) };
}

/**
 * What a rule says of a transport.
 *
 * @module
 */

/**
 * Whether a rule sees a transport: `seen`, `clear`, or `unclear` where the figure is between, or
 * there is too little to judge by.
 *
 * @example
 * ```ts
 * import type { Sight } from "@ptlib/ptlib/censor";
 *
 * const worst: Sight = "seen";
 * ```
 */
export type Sight = "seen" | "clear" | "unclear";

/**
 * A published rule, and what must be said beside it.
 *
 * @example
 * ```ts
 * import { rules, type RuleInfo } from "@ptlib/ptlib/censor";
 *
 * const cite = ({ id, source }: RuleInfo) => `${id}: ${source}`;
 * if (!rules.map(cite).join().includes("USENIX")) throw new Error();
 * ```
 */
export interface RuleInfo {
  /** A short name; unique. */
  readonly id: string;
  /** What a censor looks for. */
  readonly title: string;
  /** From where on it is `seen`. */
  readonly threshold: string;
  /** Where it was published, with the year. */
  readonly source: string;
  /** What it does not prove, whichever way it comes out. */
  readonly limits: string;
  /** What an author can do where it is `seen`. */
  readonly remedy: string;
}

/**
 * What came of a rule.
 *
 * @example
 * ```ts
 * import type { Judgement } from "@ptlib/ptlib/censor";
 *
 * const all: Judgement = { sight: "seen", figure: "30 of 30 connections" };
 * ```
 */
export interface Judgement {
  /** Whether it sees the transport. */
  readonly sight: Sight;
  /** What was measured, in words. */
  readonly figure: string;
}

/**
 * A rule, and what came of it.
 *
 * @example
 * ```ts
 * import type { Finding } from "@ptlib/ptlib/censor";
 *
 * const isSeen = (findings: Finding[], id: string) =>
 *   findings.some((finding) => finding.id === id && finding.sight === "seen");
 * if (isSeen([], "fully-encrypted")) throw new Error();
 * ```
 */
export type Finding = RuleInfo & Judgement;

/** Joins figures of which each has a sight: the worst one counts. */
export function worst(judgements: readonly Judgement[]): Judgement {
  const order: readonly Sight[] = ["seen", "unclear", "clear"];
  const sight = order.find((sight) => judgements.some((one) => one.sight === sight)) ?? "unclear";
  const telling = judgements.filter((one) => one.sight === sight);
  return { sight, figure: telling.map(({ figure }) => figure).join("; ") };
}

/** How many findings there are of each kind. */
export function count(findings: readonly Finding[]): Record<Sight, number> {
  const of = (sight: Sight) => findings.filter((finding) => finding.sight === sight).length;
  return { seen: of("seen"), clear: of("clear"), unclear: of("unclear") };
}

/** The last line of a report. */
export function countText(findings: readonly Finding[]): string {
  const { seen, clear, unclear } = count(findings);
  return `${seen} seen, ${clear} clear, ${unclear} unclear`;
}

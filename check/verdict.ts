/**
 * What comes of a check, and how much it matters.
 *
 * @module
 */

/** The two halves of a transport. */
export type Role = "client" | "server";

/**
 * How strong a rule is: MUST, of the specification or because tor breaks; SHOULD, of the
 * specification; `robustness`, useful in practice; `extra`, for what tor never does.
 *
 * @example
 * ```ts
 * import type { Level } from "@ptlib/ptlib/check";
 *
 * const order: Level[] = ["MUST", "SHOULD", "robustness", "extra"];
 * if (order.length !== 4) throw new Error();
 * ```
 */
export type Level = "MUST" | "SHOULD" | "robustness" | "extra";

/**
 * What came of a check.
 *
 * @example
 * ```ts
 * import type { Verdict } from "@ptlib/ptlib/check";
 *
 * function inWords(verdict: Verdict): string {
 *   if (verdict.outcome === "ok") return "ok";
 *   if (verdict.outcome === "skipped") return `skipped: ${verdict.reason}`;
 *   if (verdict.outcome === "error") return `not known: ${verdict.problem}`;
 *   return `expected ${verdict.expected}, got ${verdict.got}`;
 * }
 * if (inWords({ outcome: "ok" }) !== "ok") throw new Error();
 * ```
 */
export type Verdict =
  | { readonly outcome: "ok" }
  | {
    readonly outcome: "failed";
    /** What a good program does. */
    readonly expected: string;
    /** What this one did. */
    readonly got: string;
    /** What the program said of it: its last LOG lines, and its last words on stderr. */
    readonly said: readonly string[];
    /** The same of the other half, where the check goes through that, too. */
    readonly otherSaid: readonly string[];
    /** How to see it by hand: a command for a shell, and what to do then. */
    readonly byHand: string;
    /**
     * Whether that shows only with the checker's other side: a proxy, an Extended ORPort, a target
     * or the other half. `ptlib check --by-hand` keeps it running.
     */
    readonly attended: boolean;
  }
  | {
    readonly outcome: "skipped";
    /** What the check needs and did not get. */
    readonly reason: string;
    /** What the program said meanwhile: its last LOG lines, and its last words on stderr. */
    readonly said: readonly string[];
    /** The same of the other half, where the check goes through that, too. */
    readonly otherSaid: readonly string[];
  }
  | {
    /** The checker itself failed; the program is neither good nor bad for it. */
    readonly outcome: "error";
    /** What went wrong in the checker. */
    readonly problem: string;
  };

/** One value for both halves, or one for each. */
export type ByRole<T> = T | Readonly<Record<Role, T>>;

/** The value for one half. */
export function ofRole<T extends string>(value: ByRole<T>, role: Role): T {
  return typeof value === "string" ? value : value[role];
}

/** The statement of a check does not hold. */
export class Failed extends Error {
  override readonly name = "Failed";
  readonly expected: string;
  readonly got: string;
  /** Whether it is known to be the checked half, also where the other one was there. */
  readonly certain: boolean;

  constructor(expected: string, got: string, certain = false) {
    super(`expected ${expected}; got ${got}`);
    this.expected = expected;
    this.got = got;
    this.certain = certain;
  }
}

/** What the programs of a check said. */
export interface Words {
  readonly said: readonly string[];
  readonly otherSaid: readonly string[];
}

/** A check cannot be made here. */
export class Skipped extends Error {
  override readonly name = "Skipped";
  readonly reason: string;
  /** What others than the programs of the check said of it, where it was found out with those. */
  readonly words: Words | null;

  constructor(reason: string, words: Words | null = null) {
    super(reason);
    this.reason = reason;
    this.words = words;
  }
}

/** What a check needs; when that fails, it is another check's business. */
export async function precondition<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    throw new Skipped(`needs ${error.expected}; got: ${error.got}`);
  }
}

/** Throws {@linkcode Failed} unless `holds`. */
export function expect(holds: boolean, expected: string, got: string): asserts holds {
  if (!holds) throw new Failed(expected, got);
}

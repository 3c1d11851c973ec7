/**
 * What a check is: a statement about a pluggable transport, where it is written, and how to find
 * out whether it holds.
 *
 * @module
 */

import type { Bench } from "./bench.ts";
import type { ByRole, Grade, Role } from "./verdict.ts";

/** A check, before it runs. */
export interface Check {
  readonly id: string;
  /** The halves it can be made on. */
  readonly roles: readonly Role[];
  /** The statement that holds for a good program. */
  readonly title: string;
  /** Where it is written. */
  readonly section: ByRole<string>;
  readonly grade: ByRole<Grade>;
  /** What to do by hand behind starting the program. */
  readonly hand?: string;
  /** Returns when the statement holds, throws {@linkcode Failed} or {@linkcode Skipped} else. */
  run(bench: Bench): Promise<void>;
}

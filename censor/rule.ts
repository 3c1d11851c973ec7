/**
 * A rule as the catalogue has it.
 *
 * @module
 */

import type { Judgement, RuleInfo } from "./finding.ts";
import type { Recording } from "./recording.ts";

/** A rule over what was recorded. */
export interface Rule extends RuleInfo {
  /** Judges a transport by its connections. */
  judge(recording: Recording): Judgement | Promise<Judgement>;
}

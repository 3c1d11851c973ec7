/**
 * The passive rules: what can be seen by looking alone.
 *
 * @module
 */

import { encryptionRules } from "./encryption_rules.ts";
import type { Finding, RuleInfo } from "./finding.ts";
import { protocolRules } from "./protocol_rules.ts";
import type { Recording } from "./recording.ts";
import { regularityRules } from "./regularity_rules.ts";
import type { Rule } from "./rule.ts";

const catalogue: readonly Rule[] = [...encryptionRules, ...regularityRules, ...protocolRules];

function infoOf({ judge: _, ...info }: Rule): RuleInfo {
  return info;
}

/**
 * Every passive rule.
 *
 * @example
 * ```ts
 * import { rules } from "@ptlib/ptlib/censor";
 *
 * if (!rules.some(({ id }) => id === "fully-encrypted")) throw new Error();
 * ```
 */
export const rules: readonly RuleInfo[] = catalogue.map(infoOf);

/**
 * Judges connections by every passive rule.
 *
 * @param recording The connections, by what went through them.
 * @returns A finding for each rule, in the order of {@linkcode rules}.
 *
 * @example
 * ```ts
 * import { judge } from "@ptlib/ptlib/censor";
 *
 * const flow = [{ fromClient: true, time: 0, bytes: crypto.getRandomValues(new Uint8Array(300)) }];
 * const findings = await judge({ text: Array.from({ length: 30 }, () => flow) });
 * if (findings.find(({ id }) => id === "fully-encrypted")?.sight !== "seen") throw new Error();
 * ```
 */
export async function judge(recording: Recording): Promise<Finding[]> {
  return await Promise.all(
    catalogue.map(async (rule) => ({ ...infoOf(rule), ...await rule.judge(recording) })),
  );
}

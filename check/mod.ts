/**
 * Checks whether a program is a good pluggable transport: every rule of pt-spec, ext-orport-spec
 * and SOCKS5 that a parent or a peer can see from outside, one check each.
 *
 * @module
 */

export { CannotCheckError } from "./cannot_check_error.ts";
export {
  check,
  type CheckInfo,
  type CheckOptions,
  type CheckResult,
  checks,
  type Level,
  type Verdict,
} from "./check.ts";
export { objections } from "./objections.ts";

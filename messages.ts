/**
 * Other messages to the parent: `LOG` and `STATUS` lines (pt-spec sections 3.3.4 and 3.3.5).
 * `log()` and `status()` can be called at any time, `reportVersion()` only before `reportEnd()`.
 *
 * @module
 */

import { checkTransportName, quoteCString, SEVERITIES, type Severity } from "./grammar.ts";
import { printAnytime, printBeforeDone } from "./stdout_lines.ts";

export { quoteCString, type Severity, unquoteCString } from "./grammar.ts";
export { scrubAddresses } from "./scrub.ts";

/**
 * Sends a message to the parent's log: `LOG SEVERITY=... MESSAGE=...` (pt-spec section 3.3.4).
 *
 * Never put the address of a user or of a bridge into it; {@linkcode scrubAddresses} takes them out.
 *
 * After `reportEnd()` it never waits for the parent to read: what does not fit in a bound is dropped
 * and counted, and when nobody reads any more everything is.
 *
 * @param severity How much it matters.
 * @param text The message, any text.
 * @throws {TypeError} When `severity` is not one of the five values.
 *
 * @example
 * ```ts
 * import { log } from "@ptlib/ptlib/messages";
 *
 * log("notice", 'the cookie is "stale"');
 * ```
 */
export function log(severity: Severity, text: string): void {
  if (!SEVERITIES.includes(severity)) {
    throw new TypeError(`${JSON.stringify(severity)} is none of ${SEVERITIES.join(", ")}`);
  }
  printAnytime(`LOG SEVERITY=${severity} MESSAGE=${quoteCString(text)}`);
}

/**
 * Tells the parent something about a transport: `STATUS TRANSPORT=name K=V ...` (pt-spec section
 * 3.3.5).
 *
 * @param transport The transport's name.
 * @param values At least one key and value. Their meaning is agreed between transport and parent.
 * @throws {TypeError} When the name or a key is not valid, or `values` is empty.
 *
 * @example
 * ```ts
 * import { status } from "@ptlib/ptlib/messages";
 *
 * status("rot13", [["CONNECT", "Success"]]);
 * ```
 */
export function status(
  transport: string,
  values: Iterable<readonly [string, string]>,
): void {
  checkTransportName(transport);
  const words = Array.from(values, ([key, value]) => {
    if (!/^[a-zA-Z0-9_-]+$/.test(key)) {
      throw new TypeError(`${JSON.stringify(key)} is not a key: only letters, digits, - and _`);
    }
    return `${key}=${quoteCString(value)}`;
  });
  if (words.length === 0) throw new TypeError("A status needs at least one value");
  printAnytime(`STATUS TRANSPORT=${transport} ${words.join(" ")}`);
}

/**
 * Tells the parent which program this is: `STATUS TYPE=version IMPLEMENTATION=... VERSION=...`
 * (pt-spec section 3.3.5), before `reportEnd()`.
 *
 * A new tor publishes it for a bridge. An older tor warns about it and an older Arti fails, so
 * ptlib never says it on its own.
 *
 * @param implementation The program's name.
 * @param version The program's version.
 * @throws {Error} When it comes after `reportEnd()` or `reportProxyError()`.
 *
 * @example
 * ```ts
 * import { reportVersion } from "@ptlib/ptlib/messages";
 *
 * reportVersion("rot0r", "1.2.3");
 * ```
 */
export function reportVersion(implementation: string, version: string): void {
  const values = `IMPLEMENTATION=${quoteCString(implementation)} VERSION=${quoteCString(version)}`;
  printBeforeDone(`STATUS TYPE=version ${values}`);
}

/**
 * What `CMETHOD` and `SMETHOD` lines have in common (pt-spec section 3.3.2 and 3.3.3).
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";
import { checkTransportName, printable, printMethod, type Role } from "./lines.ts";

const KEYWORDS = { client: "CMETHOD", server: "SMETHOD" } as const;

/** The address of a method: where somebody listens, so never port 0. */
export function methodAddress(address: Readonly<Address>): string {
  if (address[1] === 0) {
    throw new TypeError("A method is reported with the port that was really bound, not 0");
  }
  return formatAddress(address);
}

/** Prints the line of a transport that listens. */
export function printSuccess(role: Role, name: string, words: readonly string[]): void {
  checkTransportName(name);
  printMethod(role, [KEYWORDS[role], name, ...words].join(" "));
}

/** Prints the line of a transport that does not. */
export function printFailure(role: Role, name: string, message: string): void {
  checkTransportName(name);
  printMethod(role, `${KEYWORDS[role]}-ERROR ${name} ${printable(message)}`);
}

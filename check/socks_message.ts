/**
 * The messages that a SOCKS5 client sends (RFC 1928, RFC 1929), right ones and wrong ones.
 *
 * @module
 */

import { type Address, ipToBytes } from "../address.ts";
import { concat } from "../net/conn.ts";
import { Skipped } from "./verdict.ts";

/** Authentication methods. */
export const NO_AUTH = 0;
/** User name and password, in which the arguments travel. */
export const PASSWORD = 2;

/** Arguments that no transport has, because a value of its own could be wrong in many ways. */
export const KEY = "ptlib-check";
export const SECOND_KEY = "ptlib-check-other";

/** The arguments' place when there are none. */
const UNUSED = Uint8Array.of(0);
/** The most bytes of a user name or a password. */
export const LONGEST_FIELD = 255;

/** `VER NMETHODS METHODS`. */
export function greeting(...methods: readonly number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(5, methods.length, ...methods);
}

/** `VER ULEN UNAME PLEN PASSWD` with any two fields. */
export function credentials(user: Uint8Array, password: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(1, user.length), user, Uint8Array.of(password.length), password);
}

/** Arguments behind others, either of which may be none. */
export function joinArguments(...all: readonly string[]): string {
  return all.filter((args) => args !== "").join(";");
}

/** The same with arguments in the fields (pt-spec section 3.5). */
export function argumentFields(args: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(args);
  const [user, rest] = [bytes.subarray(0, LONGEST_FIELD), bytes.subarray(LONGEST_FIELD)];
  return credentials(user, rest.length === 0 ? UNUSED : rest);
}

function destination([host, port]: Readonly<Address>): Uint8Array<ArrayBuffer> {
  const ip = ipToBytes(host);
  const name = new TextEncoder().encode(host);
  const address = ip === null
    ? concat(Uint8Array.of(3, name.length), name)
    : concat(Uint8Array.of(ip.length === 4 ? 1 : 4), ip);
  return concat(address, Uint8Array.of(port >> 8, port & 0xff));
}

/** The second byte of a SOCKS4 reply to a request that is granted. */
export const SOCKS4_GRANTED = 90;

/** `VN CD DSTPORT DSTIP USERID NUL`, in which the arguments are the user id. */
export function socks4Request([host, port]: Readonly<Address>, args: string) {
  const ip = ipToBytes(host);
  if (ip?.length !== 4) throw new Skipped("needs an IPv4 address, for SOCKS4");
  const userId = new TextEncoder().encode(args);
  return concat(Uint8Array.of(4, 1, port >> 8, port & 0xff), ip, userId, Uint8Array.of(0));
}

/** `VER CMD RSV ATYP DST.ADDR DST.PORT`. */
export function request(target: Readonly<Address>, command = 1): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(5, command, 0), destination(target));
}

/**
 * Which SOCKS reply an error becomes, so that the user reads in tor's log why a connection failed.
 *
 * @module
 */

const GENERAL_FAILURE = 1;

/** By the `code` of an error: those of the system, and those of `node:dns`. */
const BY_CODE: Readonly<Record<string, number>> = {
  EACCES: 2,
  EPERM: 2,
  ENETDOWN: 3,
  ENETUNREACH: 3,
  EHOSTDOWN: 4,
  EHOSTUNREACH: 4,
  ENOTFOUND: 4,
  EAI_AGAIN: 4,
  ECONNREFUSED: 5,
  ECONNRESET: 5,
  ETIMEDOUT: 6,
};

/** By the `name` of an error, for those that have no code, such as `Deno.errors.NotCapable`. */
const BY_NAME: Readonly<Record<string, number>> = {
  NotCapable: 2,
  PermissionDenied: 2,
  NetworkUnreachable: 3,
  ConnectionRefused: 5,
  ConnectionReset: 5,
  TimedOut: 6,
  TimeoutError: 6,
};

/** The reply that an error itself or its kind stands for. */
function ownReply(error: Error & { code?: unknown; reply?: unknown }): number | undefined {
  if (Number.isInteger(error.reply) && Number(error.reply) >= 1 && Number(error.reply) <= 8) {
    return Number(error.reply);
  }
  // Deno gives a failed look-up neither a class nor a code.
  if (/^failed to lookup address information/.test(error.message)) return 4;
  if (typeof error.code === "string" && Object.hasOwn(BY_CODE, error.code)) {
    return BY_CODE[error.code];
  }
  return Object.hasOwn(BY_NAME, error.name) ? BY_NAME[error.name] : undefined;
}

/**
 * Chooses the SOCKS5 reply for an error (RFC 1928 section 6).
 *
 * Refused and reset become 5, unreachable 3 or 4, a name that is not found 4, a time-out 6, a
 * missing permission 2. An error that has a number from 1 to 8 as its `reply` chooses for itself:
 * so an upstream proxy's reply is passed on. An error that says nothing is judged by its `cause`.
 *
 * @param error What was thrown on the way to the target.
 * @returns A reply from 1 to 8; 1, general failure, for everything else.
 *
 * @example
 * ```ts
 * import { replyFor } from "@ptlib/ptlib/net";
 *
 * if (replyFor(new Deno.errors.ConnectionRefused()) !== 5) throw new Error();
 * if (replyFor(new Error("no bridge", { cause: new Deno.errors.TimedOut() })) !== 6) {
 *   throw new Error();
 * }
 * if (replyFor(Object.assign(new Error("wrong secret"), { reply: 2 })) !== 2) throw new Error();
 * if (replyFor("anything") !== 1) throw new Error();
 * ```
 */
export function replyFor(error: unknown): number {
  const seen = new Set<unknown>();
  for (let link = error; link instanceof Error && !seen.has(link); link = link.cause) {
    const reply = ownReply(link);
    if (reply !== undefined) return reply;
    seen.add(link);
  }
  return GENERAL_FAILURE;
}

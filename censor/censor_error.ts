/**
 * Why a transport cannot be looked at.
 *
 * @module
 */

/**
 * A transport cannot be looked at: it does not carry what it should. The message says how.
 *
 * @example
 * ```ts
 * import { CensorError } from "@ptlib/ptlib/censor";
 *
 * const isOurs = (error: unknown) => error instanceof CensorError;
 * if (isOurs(new Error())) throw new Error();
 * ```
 */
export class CensorError extends Error {
  /** The name of the class. */
  override readonly name: string = "CensorError";
}

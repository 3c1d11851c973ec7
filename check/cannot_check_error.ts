/**
 * What a checker says of a program that cannot be checked at all.
 *
 * @module
 */

/**
 * A program cannot be checked: it is no pluggable transport, or not one of that name, or it does
 * not start here. The message is one sentence with the program's own words.
 *
 * @example
 * ```ts
 * import { CannotCheckError, check } from "@ptlib/ptlib/check";
 *
 * async function isTransport(command: string[], transport: string): Promise<boolean> {
 *   try {
 *     for await (const _ of check(command, { transport })) return true;
 *   } catch (error) {
 *     if (!(error instanceof CannotCheckError)) throw error;
 *   }
 *   return false;
 * }
 * ```
 */
export class CannotCheckError extends Error {
  /** The name of the class. */
  override readonly name: string = "CannotCheckError";
  /** Whether the program said anything of the protocol. */
  readonly spoke: boolean;

  /**
   * Makes the error.
   *
   * @param message One sentence with the program's own words.
   * @param spoke Whether the program said anything of the protocol.
   */
  constructor(message: string, spoke: boolean) {
    super(message);
    this.spoke = spoke;
  }
}

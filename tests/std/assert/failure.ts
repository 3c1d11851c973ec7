/** Assertions about functions that must fail. @module */

import { stripAnsiCode } from "@std/fmt/colors";
import { AssertionError, ending } from "./assertion_error.ts";

// deno-lint-ignore no-explicit-any -- the signature of the real package
type ErrorConstructorOf<E extends Error> = abstract new (...args: any[]) => E;

/** What the optional arguments of the two assertions mean, in either order. */
interface Expectation {
  errorClass: ErrorConstructorOf<Error> | undefined;
  includes: string | undefined;
  msg: string | undefined;
}

/** Fails unless `fn` throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Fails unless `fn` throws an `ErrorClass` whose message includes `msgIncludes`. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any -- the signature of the real package
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  classOrMsg?: ErrorConstructorOf<E> | string,
  includesOrMsg?: string,
  msg?: string,
): unknown {
  const expectation = readArguments(classOrMsg, includesOrMsg, msg);
  // Here, but not in assertRejects, a class that is no error leaves the text behind it as the message.
  if (typeof classOrMsg === "function" && !expectation.errorClass) expectation.msg = includesOrMsg;
  try {
    fn();
  } catch (error) {
    checkError(error, expectation, "thrown");
    return error;
  }
  throw new AssertionError(`Expected function to throw${ending(expectation.msg)}`);
}

/** Fails unless the promise of `fn` rejects; resolves to the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Fails unless the promise of `fn` rejects with an `ErrorClass` whose message includes `msgIncludes`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- the signature of the real package
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorConstructorOf<E> | string,
  includesOrMsg?: string,
  msg?: string,
): Promise<unknown> {
  const expectation = readArguments(classOrMsg, includesOrMsg, msg);
  const promise = startPromise(fn, expectation.msg);
  try {
    await promise;
  } catch (error) {
    checkError(error, expectation, "rejected");
    return error;
  }
  throw new AssertionError(`Expected function to reject${ending(expectation.msg)}`);
}

/** Calls `fn`; a throw at once and a result that is no promise are both failures. */
function startPromise(
  fn: () => PromiseLike<unknown>,
  msg: string | undefined,
): PromiseLike<unknown> {
  try {
    const result = fn();
    if (result && typeof result === "object" && typeof result.then === "function") return result;
  } catch {
    // The same failure as a result that is no promise.
  }
  throw new AssertionError(`Function throws when expected to reject${ending(msg)}`);
}

function readArguments(
  classOrMsg: ErrorConstructorOf<Error> | string | undefined,
  includesOrMsg: string | undefined,
  msg: string | undefined,
): Expectation {
  if (typeof classOrMsg === "string") {
    return { errorClass: undefined, includes: undefined, msg: classOrMsg };
  }
  const isErrorClass = classOrMsg?.prototype === Error.prototype ||
    classOrMsg?.prototype instanceof Error;
  return { errorClass: isErrorClass ? classOrMsg : undefined, includes: includesOrMsg, msg };
}

/** Without an error class anything may be thrown, and its text is not looked at. */
function checkError(
  error: unknown,
  { errorClass, includes, msg }: Expectation,
  verb: "thrown" | "rejected",
): void {
  if (!errorClass) return;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was ${verb}${ending(msg)}`);
  }
  assertIsError(error, errorClass, includes, msg);
}

/** Fails unless `error` is an `ErrorClass` whose message, without colours, includes or matches `msgMatches`. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  // deno-lint-ignore no-explicit-any -- the signature of the real package
  ErrorClass?: abstract new (...args: any[]) => E,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(`Expected "error" to be an Error object${ending(msg)}`);
  }
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${ErrorClass.name}", but was "${error.constructor?.name}"${
        ending(msg)
      }`,
    );
  }
  if (msgMatches && !matches(stripAnsiCode(error.message), msgMatches)) {
    const wanted = typeof msgMatches === "string" ? JSON.stringify(msgMatches) : String(msgMatches);
    throw new AssertionError(
      `Expected error message to include ${wanted}, but got ${JSON.stringify(error.message)}${
        ending(msg)
      }`,
    );
  }
}

function matches(text: string, wanted: string | RegExp): boolean {
  return typeof wanted === "string" ? text.includes(stripAnsiCode(wanted)) : wanted.test(text);
}

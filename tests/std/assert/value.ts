/** Assertions about one value. @module */

import { AssertionError, ending } from "./assertion_error.ts";

/** What {@linkcode assertFalse} leaves of a type. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Fails unless `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/** Fails for `null` and `undefined`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === null || actual === undefined) {
    throw new AssertionError(
      `Expected actual: "${actual}" to not be null or undefined${ending(msg)}`,
    );
  }
}

/** Fails unless `actual` was made by `expectedType` or a class derived from it. */
export function assertInstanceOf<
  // deno-lint-ignore no-explicit-any -- the signature of the real package
  T extends abstract new (...args: any[]) => any,
>(actual: unknown, expectedType: T, msg = ""): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  const expected = `Expected object to be an instance of "${expectedType.name}"`;
  const name = kindOf(actual);
  const but = name === expectedType.name
    ? ""
    : name === "function"
    ? " but was not an instanced object"
    : ` but was "${name}"`;
  throw new AssertionError(expected + but + ending(msg));
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  return value.constructor?.name ?? "Object";
}

/** Always fails. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${ending(msg)}`);
}

/** Marks a place that a test must never reach. */
export function unreachable(msg?: string): never {
  throw new AssertionError(`Unreachable${ending(msg)}`);
}

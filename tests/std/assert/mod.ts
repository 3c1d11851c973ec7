/**
 * An offline stand-in for the part of `@std/assert` that the tests use: the
 * same signatures, and the same answer to what passes and what fails. Only the
 * diff in a failure's message may be cut into lines differently.
 *
 * @module
 */

export { AssertionError } from "./assertion_error.ts";
export { equal } from "./equal.ts";
export {
  assertArrayIncludes,
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
} from "./equality.ts";
export { assertObjectMatch } from "./object_match.ts";
export { assertIsError, assertRejects, assertThrows } from "./failure.ts";
export { assertGreater, assertGreaterOrEqual, assertLess, assertLessOrEqual } from "./order.ts";
export { assertMatch, assertStringIncludes } from "./text.ts";
export {
  assert,
  assertExists,
  assertFalse,
  assertInstanceOf,
  fail,
  type Falsy,
  unreachable,
} from "./value.ts";
export type { ArrayLikeArg } from "./equality.ts";

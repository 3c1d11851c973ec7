// deno-lint-ignore-file no-explicit-any -- the signatures of the real package

/**
 * An offline stand-in for the part of `@std/testing/mock` that the tests use:
 * spies on functions and methods, and stubs. Classes cannot be spied on here.
 *
 * @module
 */

import { assertEquals, AssertionError, assertIsError } from "@std/assert";

/** A spy or stub that cannot be made, restored or asked for one more value. */
export class MockError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MockError";
  }
}

/** One call of a spy. */
export interface SpyCall<Self = any, Args extends unknown[] = any[], Return = any> {
  /** What it was called with. */
  args: Args;
  /** What it returned. */
  returned?: Return;
  /** What it threw. */
  error?: Error;
  /** What it was called on. */
  self?: Self;
}

/** A function that remembers its calls. */
export interface Spy<Self = any, Args extends unknown[] = any[], Return = any> {
  (this: Self, ...args: Args): Return;
  /** The function that is spied on. */
  original: (this: Self, ...args: Args) => Return;
  /** The calls that have ended, the first one first. */
  calls: SpyCall<Self, Args, Return>[];
  /** Whether the original method is back in its place. */
  restored: boolean;
  /** Puts the original method back in its place. */
  restore(): void;
}

/** A spy in the place of a method. */
export interface MethodSpy<Self = any, Args extends unknown[] = any[], Return = any>
  extends Spy<Self, Args, Return>, Disposable {}

/** A function in the place of a method. */
export interface Stub<Self = any, Args extends unknown[] = any[], Return = any>
  extends MethodSpy<Self, Args, Return> {
  /** The function that runs instead of the original. */
  fake: (this: Self, ...args: Args) => Return;
}

/** The arguments of a method. */
export type GetParametersFromProp<Self, Prop extends keyof Self> = Self[Prop] extends
  (...args: infer Args) => unknown ? Args
  : unknown[];

/** What a method returns. */
export type GetReturnFromProp<Self, Prop extends keyof Self> = Self[Prop] extends
  (...args: any[]) => infer Return ? Return
  : unknown;

/** What a call is expected to have been; what is left out is not looked at. */
export interface ExpectedSpyCall<Self = any, Args extends unknown[] = any[], Return = any> {
  /** The arguments. */
  args?: [...Args, ...unknown[]];
  /** What it was called on. */
  self?: Self;
  /** What it returned. */
  returned?: Return;
  /** What it threw. */
  error?: {
    /** The class of the error. */
    Class?: new (...args: any[]) => Error;
    /** A part of its message. */
    msgIncludes?: string;
  };
}

type Fn<Self, Args extends unknown[], Return> = (this: Self, ...args: Args) => Return;

/** A spy that does nothing. */
export function spy<Self = any, Args extends unknown[] = any[], Return = undefined>(): Spy<
  Self,
  Args,
  Return
>;
/** A spy that calls `func`. */
export function spy<Self, Args extends unknown[], Return>(
  func: (this: Self, ...args: Args) => Return,
): Spy<Self, Args, Return>;
/** A spy in the place of the method `property` of `self`, which it calls. */
export function spy<Self, Prop extends keyof Self>(
  self: Self,
  property: Prop,
): MethodSpy<Self, GetParametersFromProp<Self, Prop>, GetReturnFromProp<Self, Prop>>;
export function spy<Self, Args extends unknown[], Return>(
  target?: Fn<Self, Args, Return> | Self,
  property?: keyof Self,
): Spy<Self, Args, Return> {
  if (target && property !== undefined) return spyOnMethod(target as Self, property);
  const original = (target || (() => {})) as Fn<Self, Args, Return>;
  return recorder<Spy<Self, Args, Return>>(original, {
    original: { enumerable: true, value: original },
    restored: { enumerable: true, get: () => false },
    restore: {
      enumerable: true,
      value: () => {
        throw new MockError("Cannot restore: function cannot be restored");
      },
    },
  });
}

function spyOnMethod<Self, Args extends unknown[], Return>(
  self: Self,
  property: keyof Self,
): MethodSpy<Self, Args, Return> {
  if (typeof self[property] !== "function") {
    throw new MockError("Cannot spy: property is not an instance method");
  }
  return replaceMethod(self, property, "spy", self[property] as Fn<Self, Args, Return>, {});
}

/** Puts a function that does nothing in the place of a method. */
export function stub<Self, Prop extends keyof Self>(
  self: Self,
  property: Prop,
): Stub<Self, GetParametersFromProp<Self, Prop>, GetReturnFromProp<Self, Prop>>;
/** Puts `func` in the place of a method. */
export function stub<Self, Prop extends keyof Self>(
  self: Self,
  property: Prop,
  func: (
    this: Self,
    ...args: GetParametersFromProp<Self, Prop>
  ) => GetReturnFromProp<Self, Prop>,
): Stub<Self, GetParametersFromProp<Self, Prop>, GetReturnFromProp<Self, Prop>>;
export function stub<Self, Args extends unknown[], Return>(
  self: Self,
  property: keyof Self,
  func?: (this: Self, ...args: Args) => Return,
): Stub<Self, Args, Return> {
  if (self[property] !== undefined && typeof self[property] !== "function") {
    throw new MockError("Cannot stub: property is not an instance method");
  }
  const fake = func ?? (() => {}) as Fn<Self, Args, Return>;
  return replaceMethod<Self, Args, Return, Stub<Self, Args, Return>>(
    self,
    property,
    "stub",
    fake,
    { fake: { enumerable: true, value: fake } },
  );
}

/** Puts a recorder of `run` in the place of a method, until it is restored. */
function replaceMethod<
  Self,
  Args extends unknown[],
  Return,
  Result extends MethodSpy<Self, Args, Return> = MethodSpy<Self, Args, Return>,
>(
  self: Self,
  property: keyof Self,
  verb: "spy" | "stub",
  run: Fn<Self, Args, Return>,
  more: PropertyDescriptorMap,
): Result {
  if (isSpy(self[property])) {
    throw new MockError(`Cannot ${verb}: already spying on instance method`);
  }
  const before = Object.getOwnPropertyDescriptor(self, property);
  if (before && !before.configurable) {
    throw new MockError(`Cannot ${verb}: non-configurable instance method`);
  }
  let restored = false;
  const restore = (): void => {
    if (restored) throw new MockError("Cannot restore: instance method already restored");
    if (before) Object.defineProperty(self, property, before);
    else delete self[property];
    restored = true;
  };
  const result = recorder<Result>(run, {
    original: { enumerable: true, value: self[property] },
    restored: { enumerable: true, get: () => restored },
    restore: { enumerable: true, value: restore },
    [Symbol.dispose]: { value: restore },
    ...more,
  });
  Object.defineProperty(self, property, {
    configurable: true,
    enumerable: before?.enumerable ?? false,
    writable: before?.writable ?? false,
    value: result,
  });
  return result;
}

/** A function that calls `run` and keeps a record of each call once it has ended. */
function recorder<Result extends Spy>(
  run: (...args: any[]) => unknown,
  properties: PropertyDescriptorMap,
): Result {
  const calls: SpyCall[] = [];
  const record = function (this: unknown, ...args: unknown[]): unknown {
    const call: SpyCall = { args };
    if (this) call.self = this;
    try {
      return call.returned = run.apply(this, args);
    } catch (error) {
      call.error = error as Error;
      throw error;
    } finally {
      calls.push(call);
    }
  };
  return Object.defineProperties(record, {
    calls: { enumerable: true, value: calls },
    ...properties,
  }) as unknown as Result;
}

function isSpy(value: unknown): boolean {
  if (typeof value !== "function") return false;
  const { original, restored, restore, calls } = value as Partial<Spy>;
  return typeof original === "function" && typeof restored === "boolean" &&
    typeof restore === "function" && Array.isArray(calls);
}

/** Fails unless the spy was called `expectedCalls` times. */
export function assertSpyCalls<Self, Args extends unknown[], Return>(
  spy: Spy<Self, Args, Return>,
  expectedCalls: number,
): void {
  assertEqualsAs(
    spy.calls.length < expectedCalls
      ? "Spy not called as much as expected:"
      : "Spy called more than expected:",
    spy.calls.length,
    expectedCalls,
  );
}

/** Fails unless the call with the index `callIndex` was made and was as expected. */
export function assertSpyCall<Self, Args extends unknown[], Return>(
  spy: Spy<Self, Args, Return>,
  callIndex: number,
  expected?: ExpectedSpyCall<Self, Args, Return>,
): void {
  const call = spy.calls[callIndex];
  if (!call) throw new AssertionError("Spy not called as much as expected");
  if (!expected) return;
  if (expected.args) {
    assertEqualsAs<unknown>("Spy not called with expected args:", call.args, expected.args);
  }
  if ("self" in expected) {
    assertEqualsAs(
      expected.self
        ? "Spy not called as method on expected self:"
        : "Spy not expected to be called as method on object:",
      call.self,
      expected.self,
    );
  }
  if ("returned" in expected) assertReturned(call, expected);
  if ("error" in expected) assertThrew(call, expected);
}

function assertReturned(call: SpyCall, expected: ExpectedSpyCall): void {
  if ("error" in expected) {
    throw new TypeError("Do not expect error and return, only one should be expected");
  }
  if (call.error) {
    throw new AssertionError("Spy call did not return expected value, an error was thrown.");
  }
  assertEqualsAs("Spy call did not return expected value:", call.returned, expected.returned);
}

function assertThrew(call: SpyCall, expected: ExpectedSpyCall): void {
  if ("returned" in call) {
    throw new AssertionError("Spy call did not throw an error, a value was returned.");
  }
  assertIsError(call.error, expected.error?.Class, expected.error?.msgIncludes);
}

/** `assertEquals` with another first line. */
function assertEqualsAs<T>(firstLine: string, actual: T, expected: T): void {
  try {
    assertEquals(actual, expected);
  } catch (error) {
    assertIsError(error);
    const [, ...difference] = error.message.split("\n");
    throw new AssertionError([firstLine, ...difference].join("\n"));
  }
}

/** A function that returns one value after the other, and throws those that are errors. */
export function returnsNext<Return, Self = any, Args extends unknown[] = any[]>(
  values: Iterable<Return | Error>,
): (this: Self, ...args: Args) => Return {
  const iterator = values[Symbol.iterator]();
  let calls = 0;
  return () => {
    const next = iterator.next();
    if (next.done) {
      throw new MockError(`Not expected to be called more than ${calls} time(s)`);
    }
    calls++;
    if (next.value instanceof Error) throw next.value;
    return next.value;
  };
}

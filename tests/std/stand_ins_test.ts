/**
 * What the tests rely on in `@std/assert`, `@std/testing` and `@std/fmt`. It
 * holds for the stand-ins in this directory and for the real packages
 * (`with_real_std.ts` runs it with those), which keeps the first like the second.
 *
 * @module
 */

import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";
import { format as formatBytes } from "@std/fmt/bytes";
import * as colors from "@std/fmt/colors";
import { format as formatDuration } from "@std/fmt/duration";
import {
  assertSpyCall,
  assertSpyCalls,
  MockError,
  returnsNext,
  spy,
  stub,
} from "@std/testing/mock";

/** The message with which `fn` fails, without colours; written without the code under test. */
function messageOf(fn: () => void): string | null {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    return colors.stripAnsiCode(error.message);
  }
  return null;
}

/** Passes when every case of the table says the same as `equal()`. */
function checkEqual(expected: boolean, cases: readonly (readonly [unknown, unknown])[]): void {
  for (const [a, b] of cases) {
    if (equal(a, b) !== expected || equal(b, a) !== expected) {
      throw new Error(`equal() is ${!expected} for ${Deno.inspect(a)} and ${Deno.inspect(b)}`);
    }
  }
}

class Point {
  x: number;
  constructor(x: number) {
    this.x = x;
  }
}

class Place {
  x: number;
  constructor(x: number) {
    this.x = x;
  }
}

class Sealed {
  #secret: number;
  constructor(secret: number) {
    this.#secret = secret;
  }
  get secret(): number {
    return this.#secret;
  }
}

function cycle(): Record<string, unknown> {
  const object: Record<string, unknown> = { a: 1 };
  object.self = object;
  return object;
}

Deno.test("equal() is true for values that are alike in depth", () => {
  const symbol = Symbol();
  checkEqual(true, [
    [0, -0],
    [NaN, NaN],
    [{ a: -0 }, { a: 0 }],
    [{ a: 1, b: [2, { c: 3 }] }, { b: [2, { c: 3 }], a: 1 }],
    [{ [symbol]: 1 }, { [symbol]: 1 }],
    [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    [new Point(1), new Point(1)],
    [new Sealed(1), new Sealed(1)],
    [cycle(), cycle()],
    [new Date(5), new Date(5)],
    [new Date(NaN), new Date(NaN)],
    [/a/g, Object.assign(/a/g, { lastIndex: 1 })],
    [new URL("http://a/"), new URL("http://a")],
    [new URLSearchParams("a=1"), new URLSearchParams([["a", "1"]])],
    [new Set([1, 2]), new Set([2, 1])],
    [new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 2 }, { a: 1 }])],
    [new Map([["a", [1]], ["b", [2]]]), new Map([["b", [2]], ["a", [1]]])],
    [new Map([[{ a: 1 }, 1]]), new Map([[{ a: 1 }, 1]])],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
    [new Float64Array([NaN, -0]), new Float64Array([NaN, 0])],
    [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
  ]);
});

Deno.test("equal() is false for values that differ in depth or in kind", () => {
  checkEqual(false, [
    [1, "1"],
    [1, 1n],
    [null, undefined],
    [{}, null],
    [{}, []],
    [{ a: undefined }, {}],
    [{ a: undefined }, { b: undefined }],
    [{ a: 1 }, { a: 1, b: 2 }],
    [[1], [1, undefined]],
    [[1, 2], [2, 1]],
    [new Point(1), new Place(1)],
    [new Point(1), { x: 1 }],
    [new Sealed(1), new Sealed(2)],
    [new Date(5), new Date(6)],
    [new Date(5), {}],
    [/a/g, /a/i],
    [new URL("http://a/"), new URL("http://b/")],
    [new URLSearchParams("a=1&b=2"), new URLSearchParams("b=2&a=1")],
    [new Set([1, 2]), new Set([1, 3])],
    [new Set([1]), Object.assign(new Set([1]), { a: 1 })],
    [new Set([{ a: 1 }]), new Set([{ a: 2 }])],
    [new Map([["a", undefined]]), new Map([["b", undefined]])],
    [new Map([[{ a: 1 }, 1]]), new Map([[{ a: 1 }, 2]])],
    [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
    [new Uint8Array([1]), new Uint8Array([1, 2])],
    [new Uint8Array([1]), new Int8Array([1])],
    [new Uint8Array([1]), [1]],
    [new Error("a"), new Error("b")],
    [new Error("a"), new TypeError("a")],
    [() => 1, () => 1],
  ]);
});

Deno.test("equal() throws for a WeakMap and a WeakSet, whose content nobody can see", () => {
  assertThrows(() => equal(new WeakMap(), new WeakMap()), TypeError, "WeakMap");
  assertThrows(() => equal(new WeakSet(), new WeakSet()), TypeError, "WeakSet");
});

Deno.test("assertEquals() shows the lines that differ", () => {
  assertEquals({ a: [0] }, { a: [-0] });
  assertStrictEquals(
    messageOf(() => assertEquals({ b: 2, a: 1 }, { a: 1, b: 3 })),
    "Values are not equal.\n\n\n    [Diff] Actual / Expected\n\n\n" +
      "    {\n      a: 1,\n-     b: 2,\n+     b: 3,\n    }\n",
  );
  assertStrictEquals(
    messageOf(() => assertEquals("one\ntwo\tend", "one\ntwo", "why")),
    "Values are not equal: why\n\n\n    [Diff] Actual / Expected\n\n\n" +
      "    one\\n\n-   two\\tend\n+   two\n\n",
  );
});

Deno.test("assertNotEquals() fails for values that are alike in depth", () => {
  assertNotEquals([1], [2]);
  assertStrictEquals(
    messageOf(() => assertNotEquals([1], [1], "why")),
    "Expected actual: [\n  1,\n] not to be: [\n  1,\n]: why",
  );
});

Deno.test("assertStrictEquals() compares as Object.is() does", () => {
  const object = {};
  assertStrictEquals(object, object);
  assertStrictEquals(NaN, NaN);
  assertMatch(
    messageOf(() => assertStrictEquals(0, -0)) ?? "",
    /^Values are not strictly equal\.\n/,
  );
  assertStrictEquals(
    messageOf(() => assertStrictEquals(object, {})),
    "Values have the same structure but are not reference-equal.\n\n    {}\n",
  );
});

Deno.test("assert(), assertFalse() and assertExists() look at one value", () => {
  assert("a");
  assertFalse(0);
  assertExists(false);
  assertStrictEquals(messageOf(() => assert(0)), "");
  assertStrictEquals(messageOf(() => assertFalse("a", "why")), "why");
  assertStrictEquals(
    messageOf(() => assertExists(null, "why")),
    'Expected actual: "null" to not be null or undefined: why',
  );
  assertStrictEquals(
    messageOf(() => assertExists(undefined)),
    'Expected actual: "undefined" to not be null or undefined.',
  );
});

Deno.test("assertInstanceOf() names the class that it found", () => {
  const error: unknown = new TypeError("a");
  assertInstanceOf(error, Error);
  assertStrictEquals(error.message, "a");
  const found: [unknown, string][] = [
    [new Place(1), ' but was "Place".'],
    [Object.create(null), ' but was "Object".'],
    [null, ' but was "null".'],
    [undefined, ' but was "undefined".'],
    [1, ' but was "number".'],
    [() => 1, " but was not an instanced object."],
    [{ constructor: Point }, "."],
  ];
  for (const [value, ending] of found) {
    assertStrictEquals(
      messageOf(() => assertInstanceOf(value, Point)),
      `Expected object to be an instance of "Point"${ending}`,
    );
  }
});

Deno.test("assertMatch() and assertStringIncludes() show the text", () => {
  assertMatch("abc", /b/);
  assertStringIncludes("abc", "b");
  assertStrictEquals(
    messageOf(() => assertMatch("abc", /z/g)),
    'Expected actual: "abc" to match: "/z/g".',
  );
  assertStrictEquals(
    messageOf(() => assertStringIncludes("abc", "z", "why")),
    'Expected actual: "abc" to contain: "z": why',
  );
});

Deno.test("assertGreater() and its kin compare with the sign in their message", () => {
  assertGreater(2, 1);
  assertGreaterOrEqual(1, 1);
  assertLess("a", "b");
  assertLessOrEqual(1n, 1n);
  assertStrictEquals(messageOf(() => assertGreater(1, 1)), "Expect 1 > 1");
  assertStrictEquals(messageOf(() => assertGreaterOrEqual(0, 1)), "Expect 0 >= 1");
  assertStrictEquals(messageOf(() => assertLess("b", "b")), 'Expect "b" < "b"');
  assertStrictEquals(messageOf(() => assertLessOrEqual(NaN, 1)), "Expect NaN <= 1");
  assertStrictEquals(messageOf(() => assertLess(2, 1, "why")), "why");
});

Deno.test("assertArrayIncludes() looks for equal items in any order", () => {
  assertArrayIncludes([1, { a: 1 }, NaN], [NaN, { a: 1 }]);
  assertArrayIncludes(new Uint8Array([1, 2]), new Uint8Array([2]));
  assertStrictEquals(
    messageOf(() => assertArrayIncludes([1], [1, 2])),
    'Expected actual: "[\n  1,\n]" to include: "[\n  1,\n  2,\n]".\nmissing: [\n  2,\n]',
  );
});

Deno.test("assertObjectMatch() ignores what the pattern does not have", () => {
  const passing: [Record<string, unknown>, Record<string, unknown>][] = [
    [{ a: 1, b: 2 }, { a: 1 }],
    [{ a: { b: 1, c: 2 }, d: 3 }, { a: { b: 1 } }],
    [{ a: [{ b: 1, c: 2 }, 3] }, { a: [{ b: 1 }] }],
    [{ a: new Point(1) }, { a: { x: 1 } }],
    [{ a: new Map([["k", { b: 1, c: 2 }], ["l", { b: 2, c: 3 }]]) }, {
      a: new Map([["k", { b: 1 }]]),
    }],
    [{ a: new Set([1, 2]) }, { a: new Set([1]) }],
    [{ a: /x/ }, { a: /x/ }],
    [cycle(), { a: 1 }],
    [cycle(), cycle()],
    [{ a: 1 }, {}],
  ];
  for (const [actual, expected] of passing) assertObjectMatch(actual, expected);
  const failing: [Record<string, unknown>, Record<string, unknown>][] = [
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { b: 1 }],
    [{ a: 1, b: 2 }, { a: 1, c: 3 }],
    [{ a: { b: 1 } }, { a: { b: 2 } }],
    [{ a: [1] }, { a: [1, 2] }],
    [{ a: /x/ }, { a: /y/ }],
    [{ a: new Date(1) }, { a: new Date(2) }],
    [{ a: new Set([1]) }, { a: new Set([1, 2]) }],
    [{ a: new Map([["k", 1]]) }, { a: new Map([["k", 2]]) }],
    [{}, { a: undefined }],
  ];
  for (const [actual, expected] of failing) {
    assertExists(messageOf(() => assertObjectMatch(actual, expected)), Deno.inspect(expected));
  }
  assertStringIncludes(
    messageOf(() => assertObjectMatch({ a: 1 }, { b: 2 })) ?? "",
    "    {\n-     a: 1,\n+     b: 2,\n    }\n",
  );
});

Deno.test("assertThrows() returns what was thrown", () => {
  const error = new TypeError("a \x1b[31mred\x1b[39m word");
  const boom = () => {
    throw error;
  };
  assertStrictEquals(assertThrows(boom), error);
  assertStrictEquals(assertThrows(boom, Error, "red word"), error);
  assertStrictEquals(assertThrows(() => Promise.reject.call(1)) instanceof TypeError, true);
  assertStrictEquals(
    messageOf(() => assertThrows(boom, RangeError)),
    'Expected error to be instance of "RangeError", but was "TypeError".',
  );
  assertStringIncludes(
    messageOf(() => assertThrows(boom, TypeError, "blue", "why")) ?? "",
    'Expected error message to include "blue", but got ',
  );
  assertStrictEquals(
    messageOf(() => assertThrows(() => 1, "why")),
    "Expected function to throw: why",
  );
  const text = () => {
    throw "text";
  };
  assertStrictEquals(assertThrows(text), "text");
  assertStrictEquals(
    messageOf(() => assertThrows(text, Error)),
    "A non-Error object was thrown.",
  );
});

Deno.test("assertRejects() resolves to the reason", async () => {
  const error = new TypeError("a word");
  const boom = () => Promise.reject(error);
  assertStrictEquals(await assertRejects(boom), error);
  assertStrictEquals(await assertRejects(boom, TypeError, "word"), error);
  const failing: [() => Promise<unknown>, string][] = [
    [() => assertRejects(() => Promise.resolve(), "why"), "Expected function to reject: why"],
    [
      () => assertRejects(boom, RangeError),
      'Expected error to be instance of "RangeError", but was "TypeError".',
    ],
    [
      () => assertRejects(boom, Error, "blue"),
      'Expected error message to include "blue", but got "a word".',
    ],
    [() => assertRejects(() => Promise.reject(1), Error), "A non-Error object was rejected."],
    [
      () =>
        assertRejects(() => {
          throw error;
        }),
      "Function throws when expected to reject.",
    ],
  ];
  for (const [run, message] of failing) {
    const failure = await run().then(() => null, (reason) => reason);
    assertInstanceOf(failure, AssertionError);
    assertStrictEquals(failure.message, message);
  }
});

Deno.test("assertIsError() takes a text or a pattern", () => {
  assertIsError(new TypeError("a word"), Error, /w.rd/);
  assertStrictEquals(
    messageOf(() => assertIsError(new Error("a word"), Error, /blue/)),
    'Expected error message to include /blue/, but got "a word".',
  );
  assertStrictEquals(
    messageOf(() => assertIsError(1)),
    'Expected "error" to be an Error object.',
  );
});

Deno.test("fail() and unreachable() always fail", () => {
  assertStrictEquals(messageOf(() => fail()), "Failed assertion.");
  assertStrictEquals(messageOf(() => fail("why")), "Failed assertion: why");
  assertStrictEquals(messageOf(() => unreachable()), "Unreachable.");
  const error = new AssertionError("a", { cause: 1 });
  assertEquals([error.name, error.message, error.cause], ["AssertionError", "a", 1]);
});

Deno.test("spy() remembers the calls of a function", () => {
  const double = spy((n: number) => {
    if (n < 0) throw new RangeError("negative");
    return n * 2;
  });
  assertStrictEquals(double(2), 4);
  assertThrows(() => double(-1), RangeError);
  assertSpyCalls(double, 2);
  assertEquals(double.calls[0], { args: [2], returned: 4 });
  assertSpyCall(double, 0, { args: [2], returned: 4 });
  assertSpyCall(double, 1, { args: [-1], error: { Class: RangeError, msgIncludes: "neg" } });
  assertThrows(() => double.restore(), MockError, "function cannot be restored");
  const nothing = spy();
  assertStrictEquals(nothing(1, 2), undefined);
  assertSpyCall(nothing, 0, { args: [1, 2], returned: undefined });
});

Deno.test("spy() on a method calls it and is restored by `using`", () => {
  const counter = {
    count: 1,
    add(n: number) {
      return this.count += n;
    },
  };
  const before = counter.add;
  {
    using add = spy(counter, "add");
    assertStrictEquals(counter.add(2), 3);
    assertSpyCall(add, 0, { args: [2], self: counter, returned: 3 });
    assertThrows(() => spy(counter, "add"), MockError, "already spying");
    assertStrictEquals(add.original, before);
  }
  assertStrictEquals(counter.add, before);
});

Deno.test("stub() takes the place of a method until it is restored", () => {
  class Clock {
    now(): number {
      return 1;
    }
  }
  const clock = new Clock();
  const now = stub(clock, "now", () => 5);
  assertStrictEquals(clock.now(), 5);
  assertStrictEquals(now.fake.call(clock), 5);
  assertStrictEquals(now.restored, false);
  now.restore();
  assertStrictEquals(clock.now(), 1);
  assertStrictEquals(Object.hasOwn(clock, "now"), false);
  assertStrictEquals(now.restored, true);
  assertThrows(() => now.restore(), MockError, "already restored");
  using silent = stub(clock, "now");
  assertStrictEquals(clock.now(), undefined);
  assertSpyCalls(silent, 1);
});

Deno.test("stub() refuses what is not a method and what cannot be put back", () => {
  assertThrows(() => stub({ a: 1 }, "a"), MockError, "not an instance method");
  assertThrows(() => stub(Object.freeze({ a() {} }), "a"), MockError, "non-configurable");
});

Deno.test("assertSpyCalls() and assertSpyCall() say what was different", () => {
  const one = spy((n: number) => n);
  one(1);
  const messages: [() => void, string][] = [
    [() => assertSpyCalls(one, 0), "Spy called more than expected:"],
    [() => assertSpyCalls(one, 2), "Spy not called as much as expected:"],
    [() => assertSpyCall(one, 1), "Spy not called as much as expected"],
    [() => assertSpyCall(one, 0, { args: [2] }), "Spy not called with expected args:"],
    [() => assertSpyCall(one, 0, { returned: 2 }), "Spy call did not return expected value:"],
    [
      () => assertSpyCall(one, 0, { self: {} }),
      "Spy not called as method on expected self:",
    ],
    [
      () => assertSpyCall(one, 0, { error: {} }),
      "Spy call did not throw an error, a value was returned.",
    ],
  ];
  for (const [run, firstLine] of messages) {
    assertStrictEquals(messageOf(run)?.split("\n")[0], firstLine);
  }
});

Deno.test("returnsNext() throws the errors among its values and runs out", () => {
  const next = returnsNext([1, new RangeError("second"), 3]);
  assertStrictEquals(next(), 1);
  assertThrows(() => next(), RangeError, "second");
  assertStrictEquals(next(), 3);
  assertThrows(() => next(), MockError, "Not expected to be called more than 3 time(s)");
});

Deno.test("colors add codes unless they are switched off", () => {
  const before = colors.getColorEnabled();
  assertStrictEquals(before, !Deno.noColor);
  try {
    colors.setColorEnabled(false);
    assertStrictEquals(colors.red("a"), "a");
    colors.setColorEnabled(true);
    // NO_COLOR cannot be overruled.
    assertStrictEquals(colors.getColorEnabled(), !Deno.noColor);
    if (Deno.noColor) return;
    assertEquals(
      [
        colors.bold("a"),
        colors.dim("a"),
        colors.red("a"),
        colors.green("a"),
        colors.yellow("a"),
        colors.blue("a"),
        colors.cyan("a"),
        colors.gray("a"),
      ],
      [[1, 22], [2, 22], [31, 39], [32, 39], [33, 39], [34, 39], [36, 39], [90, 39]]
        .map(([open, close]) => `\x1b[${open}ma\x1b[${close}m`),
    );
    assertStrictEquals(
      colors.red(`a${colors.blue("b")}c`),
      "\x1b[31ma\x1b[34mb\x1b[31mc\x1b[39m",
    );
  } finally {
    colors.setColorEnabled(before);
  }
});

Deno.test("stripAnsiCode() removes colours, cursor movements and window titles", () => {
  assertStrictEquals(
    colors.stripAnsiCode("\x1b[1;31ma\x1b[0m \x1b[2Kb\x1b[10;5H \x1b]0;title\x07c [31m"),
    "a b c [31m",
  );
});

Deno.test("format() of bytes writes three digits and a unit", () => {
  const cases: [number, Parameters<typeof formatBytes>[1], string][] = [
    [0, undefined, "0 B"],
    [0.25, undefined, "0.25 B"],
    [999, undefined, "999 B"],
    [1000, undefined, "1 kB"],
    [1337, undefined, "1.34 kB"],
    [-1337, undefined, "-1.34 kB"],
    [1e30, undefined, "1000000 YB"],
    [64 * 1024 * 1024, undefined, "67.1 MB"],
    [64 * 1024 * 1024, { binary: true }, "64 MiB"],
    [1023, { binary: true }, "1020 B"],
    [1337, { bits: true }, "1.34 kbit"],
    [1, { bits: true }, "1 b"],
    [1337, { signed: true }, "+1.34 kB"],
    [0, { signed: true }, " 0 B"],
    [1337, { locale: "de" }, "1,34 kB"],
    [1337, { locale: "en", minimumFractionDigits: 1, maximumFractionDigits: 1 }, "1.3 kB"],
  ];
  for (const [bytes, options, text] of cases) assertStrictEquals(formatBytes(bytes, options), text);
  assertThrows(() => formatBytes(NaN), TypeError, "Expected a finite number");
});

Deno.test("format() of a duration has three styles", () => {
  const cases: [number, Parameters<typeof formatDuration>[1], string][] = [
    [99674, undefined, "0d 0h 1m 39s 674ms 0µs 0ns"],
    [99674, { ignoreZero: true }, "1m 39s 674ms"],
    [-1.5, { ignoreZero: true }, "1ms 500µs"],
    [99674, { style: "digital" }, "00:00:01:39:674:000:000"],
    [99674, { style: "digital", ignoreZero: true }, "00:00:01:39:674"],
    [86_401_000, { style: "full", ignoreZero: true }, "1 day, 1 second"],
    [172_800_000, { style: "full", ignoreZero: true }, "2 days"],
  ];
  for (const [ms, options, text] of cases) assertStrictEquals(formatDuration(ms, options), text);
});

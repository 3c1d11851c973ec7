/** The assertion that one object contains another. @module */

import { assertEquals } from "./equality.ts";

type Loose = Record<PropertyKey, unknown>;

/**
 * Fails unless `actual` has everything that `expected` has, in depth; what it
 * has besides, and the classes of the objects, do not matter.
 */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any -- the signature of the real package
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  assertEquals(
    new Selection().ofObject(actual, expected),
    new Selection().ofObject(expected, expected),
    msg,
  );
}

/** Copies the part of a value for which a pattern has a place. */
class Selection {
  readonly #visited = new WeakMap<object, object>();

  /** A plain object; all of `value` when it shares no key with `pattern`. */
  ofObject(value: Loose, pattern: Loose): Loose {
    if (Object(value) !== value) {
      throw new TypeError(
        `Cannot assertObjectMatch ${value === null ? null : `type ${typeof value}`}`,
      );
    }
    if (this.#isRepeated(value, pattern)) return value;
    const keys = Reflect.ownKeys(value);
    const patternKeys = Reflect.ownKeys(pattern);
    const shared = keys.filter((key) => patternKeys.includes(key));
    const result: Loose = {};
    if (shared.length === 0 && patternKeys.length > 0) {
      for (const key of keys) define(result, key, value[key]);
    } else {
      for (const key of shared) define(result, key, this.#ofValue(value[key], pattern[key]));
    }
    return result;
  }

  #ofValue(value: unknown, pattern: unknown): unknown {
    // Their own properties would say nothing about them.
    if (value instanceof RegExp || value instanceof Date) return value;
    if (!isObject(value) || !isObject(pattern)) return value;
    if (Array.isArray(value) && Array.isArray(pattern)) return this.#ofArray(value, pattern);
    if (value instanceof Map && pattern instanceof Map) return this.#ofMap(value, pattern);
    if (value instanceof Set && pattern instanceof Set) return value.intersection(pattern);
    return this.ofObject(value, pattern);
  }

  #ofArray(value: readonly unknown[], pattern: readonly unknown[]): readonly unknown[] {
    if (this.#isRepeated(value, pattern)) return value;
    const length = Math.min(value.length, pattern.length);
    return Array.from({ length }, (_, i) => this.#ofValue(value[i], pattern[i]));
  }

  #ofMap(value: Map<unknown, unknown>, pattern: Map<unknown, unknown>): Map<unknown, unknown> {
    const result = new Map<unknown, unknown>();
    for (const [key, item] of value) {
      if (!pattern.has(key)) continue;
      const other = pattern.get(key);
      // Any two objects here, arrays too, are taken as plain ones.
      result.set(key, isObject(item) && isObject(other) ? this.ofObject(item, other) : item);
    }
    return result;
  }

  /** Whether this pair was met before, which ends a cycle. */
  #isRepeated(value: object, pattern: object): boolean {
    if (this.#visited.has(value) && this.#visited.get(value) === pattern) return true;
    this.#visited.set(value, pattern);
    return false;
  }
}

function isObject(value: unknown): value is Loose {
  return typeof value === "object" && value !== null;
}

/** Unlike an assignment, also right for the key `__proto__`. */
function define(target: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

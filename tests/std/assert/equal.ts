/**
 * Deep equality as the real package defines it. It differs from `node:assert`:
 * `-0` equals `0`, and an object without a prototype equals one with `{}`'s.
 *
 * @module
 */

/** Objects whose text says everything about them. */
const TEXTUAL: ReadonlySet<unknown> = new Set([
  Intl.Locale.prototype,
  RegExp.prototype,
  URL.prototype,
  URLSearchParams.prototype,
  Temporal.Duration.prototype,
  Temporal.Instant.prototype,
  Temporal.PlainDate.prototype,
  Temporal.PlainDateTime.prototype,
  Temporal.PlainMonthDay.prototype,
  Temporal.PlainTime.prototype,
  Temporal.PlainYearMonth.prototype,
  Temporal.ZonedDateTime.prototype,
]);

/** The constructor that all typed arrays share. */
const TypedArray: new () => Uint8Array = Object.getPrototypeOf(Uint8Array);

/** For each left object the right one it is being, or was last, compared with. */
type Visited = Map<object, object>;

/** Whether `a` and `b` are equal in depth. */
export function equal(a: unknown, b: unknown): boolean {
  return same(a, b, new Map());
}

function same(a: unknown, b: unknown, visited: Visited): boolean {
  if (a === b || Object.is(a, b)) return true;
  // Dates are compared before prototypes: one of a derived class may equal a plain one.
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  return isObject(a) && isObject(b) && prototypeOf(a) === prototypeOf(b) &&
    sameObjects(a, b, visited);
}

/** Two objects with the same prototype. */
function sameObjects(a: object, b: object, visited: Visited): boolean {
  if (a instanceof TypedArray) return sameNumbers(a, b as Uint8Array);
  if (a instanceof ArrayBuffer || a instanceof SharedArrayBuffer) {
    return sameNumbers(new Uint8Array(a), new Uint8Array(b as ArrayBuffer));
  }
  if (a instanceof WeakMap) throw new TypeError("Cannot compare WeakMap instances");
  if (a instanceof WeakSet) throw new TypeError("Cannot compare WeakSet instances");
  if (a instanceof WeakRef) return same(a.deref(), (b as WeakRef<WeakKey>).deref(), visited);

  if (visited.get(a) === b) return true;
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  visited.set(a, b);

  if (a instanceof Set && b instanceof Set) return sameSets(a, b, visited);
  if (a instanceof Map && b instanceof Map) return sameMaps(a, b, visited);
  if (TEXTUAL.has(Object.getPrototypeOf(a))) return String(a) === String(b);
  return sameProperties(a, b, visited);
}

function sameNumbers(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i] || Object.is(value, b[i]));
}

function sameSets(a: Set<unknown>, b: Set<unknown>, visited: Visited): boolean {
  if (a.size !== b.size) return false;
  return hasOnlyPrimitives(a)
    ? a.isSubsetOf(b)
    : everyItemIn(a, b, (item, other) => same(item, other, visited));
}

function sameMaps(
  a: Map<unknown, unknown>,
  b: Map<unknown, unknown>,
  visited: Visited,
): boolean {
  if (a.size !== b.size) return false;
  if (hasOnlyPrimitives(a.keys())) {
    for (const [key, value] of a) {
      if (!b.has(key) || !same(value, b.get(key), visited)) return false;
    }
    return true;
  }
  return everyItemIn(
    a,
    b,
    ([key, value], [otherKey, other]) =>
      same(key, otherKey, visited) &&
      // An entry that is its own value was compared with its key.
      ((key === value && otherKey === other) || same(value, other, visited)),
  );
}

/** Two items of `a` may find the same partner in `b`. */
function everyItemIn<T>(a: Iterable<T>, b: Iterable<T>, match: (a: T, b: T) => boolean): boolean {
  const others = [...b];
  // Every item is looked for, also behind one without a partner: comparing leaves traces in `visited`.
  return [...a].filter((item) => !others.some((other) => match(item, other))).length === 0;
}

function sameProperties(a: object, b: object, visited: Visited): boolean {
  for (const key of propertiesOf(a, b)) {
    if (!same(Reflect.get(a, key), Reflect.get(b, key), visited)) return false;
    if (key in a !== key in b) return false;
  }
  return true;
}

/**
 * The properties that count: of plain objects and arrays the enumerable ones of
 * their own, of anything else all, with those of its classes.
 */
function propertiesOf(a: object, b: object): Iterable<PropertyKey> {
  const prototype = prototypeOf(a);
  return prototype === Object.prototype || prototype === Array.prototype
    ? Reflect.ownKeys({ ...a, ...b })
    : new Set([...allProperties(a), ...allProperties(b)]);
}

function* allProperties(object: object): Iterable<PropertyKey> {
  let at: object | null = object;
  while (at !== null && at !== Object.prototype && at !== Array.prototype) {
    yield* Reflect.ownKeys(at);
    at = Object.getPrototypeOf(at);
  }
}

/** An object without a prototype counts as a plain one. */
function prototypeOf(object: object): unknown {
  return Object.getPrototypeOf(object) ?? Object.prototype;
}

function hasOnlyPrimitives(items: Iterable<unknown>): boolean {
  return [...items].every((item) =>
    item === null || (typeof item !== "object" && typeof item !== "function")
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

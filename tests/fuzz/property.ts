/** Properties with a name, which count the inputs that they are really given. */

import fc from "npm:fast-check@4.10.2";

/** Something that holds for every input. */
export interface NamedProperty {
  /** What holds, in a sentence. No name is a part of another one. */
  readonly name: string;
  /** It in the form that fast-check runs. */
  readonly property: fc.IRawProperty<unknown, boolean>;
  /** On how many inputs it is tried in the normal suite; those that are slow have fewer. */
  readonly runs: number;
}

let count = (): void => {};

/** Calls `counter` before each input from now on, those of shrinking included. */
export function countInputs(counter: () => void): void {
  count = counter;
}

/** A property that takes no time. */
export function forAll<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  predicate: (value: T) => void,
  runs = 600,
): NamedProperty {
  const property = fc.property(arbitrary, (value) => {
    count();
    predicate(value);
  });
  return { name, property, runs };
}

/** A property that has to wait, such as for a connection in memory. */
export function forAllAsync<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  predicate: (value: T) => Promise<void>,
  runs = 100,
): NamedProperty {
  const property = fc.asyncProperty(arbitrary, async (value) => {
    count();
    await predicate(value);
  });
  return { name, property, runs };
}

/** Runs `fn`; gives its result, or null for an error of the class `documented`. */
export function attempt<T>(
  fn: () => T,
  documented: new (...args: never[]) => Error,
): T | null {
  try {
    return fn();
  } catch (error) {
    if (!(error instanceof documented)) throw error;
    return null;
  }
}

/** The error of the class `documented` that `fn` throws; null where it throws none. */
export function errorOf<E extends Error>(
  fn: () => unknown,
  documented: new (...args: never[]) => E,
): E | null {
  try {
    fn();
    return null;
  } catch (error) {
    if (!(error instanceof documented)) throw error;
    return error;
  }
}

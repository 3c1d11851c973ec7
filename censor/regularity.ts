/**
 * What is always the same in many connections: bytes, lengths, and what lengths say of each other.
 * Wang et al., CCS 2015.
 *
 * @module
 */

import { byPosition, type Place } from "./byte_statistics.ts";

/** How far into a message fixed places are looked for, in bytes. */
const DEEPEST = 64;
/** How far into a message a field with a length is looked for, in bytes. */
const DEEPEST_FIELD = 32;
/** Less different lengths than these show no rule about them. */
const FEWEST_LENGTHS = 8;
/** So much of all connections has to show a relation: what both sides say at once may stand apart. */
const MOST_FLOWS = 2 / 3;
/** So many messages have one of few lengths where that is a habit: it may be padded now and then. */
const FEW_LENGTHS = 3 / 4;
/** A field says how long its message is in so many messages, or by chance. */
const MOST_FIELDS = 9 / 10;
/** Fewer messages than these show no habit. */
const FEWEST_MESSAGES = 16;

/**
 * Finds places with few values: one, or no more than half as many as there are messages. 30 random
 * bytes have 28 different values, and half of them by chance never.
 *
 * @param messages The same message of many connections, at least 16.
 * @returns Such places among the first 64.
 *
 * @example
 * ```ts
 * import { fixedPlaces } from "@ptlib/ptlib/censor";
 *
 * const messages = Array.from({ length: 30 }, (_, index) => Uint8Array.of(0x13, index));
 * const [magic, ...more] = fixedPlaces(messages);
 * if (magic?.commonest !== 0x13 || more.length > 0) throw new Error();
 * ```
 */
export function fixedPlaces(messages: readonly Uint8Array[]): Place[] {
  if (messages.length < FEWEST_MESSAGES) return [];
  const few = Math.min(messages.length / 2, 64);
  return byPosition(messages, DEEPEST).filter(({ values }) => values <= few);
}

/**
 * The different lengths of messages, the commonest first.
 *
 * @param messages The same message of many connections.
 * @returns Lengths in bytes.
 *
 * @example
 * ```ts
 * import { lengthsOf } from "@ptlib/ptlib/censor";
 *
 * const messages = [1, 5, 5].map((length) => new Uint8Array(length));
 * if (lengthsOf(messages).join() !== "5,1") throw new Error();
 * ```
 */
export function lengthsOf(messages: readonly Uint8Array[]): number[] {
  return countLengths(messages).map(([length]) => length);
}

/** The different lengths, and how many messages have each, the commonest first. */
function countLengths(messages: readonly Uint8Array[]): [length: number, count: number][] {
  const counts = new Map<number, number>();
  for (const { length } of messages) counts.set(length, (counts.get(length) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one);
}

/**
 * Finds the lengths that most messages have: as few as three quarters of them need, and no more than
 * an eighth as many as there are messages.
 *
 * @param messages The same message of many connections.
 * @returns Those lengths, the commonest first, and how many messages have one of them.
 *
 * @example
 * ```ts
 * import { commonLengths } from "@ptlib/ptlib/censor";
 *
 * const messages = Array.from({ length: 30 }, (_, index) => new Uint8Array(index < 26 ? 64 : index));
 * const { lengths, count } = commonLengths(messages);
 * if (lengths.join() !== "64" || count !== 26) throw new Error();
 * ```
 */
export function commonLengths(
  messages: readonly Uint8Array[],
): { readonly lengths: readonly number[]; readonly count: number } {
  const most = Math.max(1, Math.floor(messages.length / 8));
  const lengths: number[] = [];
  let count = 0;
  for (const [length, having] of countLengths(messages).slice(0, most)) {
    if (count >= FEW_LENGTHS * messages.length) break;
    lengths.push(length);
    count += having;
  }
  return { lengths, count };
}

/**
 * Tells whether messages have one length or few: three quarters of them have one of the
 * {@linkcode commonLengths}.
 *
 * @param messages The same message of many connections, at least 16.
 * @returns Whether a censor could know them by their length.
 *
 * @example
 * ```ts
 * import { hasFewLengths } from "@ptlib/ptlib/censor";
 *
 * if (!hasFewLengths(Array.from({ length: 30 }, () => new Uint8Array(64)))) throw new Error();
 * ```
 */
export function hasFewLengths(messages: readonly Uint8Array[]): boolean {
  if (messages.length < FEWEST_MESSAGES) return false;
  return commonLengths(messages).count >= FEW_LENGTHS * messages.length;
}

/**
 * A field that says how long its message is.
 *
 * @example
 * ```ts
 * import type { LengthField } from "@ptlib/ptlib/censor";
 *
 * const asInSocks: LengthField = { position: 4, size: 1, littleEndian: false, difference: 7 };
 * ```
 */
export interface LengthField {
  /** How many bytes stand before it. */
  readonly position: number;
  /** How many bytes it has. */
  readonly size: 1 | 2 | 4;
  /** Whether its first byte is the least. */
  readonly littleEndian: boolean;
  /** The length of the message less what it says. */
  readonly difference: number;
}

function readField(message: Uint8Array, position: number, size: number, little: boolean): number {
  const bytes = message.slice(position, position + size);
  if (little) bytes.reverse();
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

const SHAPES = [[4, false], [4, true], [2, false], [2, true], [1, false]] as const;

/** The fields at one place whose numbers and lengths differ by the same in nearly all messages. */
function* fieldsAt(messages: readonly Uint8Array[], position: number): Generator<LengthField> {
  for (const [size, littleEndian] of SHAPES) {
    const having = messages.filter(({ length }) => position + size <= length);
    const groups = Map.groupBy(
      having,
      (message) => message.length - readField(message, position, size, littleEndian),
    );
    for (const [difference, group] of groups) {
      const isHabit = group.length >= MOST_FIELDS * messages.length;
      if (isHabit && isVaried(group)) yield { position, size, littleEndian, difference };
    }
  }
}

/** Whether messages have so many lengths that a constant does not say them. */
function isVaried(messages: readonly Uint8Array[]): boolean {
  return lengthsOf(messages).length >= FEWEST_LENGTHS;
}

/**
 * Finds a field that says how long its message is, whatever is added to it, in nine of ten of them.
 *
 * @param messages The same message of many connections, of at least 8 different lengths.
 * @returns The one that differs least from the length: beside it stand others that take a constant
 * byte with it. `null` where there is none.
 *
 * @example
 * ```ts
 * import { findLengthField } from "@ptlib/ptlib/censor";
 *
 * const messages = Array.from({ length: 30 }, (_, index) => {
 *   const message = crypto.getRandomValues(new Uint8Array(20 + index));
 *   message.set([0, 18 + index]);
 *   return message;
 * });
 * if (findLengthField(messages)?.difference !== 2) throw new Error();
 * ```
 */
export function findLengthField(messages: readonly Uint8Array[]): LengthField | null {
  if (!isVaried(messages)) return null;
  let best: LengthField | null = null;
  for (let position = 0; position < DEEPEST_FIELD; position++) {
    for (const field of fieldsAt(messages, position)) {
      const isNearer = best === null || Math.abs(field.difference) < Math.abs(best.difference);
      if (isNearer) best = field;
    }
  }
  return best;
}

/**
 * Two messages of a connection whose lengths differ by the same number in most of them.
 *
 * @example
 * ```ts
 * import type { LengthRelation } from "@ptlib/ptlib/censor";
 *
 * const echo: LengthRelation = { one: 0, other: 1, difference: 0, count: 30 };
 * ```
 */
export interface LengthRelation {
  /** The first of them, counted from 0. */
  readonly one: number;
  /** The second of them. */
  readonly other: number;
  /** How many bytes longer that is. */
  readonly difference: number;
  /** In how many connections. */
  readonly count: number;
}

/**
 * Finds two messages of which the length of one says that of the other.
 *
 * @param flows The lengths of the first messages of each connection, in bytes.
 * @returns The first two for which that holds in two of three connections; `null` where there are
 * none. Lengths of which there are less than 8 say nothing.
 *
 * @example
 * ```ts
 * import { findLengthRelation } from "@ptlib/ptlib/censor";
 *
 * const flows = Array.from({ length: 30 }, (_, index) => [100 + index, 7, 120 + index]);
 * if (findLengthRelation(flows)?.difference !== 20) throw new Error();
 * ```
 */
export function findLengthRelation(
  flows: readonly (readonly number[])[],
): LengthRelation | null {
  const most = flows.reduce((most, { length }) => Math.max(most, length), 0);
  for (let one = 0; one < most; one++) {
    for (let other = one + 1; other < most; other++) {
      const having = flows.filter(({ length }) => length > other);
      for (
        const [difference, showing] of Map.groupBy(having, (sizes) => sizes[other]! - sizes[one]!)
      ) {
        const lengths = new Set(showing.map((sizes) => sizes[one]));
        const count = showing.length;
        if (count >= MOST_FLOWS * flows.length && lengths.size >= FEWEST_LENGTHS) {
          return { one, other, difference, count };
        }
      }
    }
  }
  return null;
}

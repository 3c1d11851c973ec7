/** Connections for the rules, made from bytes and lengths. */

import type { Flow } from "../../censor/mod.ts";

/** Random bytes. */
export function random(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Bytes of a text. */
export function ascii(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A connection in which client and server take turns. */
export function flowOf(...messages: readonly Uint8Array[]): Flow {
  return messages.map((bytes, index) => ({ fromClient: index % 2 === 0, time: index, bytes }));
}

/** A connection of random bytes, by its lengths. */
export function flowOfLengths(...lengths: readonly number[]): Flow {
  return flowOf(...lengths.map(random));
}

/** As many connections as the rules want at least. */
export function thirty<T>(make: (index: number) => T): T[] {
  return Array.from({ length: 30 }, (_, index) => make(index));
}

/** A message for each of them, of another length each. */
export function varied(index: number, head: readonly number[] = []): Uint8Array<ArrayBuffer> {
  const message = random(40 + 7 * index);
  message.set(head);
  return message;
}

/** Words that look like a language. */
export function words(index: number): Uint8Array<ArrayBuffer> {
  const list = "it was the best of times and that is all there is to say about this".split(" ");
  return ascii(
    Array.from({ length: 20 + index }, (_, at) => list[(at * 7 + index) % list.length]).join(" "),
  );
}

/**
 * Pictures of the sizes and directions of messages: by their order, and by time.
 *
 * @module
 */

import { isDecade, placeOfTime, timeTicks } from "./axis.ts";
import { box, boxes, drawing, PLOT, WIDTH, word } from "./drawing.ts";
import { bursts, type Flow } from "./flow.ts";

/** How many messages of a connection are drawn. */
const MESSAGES = 20;
const [MIDDLE, TALLEST] = [105, 95];
const HEIGHT = 2 * MIDDLE + 16;
/** How wide a bar is whose place is a time. */
const NARROW = 3;
const LINES = [100, 1_000, 10_000, 100_000, 1_000_000];

/** What one side said before the other spoke. */
interface Message {
  readonly fromClient: boolean;
  readonly length: number;
  /** When its first byte passed, in milliseconds after the first one of the connection. */
  readonly time: number;
}

/** The first messages of a connection. */
function messagesOf(flow: Flow): Message[] {
  const said = flow.filter(({ bytes }) => bytes.length > 0);
  const first = said[0]?.time ?? 0;
  const starts = said.filter(({ fromClient }, at) => said[at - 1]?.fromClient !== fromClient);
  return bursts(flow).slice(0, MESSAGES).map(({ fromClient, bytes }, index) => ({
    fromClient,
    length: bytes.length,
    // A clock that was set back has no place on an axis.
    time: Math.max(0, starts[index]!.time - first),
  }));
}

/** How far the axes go; pictures that are compared have the same. */
export interface Extent {
  /** The length whose bar is the tallest, in bytes. */
  readonly longest: number;
  /** The time at the end, in milliseconds. */
  readonly end: number;
}

/**
 * Finds axes that have room for all messages of some connections.
 *
 * @param flows The connections.
 * @returns How far the axes go.
 */
export function extentOf(flows: readonly Flow[]): Extent {
  const messages = flows.flatMap(messagesOf);
  return {
    longest: messages.reduce((most, { length }) => Math.max(most, length), 65_536),
    end: messages.reduce((last, { time }) => Math.max(last, time), 1),
  };
}

/** The height of a bar: lengths of all sizes are to be seen, so that it is a logarithm. */
function heightOf(length: number, longest: number): number {
  return TALLEST * Math.log2(1 + length) / Math.log2(1 + longest);
}

/** The lines that say how long messages are. */
function lengthLines(longest: number): string[] {
  const lines = LINES.filter((length) => length <= longest).flatMap((length) =>
    [-1, 1].flatMap((side) => {
      const y = MIDDLE + side * heightOf(length, longest);
      return [box([0, y, PLOT, 0.5], "line"), word([WIDTH, y + 4], String(length), "end")];
    })
  );
  return [...lines, word([WIDTH, MIDDLE + 4], "bytes", "end")];
}

/** Draws the bars of all connections over each other, and what else stands there. */
function drawMessages(
  flows: readonly Flow[],
  longest: number,
  title: string,
  bar: { width: number; opacity: number; leftOf: (message: Message, index: number) => number },
  axis: readonly string[],
): string {
  const bars = flows.map(messagesOf).flatMap((messages) =>
    [true, false].map((fromClient) => {
      const places = messages.flatMap((message, index) => {
        if (message.fromClient !== fromClient) return [];
        const height = heightOf(message.length, longest);
        const top = fromClient ? MIDDLE - height : MIDDLE;
        return [[bar.leftOf(message, index), top, bar.width, height] as const];
      });
      return boxes(places, fromClient ? "client" : "server", bar.opacity);
    })
  );
  return drawing(WIDTH, HEIGHT, title, [...bars, ...lengthLines(longest), ...axis]);
}

/**
 * Draws the sizes and directions of the first 20 messages by their order, all connections over each
 * other: the client's go up.
 *
 * @param flows The connections.
 * @param title What they are.
 * @param extent How far the axes go.
 * @returns An SVG element; its colours are those of the classes `client`, `server` and `line`.
 */
export function orderPicture(flows: readonly Flow[], title: string, { longest }: Extent): string {
  const step = PLOT / MESSAGES;
  const numbers = Array.from(
    { length: MESSAGES },
    (_, index) => word([(index + 0.5) * step, HEIGHT - 2], String(index + 1), "middle"),
  );
  const opacity = Math.max(0.04, 1 / flows.length);
  const leftOf = (_: Message, index: number) => index * step + 3;
  return drawMessages(flows, longest, title, { width: step - 6, opacity, leftOf }, numbers);
}

/**
 * Draws the same by the time at which the first byte of each message passed.
 *
 * @param flows The connections.
 * @param title What they are.
 * @param extent How far the axes go.
 * @returns An SVG element; its colours are those of the classes `client`, `server` and `line`.
 */
export function timePicture(
  flows: readonly Flow[],
  title: string,
  { longest, end }: Extent,
): string {
  const place = (time: number) => (PLOT - NARROW) * placeOfTime(time, end);
  const [top, bottom] = [MIDDLE - TALLEST, MIDDLE + TALLEST];
  const ticks = timeTicks(end).flatMap((time) => {
    const x = place(time) + NARROW / 2;
    if (!isDecade(time)) return [box([x, bottom - 6, 0.5, 6], "line")];
    const line = box([x, top, 0.5, bottom - top], "line");
    return [line, word([x, HEIGHT - 2], String(time), "middle")];
  });
  const ends = [word([0, HEIGHT - 2], "0"), word([WIDTH, HEIGHT - 2], "ms", "end")];
  // Bars by time hardly lie over each other; one that stands alone is to be seen.
  const opacity = Math.max(0.25, 1 / Math.sqrt(flows.length));
  const leftOf = ({ time }: Message) => place(time);
  return drawMessages(flows, longest, title, { width: NARROW, opacity, leftOf }, [
    ...ticks,
    ...ends,
  ]);
}

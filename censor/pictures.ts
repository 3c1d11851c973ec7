/**
 * Pictures of connections: sizes and directions, byte values by position, lengths.
 *
 * @module
 */

import { byPosition } from "./byte_statistics.ts";
import { box, drawing, word } from "./drawing.ts";
import { bursts, firstBurst, type Flow } from "./flow.ts";

const WIDTH = 640;

/** How many messages of a connection are drawn. */
const MESSAGES = 20;
const [MIDDLE, TALLEST] = [110, 90];
/** Lengths that are marked, in bytes, and one whose bar is never too tall. */
const LINES = [100, 1_000, 10_000, 100_000, 1_000_000];
const LARGE = 65_536;

/** How high bars are: lengths of all sizes are to be seen, so that it is their logarithm. */
type Height = (length: number) => number;

/** Heights by which the longest message is the tallest bar. */
function heightsFor(flows: readonly Flow[]): Height {
  const longest = flows.flatMap((flow) => bursts(flow).slice(0, MESSAGES))
    .reduce((most, { bytes }) => Math.max(most, bytes.length), LARGE);
  return (length) => TALLEST * Math.log(1 + length) / Math.log(1 + longest);
}

/** Bars of messages: where each stands, how wide it is, and how faint one of many may be. */
interface Bars {
  readonly placesOf: (flow: Flow) => readonly number[];
  readonly width: number;
  readonly faintest: number;
}

/** The bars of all connections, with lines for what their heights mean. */
function messageBars(flows: readonly Flow[], { placesOf, width, faintest }: Bars): string[] {
  const heightOf = heightsFor(flows);
  const opacity = Math.max(faintest, 1 / flows.length);
  const bars = flows.flatMap((flow) => {
    const places = placesOf(flow);
    return bursts(flow).slice(0, MESSAGES).map(({ fromClient, bytes }, index) => {
      const height = heightOf(bytes.length);
      const place = [places[index]!, fromClient ? MIDDLE - height : MIDDLE, width, height] as const;
      return box(place, fromClient ? "client" : "server", "", opacity);
    });
  });
  const lines = LINES.filter((length) => heightOf(length) <= TALLEST).flatMap((length) =>
    [-1, 1].flatMap((side) => {
      const y = MIDDLE + side * heightOf(length);
      return [box([0, y, WIDTH, 0.5], "line"), word([WIDTH, y - 2], String(length), "end")];
    })
  );
  return [...bars, ...lines];
}

/**
 * Draws the sizes and directions of the first 20 messages, all connections over each other: the
 * client's go up.
 *
 * @param flows The connections.
 * @param title What they are.
 * @returns An SVG element; its colours are those of the classes `client`, `server` and `line`.
 */
export function messagesPicture(flows: readonly Flow[], title: string): string {
  const step = WIDTH / MESSAGES;
  const places = Array.from({ length: MESSAGES }, (_, index) => index * step + 3);
  const numbers = places.map((place, index) =>
    word([place - 3 + step / 2, 2 * MIDDLE + 8], String(index + 1), "middle")
  );
  const bars = messageBars(flows, { placesOf: () => places, width: step - 6, faintest: 0.04 });
  return drawing(WIDTH, 2 * MIDDLE + 12, title, [...bars, ...numbers]);
}

/** When each message of a connection began, in milliseconds since the first. */
function startsOf(flow: Flow): number[] {
  const said = flow.filter(({ bytes }) => bytes.length > 0);
  const first = said[0]?.time ?? 0;
  return said.filter(({ fromClient }, index) => said[index - 1]?.fromClient !== fromClient)
    .map(({ time }) => time - first);
}

const BAR = 3;
/** Times that are marked, in milliseconds. */
const TIMES = [1, 10, 100, 1_000, 10_000, 100_000];

/**
 * Draws the sizes and directions of the first 20 messages over time, all connections over each
 * other. Times from one to thousands of milliseconds are to be seen, so that it is their logarithm.
 *
 * @param flows The connections.
 * @param title What they are.
 * @returns An SVG element; its colours are those of the classes `client`, `server` and `line`.
 */
export function timesPicture(flows: readonly Flow[], title: string): string {
  const longest = flows.flatMap((flow) => startsOf(flow).slice(0, MESSAGES))
    .reduce((most, time) => Math.max(most, time), 1);
  const placeOf = (time: number) =>
    (WIDTH - BAR) * Math.log(1 + Math.max(0, time)) / Math.log(1 + longest);
  const marks = TIMES.filter((time) => time <= longest).flatMap((time) => [
    box([placeOf(time), MIDDLE - TALLEST, 0.5, 2 * TALLEST], "line"),
    word([placeOf(time), 2 * MIDDLE + 8], `${time} ms`, "middle"),
  ]);
  const placesOf = (flow: Flow) => startsOf(flow).map(placeOf);
  const bars = messageBars(flows, { placesOf, width: BAR, faintest: 0.25 });
  const start = word([0, 2 * MIDDLE + 8], "0");
  return drawing(WIDTH, 2 * MIDDLE + 12, title, [...bars, start, ...marks]);
}

/** The room for a word above a drawing, as large as on a phone. */
const TOP = 18;
/** How many places of a message are drawn, and into how many rows its values go. */
const [PLACES, ROWS] = [64, 32];
const VALUES = 256 / ROWS;
const ROW_HEIGHT = 5;

/**
 * Draws which values stand at the first 64 places of the first messages of one side: what is always
 * the same is a dark square in a light column.
 *
 * @param flows The connections.
 * @param fromClient Whose messages.
 * @param title What they are.
 * @returns An SVG element; its colour is that of the classes `client` and `server`.
 */
export function heatMap(flows: readonly Flow[], fromClient: boolean, title: string): string {
  const messages = flows.map((flow) => firstBurst(flow, fromClient));
  const step = WIDTH / PLACES;
  const cells = Array.from({ length: PLACES }, (_, place) => {
    const values = messages.flatMap((message) => place < message.length ? [message[place]!] : []);
    const counts = Map.groupBy(values, (value) => Math.floor(value / VALUES));
    return Array.from(counts, ([row, group]) => {
      const top = (ROWS - 1 - row) * ROW_HEIGHT;
      const share = group.length / values.length;
      // What most have is worth a word; thousands of them would not be.
      const range = `${row * VALUES} to ${(row + 1) * VALUES - 1}`;
      const words = share > 0.5 ? `byte ${place}: ${Math.round(100 * share)} % from ${range}` : "";
      return box(
        [place * step, top, step, ROW_HEIGHT],
        fromClient ? "client" : "server",
        words,
        share,
      );
    });
  });
  const height = ROWS * ROW_HEIGHT;
  const places = [0, 16, 32, 48].map((place) => word([place * step, height + 12], `byte ${place}`));
  return drawing(WIDTH, height + 16, title, [...cells.flat(), ...places]);
}

const SHARE_HEIGHT = 40;

/**
 * Draws at how many of the first 64 places of the first messages of one side stands a letter or
 * another sign that can be printed. Of random bytes these are 37 %.
 *
 * @param flows The connections.
 * @param fromClient Whose messages.
 * @param title What they are.
 * @returns An SVG element.
 */
export function printablePicture(
  flows: readonly Flow[],
  fromClient: boolean,
  title: string,
): string {
  const step = WIDTH / PLACES;
  const messages = flows.map((flow) => firstBurst(flow, fromClient));
  const bars = byPosition(messages, PLACES).map(({ position, printable }) => {
    const height = SHARE_HEIGHT * printable;
    const words = `byte ${position}: ${Math.round(100 * printable)} %`;
    const place = [position * step, TOP + SHARE_HEIGHT - height, step - 1, height] as const;
    return box(place, fromClient ? "client" : "server", words);
  });
  return drawing(WIDTH, TOP + SHARE_HEIGHT + 4, title, [
    ...bars,
    box([0, TOP, WIDTH, 0.5], "line"),
    word([0, TOP - 3], "100 %"),
    box([0, TOP + SHARE_HEIGHT, WIDTH, 0.5], "line"),
  ]);
}

const BINS = 64;
const HISTOGRAM_HEIGHT = 80;

/**
 * Draws how long the first messages of one side are.
 *
 * @param flows The connections.
 * @param fromClient Whose messages.
 * @param title What they are.
 * @returns An SVG element.
 */
export function lengthsPicture(flows: readonly Flow[], fromClient: boolean, title: string): string {
  const lengths = flows.map((flow) => firstBurst(flow, fromClient).length);
  const longest = Math.max(1, ...lengths);
  const size = Math.max(1, Math.ceil((longest + 1) / BINS));
  const bins = Map.groupBy(lengths, (length) => Math.floor(length / size));
  const most = Math.max(1, ...[...bins.values()].map(({ length }) => length));
  const step = WIDTH / BINS;
  const bars = Array.from(bins, ([bin, group]) => {
    const height = HISTOGRAM_HEIGHT * group.length / most;
    const words = `${group.length} of ${bin * size} to ${(bin + 1) * size - 1} bytes`;
    const place = [bin * step, TOP + HISTOGRAM_HEIGHT - height, step - 1, height] as const;
    return box(place, fromClient ? "client" : "server", words);
  });
  const bottom = TOP + HISTOGRAM_HEIGHT;
  return drawing(WIDTH, bottom + 16, title, [
    ...bars,
    box([0, TOP, WIDTH, 0.5], "line"),
    word([0, TOP - 3], `${most} connections`),
    box([0, bottom, WIDTH, 0.5], "line"),
    word([0, bottom + 12], "0 bytes"),
    word([WIDTH, bottom + 12], `${BINS * size} bytes`, "end"),
  ]);
}
